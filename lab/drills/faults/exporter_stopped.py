"""postgres_exporter is stopped: one of the two observers goes blind, while the database is well."""

from lab.drills.drill import Drill
from lab.drills.processes import ACTS_AS, Stoppage
from lab.judge.signals import Metric

GONE = Stoppage(component="postgres_exporter", column="usename", value="postgres_exporter")

DRILL = Drill(
    name="exporter-stopped",
    title="postgres_exporter is gone, and with it what Prometheus knows of the database",
    hypothesis=(
        "Prometheus says that it is blind, by an alert; whoever only looks at graphs sees them end."
        " Datadog's side sees nothing, as nothing has happened to the database."
    ),
    acts_as=ACTS_AS,
    inject=GONE.inject,
    prove=GONE.prove,
    heal=GONE.heal,
    lasts_s=60.0,
    services=frozenset(),
    signals=(
        Metric(says="scrapes of the exporter that fail", expr='1 - up{job="postgres"}', above=0.5),
    ),
    alerts=("ExporterBlind",),
    runbook="ExporterBlind",
)
