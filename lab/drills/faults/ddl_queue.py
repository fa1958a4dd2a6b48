"""Lock queue of DDL: ALTER TABLE waits behind a long SELECT, and all later statements wait behind it."""

from functools import partial

from lab.clients.database import Role
from lab.drills.drill import Drill, Proof
from lab.drills.scene import Scene
from lab.drills.sessions import DrillSession, statements
from lab.drills.usual import FAILED_OPERATIONS, LOCK_WAITS
from lab.foundation.plural import plural
from lab.judge.signals import Events, Metric, Sessions, Spans

SQL = statements("""
-- name: long_export
-- A SELECT as long as the drill; it blocks only ACCESS EXCLUSIVE locks on the table.
SELECT count(*), pg_sleep(3600) FROM customers

-- name: add_column
-- Fast once it has its lock; never committed here.
ALTER TABLE customers ADD COLUMN drill_note text
""")
READS_FIRST_S = 1.0
WAITING = """
SELECT pid, pg_blocking_pids(pid), query LIKE 'ALTER%' OR query LIKE '%*/ ALTER%'
FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event = 'relation'"""


def _change(session: DrillSession) -> None:
    session.idle(READS_FIRST_S)
    session.execute("BEGIN")
    session.run(SQL["add_column"])
    session.idle()


def inject(scene: Scene) -> None:
    """Start the SELECT, and the ALTER TABLE behind it."""
    scene.sessions.once(Role.APP, "export", partial(DrillSession.run, statement=SQL["long_export"]))
    scene.sessions.once(Role.OWNER, "migrate", _change)


def prove(scene: Scene) -> Proof:
    """Check that the ALTER TABLE waits for the SELECT, and that other sessions wait for the ALTER TABLE."""
    waiting = {pid: (set(by), ddl) for pid, by, ddl in scene.ask(WAITING)}
    changes = {pid: by for pid, (by, ddl) in waiting.items() if ddl}
    behind = [pid for pid, (by, _) in waiting.items() if by & changes.keys()]
    return Proof(
        holds=bool(changes and behind),
        says=(
            f"{plural(len(changes), 'waiting change')} of a table,"
            f" {plural(len(behind), 'session')} behind it"
        ),
        pids=frozenset(changes).union(*changes.values()) if changes else frozenset(),
    )


DRILL = Drill(
    name="ddl-queue",
    place=20,
    title="a change of customers waits behind a long SELECT, and all lookups behind it",
    hypothesis=(
        "DBM shows the queue with both at its head. Prometheus counts the waiting sessions, and loses the"
        " table statistics, which wait in the same queue; an alert of its own reports that."
    ),
    acts_as=(
        "credit_app reads; credit_owner changes the table, as only an owner may. The change is never"
        " committed."
    ),
    inject=inject,
    prove=prove,
    duration_s=80.0,
    sql=SQL,
    statements=frozenset({"long_export", "add_column"}),
    signals=(
        Metric(says="sessions that wait for a lock", expr="pg_blocked_sessions_count", above=2),
        Metric(
            says="collectors of the exporter that fail",
            expr='sum(1 - pg_scrape_collector_success{collector!="process_idle"})',
            above=0,
        ),
        Sessions(
            says="sessions with a blocking pid", above=1, like=lambda s: bool(s.blocking_pids)
        ),
        LOCK_WAITS,
        Spans(
            says="failed spans of statements", above=0, like=lambda s: s.error and s.kind == "sql"
        ),
        FAILED_OPERATIONS,
        Events(says="lock waits in the log", above=1, like=lambda e: e.kind == "lock_wait"),
    ),
    alerts=(
        "SessionsBlocked",
        "LongLockWait",
        "LongTransaction",
        "ExporterBlind",
        "WorkloadErrors",
    ),
    monitors=("SessionsBlocked", "LongTransaction", "WorkloadErrors"),
    runbook="LongLockWait",
)
