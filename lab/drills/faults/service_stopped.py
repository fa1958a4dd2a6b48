"""One of the five services is stopped: the database has less to do, and nothing is wrong with it."""

from lab.drills import processes
from lab.drills.drill import Drill, Proof
from lab.drills.scene import Scene
from lab.judge.signals import Metric, Quiet

SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'credit-customers'"
COMPONENT = "customers"


def inject(scene: Scene) -> None:
    """Stop it; it drains first."""
    processes.stop(scene.settings, COMPONENT)


def prove(scene: Scene) -> Proof:
    """PostgreSQL has no session of the service."""
    sessions = scene.value(SESSIONS)
    return Proof(holds=sessions == 0, says=f"credit-customers has {sessions} sessions")


def heal(scene: Scene) -> None:
    """Start it."""
    processes.start(scene.settings, COMPONENT)


DRILL = Drill(
    name="service-stopped",
    title="credit-customers is gone; the database has less to do",
    hypothesis=(
        "Its scrape fails, and its spans end; both name it. The database's own metrics become better, if"
        " anything."
    ),
    acts_as="no role: a component of the lab is stopped and started.",
    inject=inject,
    prove=prove,
    heal=heal,
    lasts_s=60.0,
    services=frozenset({"credit-customers"}),
    signals=(
        Metric(
            says="scrapes that fail, by service",
            expr='max by (service) (1 - up{job="credit"})',
            above=0.5,
        ),
        Quiet(says="seconds without a span, by service", above=20),
    ),
    alerts=("ServiceDown",),
    runbook="ServiceDown",
)
