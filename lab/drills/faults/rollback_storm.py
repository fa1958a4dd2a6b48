"""Rollback storm: transactions that read, and are rolled back, many times a second."""

from lab.clients.database import Role
from lab.drills.drill import Drill, Proof
from lab.drills.scene import Scene
from lab.drills.sessions import DrillSession, statements
from lab.drills.usual import calls_by_statement
from lab.judge.signals import Metric, Query, Spans

SQL = statements("""
-- name: try_product
-- Read a product, before a validation fails.
SELECT product_id, max_amount FROM credit_products ORDER BY product_id LIMIT 1
""")
COUNT = "SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()"
MANY = 10


def _try(session: DrillSession) -> None:
    session.execute("BEGIN")
    session.run(SQL["try_product"])
    session.execute("ROLLBACK")


def inject(scene: Scene) -> None:
    """Start the sessions."""
    scene.since("rollbacks", lambda: scene.value(COUNT))
    scene.sessions.repeat(Role.APP, "validate", _try, count=scene.times(2), every_s=0.04)


def prove(scene: Scene) -> Proof:
    """Check that PostgreSQL counts rollbacks."""
    rollbacks = scene.since("rollbacks", lambda: scene.value(COUNT))
    return Proof(
        holds=rollbacks > MANY,
        says=f"{rollbacks:.0f} transactions were rolled back",
        pids=scene.own_pids(),
    )


DRILL = Drill(
    name="rollback-storm",
    place=150,
    title="an application rolls most of its transactions back",
    hypothesis=(
        "Both stacks count the rollbacks, and not their source. DBM shows the calls of a statement"
        " that does not fail. Spans show the ROLLBACKs and the service that sent them."
    ),
    acts_as="credit_app: it reads, and rolls back.",
    inject=inject,
    prove=prove,
    duration_s=70.0,
    sql=SQL,
    statements=frozenset({"try_product"}),
    signals=(
        Metric(
            says="rollbacks a second",
            expr='rate(pg_stat_database_xact_rollback{datname!~"template.*|postgres"}[1m])',
            above=2,
            times=3,
        ),
        Query(
            says="rollbacks a second",
            query="sum:postgresql.rollbacks{*} by {db}",
            above=2,
            times=3,
        ),
        calls_by_statement(above=100),
        Spans(
            says="ROLLBACKs in 5 s",
            above=20,
            times=3,
            like=lambda s: s.resource.startswith("ROLLBACK") or s.name.endswith("rollback"),
        ),
    ),
    alerts=("RollbackStorm",),
    monitors=("RollbackStorm",),
    runbook="RollbackStorm",
)
