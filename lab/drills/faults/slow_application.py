"""Slow application: a service waits before the first statement of each operation, outside the database."""

from lab.clients.services import ServiceClient, clients
from lab.drills.drill import Drill, Proof
from lab.drills.scene import Scene
from lab.judge.signals import Metric, Query, Resources

SERVICE = "customers"
DELAY_S = 2.0
ACTIVE = """
SELECT count(*) FROM pg_stat_activity WHERE application_name = 'credit-customers' AND state = 'active'"""
DELAY_SUM = "credit_start_delay_seconds_sum"


def client_of(scene: Scene, service: str) -> ServiceClient:
    """Return the client of a service, by its name without `credit-`."""
    [found] = [client for client in clients(scene.settings) if client.name == service]
    return found


def start_delay(client: ServiceClient) -> float:
    """Return the start delay of all operations of a service so far, in seconds."""
    return sum(sample.value for sample in client.samples() if sample.name == DELAY_SUM)


def inject(scene: Scene) -> None:
    """Make every operation of the service slow, outside the database."""
    client = client_of(scene, SERVICE)
    scene.since("calls", lambda: scene.calls("customer_by_cpf"))
    scene.since("start_delay", lambda: start_delay(client))
    client.set_delay(DELAY_S * scene.intensity)


def prove(scene: Scene) -> Proof:
    """Check that operations start with a delay while PostgreSQL executes at most one of their statements."""
    client = client_of(scene, SERVICE)
    active = scene.value(ACTIVE)
    calls = scene.since("calls", lambda: scene.calls("customer_by_cpf"))
    delay = scene.since("start_delay", lambda: start_delay(client))
    return Proof(
        holds=delay > 1 and active <= 1 and float(client.health()["delay_s"]) > 0,
        says=f"the start delay of operations is {delay:.0f} s in total; PostgreSQL has executed"
        f" {calls:.0f} lookups, and {active} are under way",
    )


def heal(scene: Scene) -> None:
    """Set the delay to zero."""
    client_of(scene, SERVICE).set_delay(0)


DRILL = Drill(
    name="slow-application",
    place=160,
    title="credit-customers is slow and has no free thread; the database is not the cause",
    hypothesis=(
        "Spans show it: seconds of the operation outside its statements. The service's own metrics show"
        " start delay and drops. The observers of the database show no fault."
    ),
    acts_as="no role: a request over HTTP sets the delay of the service; it expires after five minutes.",
    inject=inject,
    prove=prove,
    heal=heal,
    duration_s=60.0,
    services=frozenset({"credit-customers"}),
    signals=(
        Metric(
            says="start delay in seconds, 99th percentile by service",
            expr='service:credit_start_delay_seconds:quantile_rate5m{quantile="0.99"}',
            above=0.5,
        ),
        Metric(
            says="operations dropped a second, by service",
            expr="sum by (service) (rate(credit_arrivals_dropped_total[1m]))",
            above=0,
        ),
        Query(
            says="operations dropped in an interval, by service",
            query="sum:credit.arrivals_dropped.count{*} by {service}.as_count()",
            needs="openmetrics.d",
            above=0,
        ),
        Resources(
            says="ms of operations in 10 s, by operation",
            above=5000,
            times=3,
            points=2,
            like=lambda s: s.parent_id is None,
        ),
    ),
    alerts=("WorkloadLate", "WorkloadDrops"),
    monitors=("WorkloadLate", "WorkloadDrops"),
    runbook="WorkloadLate",
)
