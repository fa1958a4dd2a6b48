"""An old snapshot while rows are updated: vacuum cannot remove dead tuples that the snapshot still sees."""

import itertools
from functools import partial

from lab.clients.database import Role
from lab.drills.drill import Drill, Proof
from lab.drills.scene import Scene
from lab.drills.sessions import DrillSession, statements
from lab.drills.usual import IDLE_IN_TRANSACTION, RELATIONS
from lab.foundation.plural import plural
from lab.judge.signals import Deltas, Events, Metric, Query

SQL = statements("""
-- name: open_snapshot
-- The first statement of a report whose transaction stays open.
SELECT count(*) FROM customers

-- name: churn_customers
-- An UPDATE that changes no value in a twentieth of the customers; each leaves a dead tuple.
UPDATE customers SET updated_at = updated_at WHERE customer_id %% 20 = %(part)s
""")
DEAD = """
SELECT n_dead_tup, n_dead_tup::float / greatest(n_live_tup + n_dead_tup, 1)
FROM pg_stat_user_tables WHERE relname = 'customers'"""
HOLDERS = """
SELECT pid FROM pg_stat_activity
WHERE application_name = 'credit-drill' AND backend_xmin IS NOT NULL AND state = 'idle in transaction'"""
MUCH = 0.2


def _hold(session: DrillSession) -> None:
    session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    session.run(SQL["open_snapshot"])
    session.idle()


def _churn(parts: "itertools.cycle[int]", session: DrillSession) -> None:
    session.run(SQL["churn_customers"], part=next(parts))


def inject(scene: Scene) -> None:
    """Start the session that keeps a snapshot, and the session that updates rows."""
    scene.sessions.once(Role.LAB, "quarterly report", _hold)
    work = partial(_churn, itertools.cycle(range(20)))
    scene.sessions.repeat(Role.APP, "touch customers", work, every_s=0.5 / scene.intensity)


def prove(scene: Scene) -> Proof:
    """Check that a fifth of the tuples of customers are dead, and that the drill's snapshot is open."""
    [[dead, share]] = scene.ask(DEAD)
    holders = frozenset(pid for (pid,) in scene.ask(HOLDERS))
    return Proof(
        holds=bool(holders) and share > MUCH,
        says=f"{dead} tuples of customers are dead, {share:.0%}; {plural(len(holders), 'snapshot')} open",
        pids=holders,
    )


def heal(scene: Scene) -> None:
    """Vacuum: no snapshot can see the dead tuples any more."""
    scene.act(Role.OWNER, "VACUUM customers")


DRILL = Drill(
    name="held-snapshot",
    place=110,
    title="dead tuples accumulate under an old snapshot",
    hypothesis=(
        "Prometheus shows that dead tuples grow, and a session idle in its transaction. DBM shows that"
        " session with its last statement; neither links the two."
    ),
    acts_as=(
        "lab keeps the snapshot, read-only; credit_app updates rows to the same values; credit_owner vacuums"
        " afterwards."
    ),
    inject=inject,
    prove=prove,
    heal=heal,
    duration_s=100.0,
    sql=SQL,
    statements=frozenset({"open_snapshot", "churn_customers"}),
    signals=(
        Metric(
            says="dead tuples of customers",
            expr='pg_stat_user_tables_n_dead_tup{relname="customers"}',
            above=1000,
        ),
        *IDLE_IN_TRANSACTION,
        Query(
            says="dead tuples of customers",
            query="sum:postgresql.dead_rows{table:customers}",
            needs=RELATIONS,
            above=1000,
        ),
        Deltas(
            says="rows in 10 s, by statement",
            measure=lambda d: d.rows,
            above=3000,
            times=3,
            points=2,
        ),
        Events(
            says="vacuums of customers that left dead tuples",
            above=0,
            like=lambda e: (
                e.kind == "autovacuum"
                and (e.relation or "").endswith("customers")
                and e.figures.get("dead", 0) > 0
            ),
        ),
    ),
    alerts=("DeadTuplesGrow", "IdleInTransaction"),
    monitors=("DeadTuplesGrow", "IdleInTransaction", "LongTransaction"),
    runbook="DeadTuplesGrow",
    proves_within_s=90.0,
)
