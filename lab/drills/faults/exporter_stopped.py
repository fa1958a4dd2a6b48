"""postgres_exporter is stopped: one of the two observers goes blind, while the database is well."""

from lab.drills import processes
from lab.drills.drill import Drill, Proof
from lab.drills.scene import Scene
from lab.judge.signals import Metric

SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'postgres_exporter'"
COMPONENT = "postgres_exporter"


def inject(scene: Scene) -> None:
    """Stop it."""
    processes.stop(scene.settings, COMPONENT)


def prove(scene: Scene) -> Proof:
    """PostgreSQL has no session of the exporter's role."""
    sessions = scene.value(SESSIONS)
    return Proof(holds=sessions == 0, says=f"the role postgres_exporter has {sessions} sessions")


def heal(scene: Scene) -> None:
    """Start it."""
    processes.start(scene.settings, COMPONENT)


DRILL = Drill(
    name="exporter-stopped",
    title="postgres_exporter is gone, and with it what Prometheus knows of the database",
    hypothesis=(
        "Prometheus says that it is blind, by an alert; whoever only looks at graphs sees them end."
        " Datadog's side sees nothing, as nothing has happened to the database."
    ),
    acts_as="no role: a component of the lab is stopped and started.",
    inject=inject,
    prove=prove,
    heal=heal,
    lasts_s=60.0,
    services=frozenset(),
    signals=(
        Metric(says="scrapes of the exporter that fail", expr='1 - up{job="postgres"}', above=0.5),
    ),
    alerts=("ExporterBlind",),
    runbook="ExporterBlind",
)
