"""Locks: a chain of row locks, a queue behind DDL, an open transaction, deadlocks."""

from functools import partial

from lab.clients.database import Role
from lab.drills.drill import Proof
from lab.drills.faults import deadlocks, idle_in_transaction
from lab.drills.scene import Scene
from lab.drills.sessions import DrillSession
from lab.exam.items import Fault
from lab.exam.mechanisms.mechanism import Mechanism, of_scene, only, texts
from lab.foundation.plural import plural
from workload.statements import Statement

LINKS = 4
BEFORE_THE_NEXT_S = 0.2
READS_FIRST_S = 1.0
PAUSE_S = 0.3
BLOCKED = """
SELECT pid, pg_blocking_pids(pid) FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND cardinality(pg_blocking_pids(pid)) > 0"""
CHANGES = """
SELECT pid, pg_blocking_pids(pid), application_name = %s AND usename = 'credit_owner'
FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event = 'relation'"""
RESERVE = """
-- name: APP_reserve
-- Reserve rows for a transfer.
SELECT count(*) FROM (
    SELECT KEY FROM VICTIM WHERE KEY %% 10 = %(part)s ORDER BY KEY DESC LIMIT 2000 FOR UPDATE
) reserved
"""
MIGRATION = """
-- name: APP_extract
-- All rows, for a file.
SELECT count(*), pg_sleep(3600) FROM VICTIM
-- name: APP_remark
-- A column for remarks.
ALTER TABLE VICTIM ADD COLUMN remark text
"""
EDIT = """
-- name: APP_edit
-- Rows that a clerk has opened.
UPDATE VICTIM SET SAME = SAME WHERE KEY IN (SELECT KEY FROM VICTIM ORDER BY KEY DESC LIMIT 5)
"""
MERGE = """
-- name: APP_merge
-- One row of a pair that is merged.
UPDATE VICTIM SET SAME = SAME WHERE KEY = (SELECT min(KEY) FROM VICTIM WHERE KEY > %(after)s)
"""


def _link(statement: Statement, number: int, session: DrillSession) -> None:
    """Lock the rows of this link, then wait for those of the previous link; the head stays idle."""
    session.execute("BEGIN")
    session.run(statement, part=number % 10)
    if number:
        session.idle(BEFORE_THE_NEXT_S)
        session.run(statement, part=(number - 1) % 10)
    session.idle()


def _chain(scene: Scene, fault: Fault) -> None:
    statement = only(texts(fault, RESERVE))
    for number in range(scene.times(LINKS, at_least=2) + 1):
        scene.sessions.once(Role.APP, "transfer", partial(_link, statement, number))


def _prove_chain(scene: Scene, fault: Fault) -> Proof:
    heads = frozenset(pid for pid, _ in scene.ask(idle_in_transaction.IDLE, [fault.culprits[0]]))
    waits = {pid: set(blockers) for pid, blockers in scene.ask(BLOCKED)}
    links = {pid for pid, blockers in waits.items() if blockers & waits.keys()}
    scene.memo["heads"] = " ".join(map(str, sorted(heads)))
    scene.memo["chain"] = " ".join(map(str, sorted(waits.keys() | heads)))
    return Proof(
        holds=bool(heads and links),
        says=f"{plural(len(waits), 'session')} waiting for a row lock, {len(links)} of them behind another",
        pids=heads,
    )


def _change(statement: Statement, session: DrillSession) -> None:
    session.idle(READS_FIRST_S)
    session.execute("BEGIN")
    session.run(statement)
    session.idle()


def _queue(scene: Scene, fault: Fault) -> None:
    extract, remark = texts(fault, MIGRATION).values()
    scene.sessions.once(Role.APP, "extract", partial(DrillSession.run, statement=extract))
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


def _open(statement: Statement, session: DrillSession) -> None:
    session.execute("BEGIN")
    session.run(statement)
    session.idle()


def _idle(scene: Scene, fault: Fault) -> None:
    # One session: several would form a chain behind the first, which is another fault.
    scene.sessions.once(Role.APP, "edit", partial(_open, only(texts(fault, EDIT))))


def _cross(statement: Statement, order: tuple[int, int], session: DrillSession) -> None:
    session.execute("BEGIN")
    session.run(statement, after=order[0])
    session.idle(PAUSE_S)
    session.run(statement, after=order[1])
    session.execute("ROLLBACK")


def _deadlocks(scene: Scene, fault: Fault) -> None:
    scene.since("deadlocks", lambda: scene.value(deadlocks.COUNT))
    statement = only(texts(fault, MERGE))
    for pair in range(scene.times(2)):
        for order in ((100 * pair, 100 * pair + 50), (100 * pair + 50, 100 * pair)):
            scene.sessions.repeat(Role.APP, "merge", partial(_cross, statement, order))


CHAIN = Mechanism(inject=_chain, prove=_prove_chain, sql=partial(texts, text=RESERVE))
QUEUE = Mechanism(inject=_queue, prove=_prove_queue, sql=partial(texts, text=MIGRATION))
OPEN = Mechanism(
    inject=_idle, prove=of_scene(idle_in_transaction.prove), sql=partial(texts, text=EDIT)
)
CROSSED = Mechanism(
    inject=_deadlocks, prove=of_scene(deadlocks.prove), sql=partial(texts, text=MERGE)
)
