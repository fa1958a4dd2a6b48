"""PostgreSQL restart: a fast shutdown, and a start after some time."""

from lab.drills import processes
from lab.drills.drill import Drill, Proof
from lab.drills.scene import Scene
from lab.drills.usual import FAILED_OPERATIONS
from lab.judge.signals import Checks, Events, Metric, NoData, Query, Spans
from lab.stack import probes

COMPONENT = "postgres"


def inject(scene: Scene) -> None:
    """Stop it."""
    processes.stop(scene.settings, COMPONENT)


def prove(scene: Scene) -> Proof:
    """Check that PostgreSQL does not accept connections."""
    seen = probes.query(scene.settings)
    return Proof(holds=seen is not None, says=seen or "PostgreSQL answers")


def heal(scene: Scene) -> None:
    """Start it."""
    processes.start(scene.settings, COMPONENT)


DRILL = Drill(
    name="postgres-restart",
    place=220,
    title="PostgreSQL is down, and starts again",
    hypothesis=(
        "All observers show it: the exporter's pg_up, failed spans, sessions that end, the check's failed"
        " connections and the new uptime, the server log."
        " Operations under way are neither lost nor executed twice."
    ),
    acts_as=processes.ACTS_AS,
    inject=inject,
    prove=prove,
    heal=heal,
    duration_s=50.0,
    services=frozenset(),
    signals=(
        Metric(says="PostgreSQL does not answer the exporter", expr="1 - pg_up", above=0.5),
        NoData(says="seconds without sessions or statements", above=20),
        Checks(
            says="runs of the check that cannot connect", name="postgres.can_connect", above=0.5
        ),
        Query(
            says="seconds missing from two minutes since the server's start",
            query="clamp_min(120 - max:postgresql.uptime{*}, 0)",
            above=60,
        ),
        FAILED_OPERATIONS,
        Spans(
            says="failed operations in 5 s",
            above=0,
            like=lambda s: s.parent_id is None and s.error,
        ),
        Events(says="the log has the shutdown", above=0, like=lambda e: e.kind == "server"),
    ),
    alerts=("PostgresDown",),
    monitors=("PostgresDown",),
    runbook="PostgresDown",
)
