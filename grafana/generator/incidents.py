"""Annotations of every graph for events of the lab, from Prometheus alone.

Grafana requests a point a minute, and joins adjacent points above 0 to a region. So each expression
covers that minute, and one more scrape where it needs two samples.
"""

from grafana_foundation_sdk.builders.dashboard import AnnotationQuery
from grafana_foundation_sdk.models import dashboard as models

from grafana.generator import style
from grafana.generator.source import PROMETHEUS, of_instance


class Worded(models.AnnotationQuery):
    """The SDK's annotation, with the title and text format of a Prometheus annotation."""

    title: str = ""
    text: str = ""

    def to_json(self) -> dict[str, object]:
        """Return the JSON object that Grafana reads."""
        return {**super().to_json(), "titleFormat": self.title, "textFormat": self.text}


class Incident(AnnotationQuery):
    """Builds a mark."""

    def __init__(
        self, name: str, expr: str, *, colour: str, title: str, text: str = "", switch: bool = False
    ) -> None:
        super().__init__()
        worded = Worded()
        worded.title, worded.text = title, text
        self._internal = worded
        self.name(name).datasource(PROMETHEUS).expr(of_instance(expr)).icon_color(colour).enable(
            True
        ).hide(not switch)


FIRING, FIRING_BEFORE = (
    f'max by (alertname, severity) (ALERTS{{alertstate="firing", severity!="none"}}{before})'
    for before in ("", " offset 1m")
)

ANNOTATIONS = (
    Incident(
        "Alerts",
        # Only its beginning: overlapping regions of several alerts would hide the graph.
        f"{FIRING} unless {FIRING_BEFORE}",
        colour=style.RED,
        title="{{alertname}}",
        switch=True,
        text="{{severity}}",
    ),
    Incident(
        "Drills",
        "max by (drill) (max_over_time(lab_drill_running[1m]))",
        colour="#5794F2",
        title="Drill {{drill}}",
        switch=True,
    ),
    Incident(
        "Database unreachable",
        "max by (instance) (1 - min_over_time(pg_up[1m]))",
        colour=style.RED,
        title="The exporter cannot reach PostgreSQL",
        text="{{instance}}",
    ),
    Incident(
        "Blocked sessions",
        "max by (instance) (max_over_time(pg_blocked_sessions_count[1m]))",
        colour=style.AMBER,
        title="Sessions wait for a lock",
        text="{{instance}}",
    ),
    Incident(
        "Deadlocks",
        "sum by (datname) (increase(pg_stat_database_deadlocks[70s]))",
        colour="#B877D9",
        title="Deadlock",
        text="{{datname}}",
    ),
    Incident(
        "PostgreSQL restarts",
        "max by (instance) (changes(pg_postmaster_start_time_seconds[70s]))",
        colour=style.RED,
        title="PostgreSQL was started",
        text="{{instance}}",
    ),
    Incident(
        "Configuration loads",
        # A start loads it, too.
        "max by (instance) (changes(pg_postmaster_configuration_time_seconds[70s]))"
        " unless on (instance) max by (instance) (changes(pg_postmaster_start_time_seconds[70s])) > 0",
        colour=style.GREY,
        title="PostgreSQL loaded its configuration",
        text="{{instance}}",
    ),
    Incident(
        "Service restarts",
        'changes(process_start_time_seconds{job="credit"}[70s])',
        colour=style.BLUE,
        title="Restart of {{service}}",
    ),
    Incident(
        "Load changes",
        "max(changes(credit_load_multiplier[70s]))",
        colour=style.GREY,
        title="The load multiplier was changed",
    ),
)
