"""Deadlocks: pairs of sessions repeatedly lock the same two customers in opposite orders."""

from functools import partial

from lab.clients.database import Role
from lab.drills.drill import Drill, Proof
from lab.drills.scene import Scene
from lab.drills.sessions import DrillSession, statements
from lab.judge.signals import Events, Metric, MutualBlocks, Query, Spans

SQL = statements("""
-- name: touch_customer
-- An UPDATE that changes no value of a customer, but locks the row.
UPDATE customers SET updated_at = updated_at WHERE customer_id = (
    SELECT min(customer_id) + %(offset)s FROM customers
)
""")
COUNT = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
PAUSE_S = 0.3


def _cross(offsets: tuple[int, int], session: DrillSession) -> None:
    session.execute("BEGIN")
    session.run(SQL["touch_customer"], offset=offsets[0])
    session.idle(PAUSE_S)
    session.run(SQL["touch_customer"], offset=offsets[1])
    session.execute("ROLLBACK")


def inject(scene: Scene) -> None:
    """Start the pairs."""
    scene.since("deadlocks", lambda: scene.value(COUNT))
    for pair in range(scene.times(2)):
        for offsets in ((2 * pair, 2 * pair + 1), (2 * pair + 1, 2 * pair)):
            scene.sessions.repeat(Role.APP, "merge customers", partial(_cross, offsets))


def prove(scene: Scene) -> Proof:
    """Check that PostgreSQL has ended deadlocks since the injection."""
    ended = scene.since("deadlocks", lambda: scene.value(COUNT))
    return Proof(
        holds=ended > 0,
        says=f"PostgreSQL has ended {ended:.0f} deadlocks",
        pids=scene.own_pids(),
    )


DRILL = Drill(
    name="deadlocks",
    place=40,
    title="transactions that lock the same rows in opposite orders",
    hypothesis=(
        "Both stacks count deadlocks. An activity sample may contain the sessions that block each other. The"
        " log names both statements, with both pids; spans show the error of the canceled one."
    ),
    acts_as="credit_app: it may change customers; every transaction is rolled back.",
    inject=inject,
    prove=prove,
    duration_s=30.0,
    sql=SQL,
    statements=frozenset({"touch_customer"}),
    signals=(
        Metric(
            says="deadlocks in a minute", expr="increase(pg_stat_database_deadlocks[1m])", above=0
        ),
        MutualBlocks(says="sessions that block each other", above=1),
        Query(
            says="deadlocks in 15 s",
            query="sum:postgresql.deadlocks.count{*} by {db}.as_count()",
            above=0,
        ),
        Events(says="deadlocks in the log", above=0, like=lambda e: e.kind == "deadlock"),
        Spans(
            says="failed spans of statements", above=0, like=lambda s: s.error and s.kind == "sql"
        ),
    ),
    alerts=("Deadlock",),
    monitors=("Deadlock",),
    runbook="Deadlock",
    aliases=("deadlock",),
)
