"""Faults of the exam in a real PostgreSQL: not proven before the injection, proven after it, and ended."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from lab.clients.database import Role, rows
from lab.drills.drill import Proof
from lab.drills.scene import Scene
from lab.drills.sessions import DrillSessions
from lab.exam.items import Fault, Herring
from lab.exam.mechanisms import MECHANISMS, herring
from lab.foundation.readiness import await_state
from tests.fix_postgres import Database
from tests.fix_workload import one
from workload.tracing import NoTracing

CULPRIT = "partner-sync"
OTHER = "back-office"
PROVEN_WITHIN_S = 150.0
OWN = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
STATES = "SELECT usename, state, count(*) FROM pg_stat_activity WHERE application_name = %s GROUP BY 1, 2"
# Kind, victim, the sessions that are at fault, and what PostgreSQL shows of it.
FAULTS = (
    ("row-lock-chain", "customers", 1, r"[2-4] sessions waiting for a row lock, [1-3] of them"),
    ("idle-in-transaction", "customers", 1, r"1 session idle in a transaction, for up to [1-9]\d* s"),
    ("deadlocks", "customers", 4, r"PostgreSQL has ended [1-9]\d* deadlocks"),
    ("sequential-scans", "installments", 2, r"installments was scanned ([2-9]|\d\d+) times"),
    ("slow-query", "credit_proposals", 1, r"a statement was seen \d+\.\d s after its start"),
    ("work-mem-spill", "credit_transactions", 2, r"\d+ MB of temporary files were written"),
    ("n-plus-one", "credit_proposals", 2, r"partner_line was called (15[1-9]|1[6-9]\d|[2-9]\d\d|\d{4})"),
    ("burst", "credit_proposals", 6, r"partner_recent was called (1[3-9]|[2-9]\d|\d{3,}) times"),
    ("rollback-storm", "customers", 2, r"(1[1-9]|[2-9]\d|\d{3,}) transactions were rolled back"),
    ("held-snapshot", "customers", 1, r"\d+ tuples of customers are dead, ([2-9]\d|100)%; 1 old snapshot"),
)  # fmt: skip


def scene_of(database: Database, application: str = CULPRIT, intensity: float = 1.0) -> Scene:
    sessions = DrillSessions(database.settings, NoTracing(), application)
    return Scene(settings=database.settings, intensity=intensity, sessions=sessions, memo={})


@contextmanager
def acting(scene: Scene) -> Iterator[None]:
    try:
        yield
    finally:
        scene.sessions.end()


def proof_of(prove: Callable[[], Proof], sessions: int) -> Proof:
    """Return the proof with all sessions at fault; they start one after the other."""
    last: list[Proof] = []

    def missing() -> str | None:
        last.append(prove())
        proof = last[-1]
        return None if proof.holds and len(proof.pids) == sessions else f"{proof}"

    await_state("PostgreSQL shows the fault", missing, within_s=PROVEN_WITHIN_S)
    return last[-1]


@pytest.mark.parametrize(
    ("kind", "victim", "sessions", "says"), FAULTS, ids=[kind for kind, *_ in FAULTS]
)
def test_a_fault_is_proven_by_postgresql(
    seeded: Database, kind: str, victim: str, sessions: int, says: str
) -> None:
    """Not before the injection, nor by the sessions of another application; none is left at the end."""
    mechanism = MECHANISMS[kind]
    fault = Fault(kind=kind, victim=victim, culprits=(CULPRIT,))
    bystander, scene = scene_of(seeded, OTHER), scene_of(seeded)
    assert not mechanism.prove(scene_of(seeded), fault).holds
    with acting(scene):
        mechanism.inject(scene, fault)
        proof = proof_of(lambda: mechanism.prove(scene, fault), sessions)
        assert re.search(says, proof.says), proof.says
        assert scene.sessions.failure is None
        innocent = Fault(kind=kind, victim=victim, culprits=(OTHER,))
        assert mechanism.prove(bystander, innocent).pids == frozenset()
    assert one(seeded, OWN, CULPRIT) == 0


def test_a_chain_names_its_head_and_all_its_sessions(seeded: Database) -> None:
    """The head is idle; the chain has it and those that wait."""
    mechanism, scene = MECHANISMS["row-lock-chain"], scene_of(seeded)
    fault = Fault(kind="row-lock-chain", victim="customers", culprits=(CULPRIT,))
    with acting(scene):
        mechanism.inject(scene, fault)

        def incomplete() -> str | None:
            says = mechanism.prove(scene, fault).says
            return None if says.startswith("4 sessions waiting") else says

        await_state("the chain is complete", incomplete, within_s=PROVEN_WITHIN_S)
        [head] = mechanism.prove(scene, fault).pids
        assert scene.memo["heads"] == str(head)
        chain = {int(pid) for pid in scene.memo["chain"].split()}
        assert head in chain
        assert len(chain) == 5
        assert chain == {pid for (pid,) in scene.ask(OWN.replace("count(*)", "pid"), [CULPRIT])}


def test_a_change_of_a_table_queues_what_reads_it(seeded: Database) -> None:
    """It is proven once a session waits behind the change; the head is the session that reads all rows."""
    mechanism, scene = MECHANISMS["ddl-queue"], scene_of(seeded)
    fault = Fault(kind="ddl-queue", victim="customers", culprits=(CULPRIT,))

    def read() -> None:
        with seeded.connect(Role.APP) as connection:
            rows(connection, "SELECT count(*) FROM customers")

    reader = threading.Thread(target=read)
    with acting(scene):
        mechanism.inject(scene, fault)

        def unchanged() -> str | None:
            proof = mechanism.prove(scene, fault)
            assert not proof.holds
            return None if proof.says.startswith("1 waiting change") else proof.says

        await_state("the change waits", unchanged, within_s=PROVEN_WITHIN_S)
        reader.start()
        proof = proof_of(lambda: mechanism.prove(scene, fault), 2)
        assert proof.says == "1 waiting change of a table, 1 session behind it"
        [head] = scene.memo["heads"].split()
        assert int(head) in proof.pids
        assert len(scene.memo["chain"].split()) == 3
    reader.join(PROVEN_WITHIN_S)
    assert not reader.is_alive()


def test_all_sessions_of_a_role_are_opened(seeded: Database) -> None:
    """Up to its limit: one more of the application is refused, other roles are not."""
    mechanism, scene = MECHANISMS["connection-exhaustion"], scene_of(seeded)
    fault = Fault(kind="connection-exhaustion", victim="credit_app", culprits=(CULPRIT,))
    free = mechanism.prove(scene, fault)
    assert (free.holds, free.says) == (False, "0 sessions, and one more is accepted")
    limit = scene.value("SELECT rolconnlimit FROM pg_roles WHERE rolname = 'credit_app'")
    with acting(scene):
        mechanism.inject(scene, fault)
        proof = proof_of(lambda: mechanism.prove(scene, fault), limit)
        assert proof.says == f"{limit} sessions of the application; one more is refused"


def test_the_intensity_multiplies_sessions(seeded: Database) -> None:
    mechanism, scene = MECHANISMS["rollback-storm"], scene_of(seeded, intensity=2.0)
    fault = Fault(kind="rollback-storm", victim="customers", culprits=(CULPRIT,), intensity=2.0)
    with acting(scene):
        mechanism.inject(scene, fault)
        assert proof_of(lambda: mechanism.prove(scene, fault), 4).holds


@pytest.mark.parametrize(
    ("name", "role", "state", "count"),
    [
        (Herring.VACUUM, "credit_owner", "idle", 1),
        (Herring.CHECKPOINT, "postgres", "idle", 1),
        (Herring.REPORT, "credit_app", "idle", 1),
        (Herring.IDLE, "lab", "idle", 4),
    ],
)
def test_what_is_harmless_has_sessions_and_needs_no_proof(
    seeded: Database, name: Herring, role: str, state: str, count: int
) -> None:
    """Neither an open transaction nor an error: a session that is idle after its work."""
    mechanism, scene = herring(name.value), scene_of(seeded, "ops-scripts")
    fault = Fault(kind="nothing", victim="", culprits=("ops-scripts",))
    with acting(scene):
        mechanism.inject(scene, fault)

        def missing() -> str | None:
            found = scene.ask(STATES, ["ops-scripts"])
            return None if found == [(role, state, count)] else f"{found}"

        await_state("its sessions are idle", missing, within_s=PROVEN_WITHIN_S)
        assert mechanism.prove(scene, fault).holds
        assert scene.sessions.failure is None
