"""The data sources of the panels, by their fixed uids, and queries for them."""

import re
from dataclasses import dataclass

from grafana_foundation_sdk.builders import loki
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.cog import variants
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import loki as loki_models
from grafana_foundation_sdk.models.dashboard import DataSourceRef
from grafana_foundation_sdk.models.prometheus import PromQueryFormat, QueryEditorMode

# The variable $datasource: by default the provisioned one, UID.
UID = "credit-lab-prometheus"
PROMETHEUS = DataSourceRef(type_val="prometheus", uid="${datasource}")
# The lab's console, by Jaeger's and by Loki's query API.
TRACES = DataSourceRef(type_val="jaeger", uid="credit-lab-traces")
LOG = DataSourceRef(type_val="loki", uid="credit-lab-log")


LINES = 200
INSTANCE = 'instance=~"$instance"'
# Series that the exporter returns, and those that rules record from them.
_DATABASE = re.compile(r'(?<![\w:"])((?:\w+:)?(?:pg_|credit_statement_info)\w*(?::\w+)?)(\{)?')


def of_instance(expr: str) -> str:
    """Return PromQL or label_values() in which every series of a database is one of the variable $instance.

    >>> of_instance('sum(pg_up) / sum by (job) (a:pg_b:c{d="e"})')
    'sum(pg_up{instance=~"$instance"}) / sum by (job) (a:pg_b:c{instance=~"$instance", d="e"})'
    """
    return _DATABASE.sub(lambda found: f"{found[1]}{{{INSTANCE}{', ' if found[2] else '}'}", expr)


def grown_by(counter: str) -> str:
    """Return the increase of a counter of rare events since the last point of the graph.

    Whole numbers, each event once; increase() extrapolates, and would show one event as 1.33 in four points.
    """
    return f"clamp_min({counter} - {counter} offset $__interval, 0)"


@dataclass(frozen=True, kw_only=True)
class Query:
    """One PromQL expression and the legend of its series.

    Attributes:
        expr: PromQL, with Grafana's variables.
        legend: a text with {{label}}, or a fixed one.
        exemplar: whether the trace ids of the histogram are drawn as points.
    """

    expr: str
    legend: str = ""
    exemplar: bool = False

    def over_time(self, ref: str) -> Dataquery:
        """Return it as a range query."""
        built = self._base(ref).range().format(PromQueryFormat.TIME_SERIES)
        return built.exemplar(True) if self.exemplar else built

    def now(self, ref: str, *, table: bool = False) -> Dataquery:
        """Return it as an instant query, of rows or of one value per series."""
        form = PromQueryFormat.TABLE if table else PromQueryFormat.TIME_SERIES
        return self._base(ref).instant().format(form)

    def _base(self, ref: str) -> Dataquery:
        return (
            Dataquery()
            .datasource(PROMETHEUS)
            .ref_id(ref)
            .expr(of_instance(" ".join(self.expr.split())))
            .legend_format(self.legend or "__auto")
            .editor_mode(QueryEditorMode.CODE)
        )


def log_lines(expr: str) -> loki.Dataquery:
    """Return a query for lines of PostgreSQL's log, in LogQL."""
    return (
        loki.Dataquery()
        .datasource(LOG)
        .ref_id("A")
        .expr(expr)
        .editor_mode(loki_models.QueryEditorMode.CODE)
        .query_type(loki_models.LokiQueryType.RANGE)
        .max_lines(LINES)
    )


class TraceSearch(variants.Dataquery, Builder[variants.Dataquery]):
    """A search of the Jaeger data source, for which the SDK has no model."""

    def __init__(self, *, service: str, tags: str, limit: int) -> None:
        self._query = {
            "datasource": {"type": TRACES.type_val, "uid": TRACES.uid},
            "refId": "A",
            "queryType": "search",
            "service": service,
            "tags": tags,
            "limit": limit,
        }

    def build(self) -> variants.Dataquery:
        """Return itself."""
        return self

    def to_json(self) -> dict[str, object]:
        """Return the JSON object that Grafana reads."""
        return self._query
