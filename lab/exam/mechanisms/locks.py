"""Locks: a chain of row locks, a queue behind DDL, an open transaction, deadlocks."""

from collections.abc import Mapping
from functools import partial

from lab.clients.database import Role
from lab.drills.drill import Proof
from lab.drills.scene import Scene
from lab.drills.sessions import DrillSession
from lab.exam.items import Fault
from lab.exam.mechanisms.mechanism import Mechanism, only, pids, texts
from lab.foundation.plural import plural
from workload.statements import Statement

LINKS = 4
BEFORE_THE_NEXT_S = 0.2
READS_FIRST_S = 1.0
IDLE_S = 1.0
PAUSE_S = 0.3
BLOCKED = """
SELECT pid, pg_blocking_pids(pid) FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND cardinality(pg_blocking_pids(pid)) > 0"""
IDLE = """
SELECT pid, extract(epoch FROM clock_timestamp() - state_change)::float FROM pg_stat_activity
WHERE application_name = %s AND state = 'idle in transaction'"""
CHANGES = """
SELECT pid, pg_blocking_pids(pid), application_name = %s AND usename = 'credit_owner'
FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event = 'relation'"""
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


def _reserve(fault: Fault) -> Mapping[str, Statement]:
    return texts(
        fault,
        """
-- name: APP_reserve
-- Reserve rows for a transfer.
SELECT count(*) FROM (
    SELECT KEY FROM VICTIM WHERE KEY %% 10 = %(part)s ORDER BY KEY DESC LIMIT 2000 FOR UPDATE
) reserved
""",
    )


def _link(statement: Statement, number: int, session: DrillSession) -> None:
    """Lock the rows of this link, then wait for those of the previous link; the head stays idle."""
    session.execute("BEGIN")
    session.run(statement, part=number % 10)
    if number:
        session.idle(BEFORE_THE_NEXT_S)
        session.run(statement, part=(number - 1) % 10)
    session.idle()


def _chain(scene: Scene, fault: Fault) -> None:
    statement = only(_reserve(fault))
    for number in range(scene.times(LINKS, at_least=2) + 1):
        scene.sessions.once(Role.APP, "transfer", partial(_link, statement, number))


def _prove_chain(scene: Scene, fault: Fault) -> Proof:
    heads = frozenset(pid for pid, _ in scene.ask(IDLE, [fault.culprits[0]]))
    waits = {pid: set(blockers) for pid, blockers in scene.ask(BLOCKED)}
    links = {pid for pid, blockers in waits.items() if blockers & waits.keys()}
    scene.memo["heads"] = " ".join(map(str, sorted(heads)))
    scene.memo["chain"] = " ".join(map(str, sorted(waits.keys() | heads)))
    return Proof(
        holds=bool(heads and links),
        says=f"{plural(len(waits), 'session')} waiting for a row lock, {len(links)} of them behind another",
        pids=heads,
    )


def _migration(fault: Fault) -> Mapping[str, Statement]:
    return texts(
        fault,
        """
-- name: APP_extract
-- All rows, for a file.
SELECT count(*), pg_sleep(3600) FROM VICTIM
-- name: APP_remark
-- A column for remarks.
ALTER TABLE VICTIM ADD COLUMN remark text
""",
    )


def _change(statement: Statement, session: DrillSession) -> None:
    session.idle(READS_FIRST_S)
    session.execute("BEGIN")
    session.run(statement)
    session.idle()


def _read(statement: Statement, session: DrillSession) -> None:
    session.run(statement)


def _queue(scene: Scene, fault: Fault) -> None:
    extract, remark = _migration(fault).values()
    scene.sessions.once(Role.APP, "extract", partial(_read, extract))
    scene.sessions.once(Role.OWNER, "release", partial(_change, remark))


def _prove_queue(scene: Scene, fault: Fault) -> Proof:
    waiting = {pid: (set(by), own) for pid, by, own in scene.ask(CHANGES, [fault.culprits[0]])}
    changes = {pid: by for pid, (by, own) in waiting.items() if own}
    behind = [pid for pid, (by, _) in waiting.items() if by & changes.keys()]
    heads = frozenset[int]().union(*changes.values()) - waiting.keys()
    scene.memo["heads"] = " ".join(map(str, sorted(heads)))
    scene.memo["chain"] = " ".join(map(str, sorted(waiting.keys() | heads)))
    return Proof(
        holds=bool(changes and behind),
        says=(
            f"{plural(len(changes), 'waiting change')} of a table,"
            f" {plural(len(behind), 'session')} behind it"
        ),
        pids=frozenset(changes) | heads,
    )


def _edit(fault: Fault) -> Mapping[str, Statement]:
    return texts(
        fault,
        """
-- name: APP_edit
-- Rows that a clerk has opened.
UPDATE VICTIM SET SAME = SAME WHERE KEY IN (SELECT KEY FROM VICTIM ORDER BY KEY DESC LIMIT 5)
""",
    )


def _open(statement: Statement, session: DrillSession) -> None:
    session.execute("BEGIN")
    session.run(statement)
    session.idle()


def _idle(scene: Scene, fault: Fault) -> None:
    # One session: several would form a chain behind the first, which is another fault.
    scene.sessions.once(Role.APP, "edit", partial(_open, only(_edit(fault))))


def _prove_idle(scene: Scene, fault: Fault) -> Proof:
    idle = dict(scene.ask(IDLE, [fault.culprits[0]]))
    oldest = max(idle.values(), default=0.0)
    return Proof(
        holds=oldest > IDLE_S,
        says=f"{plural(len(idle), 'session')} idle in a transaction, for up to {oldest:.0f} s",
        pids=frozenset(idle),
    )


def _merge(fault: Fault) -> Mapping[str, Statement]:
    return texts(
        fault,
        """
-- name: APP_merge
-- One row of a pair that is merged.
UPDATE VICTIM SET SAME = SAME WHERE KEY = (SELECT min(KEY) FROM VICTIM WHERE KEY > %(after)s)
""",
    )


def _cross(statement: Statement, order: tuple[int, int], session: DrillSession) -> None:
    session.execute("BEGIN")
    session.run(statement, after=order[0])
    session.idle(PAUSE_S)
    session.run(statement, after=order[1])
    session.execute("ROLLBACK")


def _deadlocks(scene: Scene, fault: Fault) -> None:
    scene.since("deadlocks", lambda: scene.value(DEADLOCKS))
    statement = only(_merge(fault))
    for pair in range(scene.times(2)):
        for order in ((100 * pair, 100 * pair + 50), (100 * pair + 50, 100 * pair)):
            scene.sessions.repeat(Role.APP, "merge", partial(_cross, statement, order))


def _prove_deadlocks(scene: Scene, fault: Fault) -> Proof:
    ended = scene.since("deadlocks", lambda: scene.value(DEADLOCKS))
    return Proof(
        holds=ended > 0,
        says=f"PostgreSQL has ended {ended:.0f} deadlocks",
        pids=pids(scene, fault),
    )


CHAIN = Mechanism(inject=_chain, prove=_prove_chain, sql=_reserve)
QUEUE = Mechanism(inject=_queue, prove=_prove_queue, sql=_migration)
OPEN = Mechanism(inject=_idle, prove=_prove_idle, sql=_edit)
CROSSED = Mechanism(inject=_deadlocks, prove=_prove_deadlocks, sql=_merge)
