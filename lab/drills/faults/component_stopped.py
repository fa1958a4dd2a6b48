"""A component of the lab is stopped, an observer or a service, while the database works."""

from lab.drills.drill import Drill
from lab.drills.processes import ACTS_AS, Stoppage
from lab.judge.signals import Metric, NoSpans

AGENT_STOPPED = Stoppage(component="datadog", column="usename", value="datadog")
EXPORTER_STOPPED = Stoppage(
    component="postgres_exporter", column="usename", value="postgres_exporter"
)
SERVICE_STOPPED = Stoppage(
    component="customers", column="application_name", value="credit-customers"
)
AGENT = Drill(
    name="agent-stopped",
    place=200,
    title="the Agent is stopped: no data for Database Monitoring",
    hypothesis=(
        "DBM has no data, and cannot report that itself. Natively Prometheus sees the scrapes of the"
        " embedded agent fail. In an account, the monitor ExporterBlind fires."
    ),
    acts_as=ACTS_AS,
    inject=AGENT_STOPPED.inject,
    prove=AGENT_STOPPED.prove,
    heal=AGENT_STOPPED.heal,
    duration_s=60.0,
    services=frozenset(),
    signals=(
        Metric(says="scrapes of the lab's own that fail", expr='1 - up{job="lab"}', above=0.5),
    ),
    monitors=("ExporterBlind",),
    runbook="ExporterBlind",
)
EXPORTER = Drill(
    name="exporter-stopped",
    place=190,
    title="postgres_exporter is stopped: no database metrics in Prometheus",
    hypothesis=(
        "Prometheus reports the missing data by an alert; in dashboards the graphs end."
        " Datadog shows nothing, as the database has no fault."
    ),
    acts_as=ACTS_AS,
    inject=EXPORTER_STOPPED.inject,
    prove=EXPORTER_STOPPED.prove,
    heal=EXPORTER_STOPPED.heal,
    duration_s=60.0,
    services=frozenset(),
    signals=(
        Metric(says="scrapes of the exporter that fail", expr='1 - up{job="postgres"}', above=0.5),
    ),
    alerts=("ExporterDown",),
    runbook="ExporterBlind",
)
SERVICE = Drill(
    name="service-stopped",
    place=210,
    title="credit-customers is stopped; the database has less load",
    hypothesis=(
        "Its scrape fails, and its spans end; both name it. The database's own metrics become better, if"
        " anything."
    ),
    acts_as=ACTS_AS,
    inject=SERVICE_STOPPED.inject,
    prove=SERVICE_STOPPED.prove,
    heal=SERVICE_STOPPED.heal,
    duration_s=60.0,
    services=frozenset({"credit-customers"}),
    signals=(
        Metric(
            says="scrapes that fail, by service",
            expr='max by (service) (1 - up{job="credit"})',
            above=0.5,
        ),
        NoSpans(says="seconds without a span, by service", above=20),
    ),
    alerts=("ServiceDown",),
    monitors=("ServiceDown",),
    runbook="ServiceDown",
)
