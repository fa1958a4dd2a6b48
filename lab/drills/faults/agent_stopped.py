"""The Agent, or its stand-in, is stopped: Database Monitoring goes blind, while the database is well."""

from lab.drills import processes
from lab.drills.drill import Drill, Proof
from lab.drills.scene import Scene
from lab.judge.signals import Metric

SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'datadog'"
COMPONENT = "datadog"


def inject(scene: Scene) -> None:
    """Stop it."""
    processes.stop(scene.settings, COMPONENT)


def prove(scene: Scene) -> Proof:
    """PostgreSQL has no session of the Agent's role."""
    sessions = scene.value(SESSIONS)
    return Proof(holds=sessions == 0, says=f"the role datadog has {sessions} sessions")


def heal(scene: Scene) -> None:
    """Start it."""
    processes.start(scene.settings, COMPONENT)


DRILL = Drill(
    name="agent-stopped",
    title="the Agent is gone, and with it Database Monitoring",
    hypothesis=(
        "DBM ends, and cannot say so itself. Natively Prometheus sees the"
        " embedded agent's own metrics go. In an account, the monitor ExporterBlind watches for this."
    ),
    acts_as="no role: a component of the lab is stopped and started.",
    inject=inject,
    prove=prove,
    heal=heal,
    lasts_s=60.0,
    services=frozenset(),
    signals=(
        Metric(says="scrapes of the lab's own that fail", expr='1 - up{job="lab"}', above=0.5),
    ),
    runbook="ExporterBlind",
)
