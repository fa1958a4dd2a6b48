"""The Agent, or its stand-in, is stopped: Database Monitoring goes blind, while the database is well."""

from lab.drills.drill import Drill
from lab.drills.processes import ACTS_AS, Stoppage
from lab.judge.signals import Metric

GONE = Stoppage(component="datadog", column="usename", value="datadog")

DRILL = Drill(
    name="agent-stopped",
    title="the Agent is gone, and with it Database Monitoring",
    hypothesis=(
        "DBM ends, and cannot say so itself. Natively Prometheus sees the"
        " embedded agent's own metrics go. In an account, the monitor ExporterBlind watches for this."
    ),
    acts_as=ACTS_AS,
    inject=GONE.inject,
    prove=GONE.prove,
    heal=GONE.heal,
    lasts_s=60.0,
    services=frozenset(),
    signals=(
        Metric(says="scrapes of the lab's own that fail", expr='1 - up{job="lab"}', above=0.5),
    ),
    runbook="ExporterBlind",
)
