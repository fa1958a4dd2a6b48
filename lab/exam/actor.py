"""`python -m lab.exam.actor`: the process that acts as the culprit of one fault, until its input ends.

A process of its own, because the tracer names one service per process. Standard input has the fault, on
one line; each line of standard output is a report on its proof. When the input ends, also because the exam
process was killed, the sessions end.
"""

import os
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from lab.clients import database
from lab.clients.database import Role
from lab.drills import tracing
from lab.drills.drill import Proof
from lab.drills.scene import Scene
from lab.drills.sessions import DrillSessions
from lab.exam.items import Fault
from lab.exam.mechanisms import MECHANISMS, PREPARED, Mechanism, herring
from lab.exam.secrecy import be_unreadable
from lab.foundation import clock
from lab.foundation.errors import LabError
from lab.foundation.settings import LabSettings
from lab.stack.mode import running_settings

CHECK_EVERY_S = 1.0
UNTRACKED = "-c default_transaction_read_only=on -c pg_stat_statements.track=none"
ENDS_WITHIN_S = 20.0


@dataclass(frozen=True, kw_only=True)
class Part:
    """What an actor does: a fault, something harmless by its name, or nothing (`idle`).

    Every exam has the same number of actors: the process list must not show how many faults there are.
    """

    fault: Fault
    herring: str = ""
    idle: bool = False

    @property
    def mechanism(self) -> Mechanism:
        """How it is injected and proven."""
        if self.idle:
            return Mechanism(inject=lambda *_: None, prove=lambda *_: PREPARED)
        return herring(self.herring) if self.herring else MECHANISMS[self.fault.kind]


@dataclass(frozen=True, kw_only=True)
class UnseenScene(Scene):
    """A scene whose own statements no observer sees: they prove the fault, and would name it.

    They have no span and no entry in pg_stat_statements; the sessions of the fault have both.
    """

    def act(self, role: Role, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Execute one statement as a role, queries as the superuser, and return its rows.

        Raises:
            DatabaseError: when PostgreSQL refuses or does not answer.
        """
        # Only a superuser may set pg_stat_statements.track.
        asks = role is Role.LAB
        target = database.dsn(self.settings, Role.SUPERUSER if asks else role)
        with database.connect(
            f"{target} options='{UNTRACKED}'" if asks else target, traced=False
        ) as connection:
            return database.rows(connection, sql, parameters or None)


@dataclass(frozen=True, kw_only=True)
class Report:
    """The state of a fault; pids as in pg_stat_activity, `injected_ns` in nanoseconds since 1970."""

    injected_ns: int
    holds: bool = False
    says: str = ""
    pids: tuple[int, ...] = ()
    heads: tuple[str, ...] = ()
    chain: tuple[str, ...] = ()
    failure: str = ""


def main() -> None:
    """Inject, and report once a second."""
    be_unreadable()
    part = msgspec.json.decode(sys.stdin.buffer.readline(), type=Part)
    ended = threading.Event()
    threading.Thread(target=_await_end, args=[ended], daemon=True).start()
    settings = running_settings(LabSettings.load())
    application = part.fault.culprits[0]
    traced = tracing.start(settings, application)
    sessions = DrillSessions(settings, traced, application)
    scene = UnseenScene(
        settings=settings, intensity=part.fault.intensity, sessions=sessions, memo={}
    )
    injected_ns = clock.now_ns()
    try:
        part.mechanism.inject(scene, part.fault)
        while not ended.is_set():
            _say(_report(part, scene, injected_ns))
            ended.wait(CHECK_EVERY_S)
    except LabError as error:
        _say(Report(injected_ns=injected_ns, failure=str(error)))
        ended.wait()
    finally:
        sessions.end()


def _report(part: Part, scene: Scene, injected_ns: int) -> Report:
    try:
        proof = part.mechanism.prove(scene, part.fault)
    except LabError as error:
        proof = Proof(holds=False, says=str(error))
    failure = scene.sessions.failure
    return Report(
        injected_ns=injected_ns,
        holds=proof.holds,
        says=proof.says,
        pids=tuple(sorted(proof.pids)),
        heads=tuple(scene.memo.get("heads", "").split()),
        chain=tuple(scene.memo.get("chain", "").split()),
        failure=str(failure) if failure else "",
    )


def _say(report: Report) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
    sys.stdout.buffer.flush()


def _await_end(ended: threading.Event) -> None:
    sys.stdin.buffer.read()
    ended.set()
    # The sessions end by themselves when the process does.
    threading.Event().wait(ENDS_WITHIN_S * 2)
    os._exit(1)


if __name__ == "__main__":
    main()
