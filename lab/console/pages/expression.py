"""`/prometheus`: the graph and the values of a PromQL expression.

Debian's package of Prometheus has no web pages, so natively links to an expression lead here.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import isfinite
from types import MappingProxyType

from starlette.requests import Request

from lab.clients.prometheus import Series
from lab.console.pages import asking, chart
from lab.console.pages.chart import Chart
from lab.console.pages.faults import bands
from lab.console.pages.site import Page
from lab.drilldown import Drilldown
from lab.foundation.timestamps import NS_PER_MS, nanoseconds

# Prometheus scrapes the exporter every 10 s and the services every 5 s.
LEAST_STEP_S = 5
POINTS = 180
# The number of colours; the table has the other series, too.
LINES = 12
ROWS = 200
EXAMPLES = MappingProxyType({
    "time per second by statement": (
        'sum by (queryid) (rate(pg_stat_statements_seconds_total{user="credit_app"}[1m]))'
        " * on (queryid) group_left (service, statement) credit_statement_info"
    ),
    "operations per second by service": "service:credit_operations:rate1m",
    "95th percentile of an operation's duration":
        'service:credit_operation_duration_seconds:quantile_rate5m{quantile="0.95"}',
    "active sessions by wait event": "wait_event:pg_active_sessions:sum",
    "rows written per second by table":
        'sum by (relname) (rate(pg_stat_user_tables_n_tup_ins[1m]))',
    "scrape targets that answer": "up",
    "alerts": "ALERTS",
})  # fmt: skip


def page(drilldown: Drilldown, request: Request) -> Page:
    """Evaluate the expression of the URL over its time range; without one, show examples."""
    window = asking.window(request, "1h")
    expr = asking.word(request, "expr")
    length_s = (window.until - window.since).total_seconds()
    step_s = max(LEAST_STEP_S, round(length_s / POINTS))
    found = (
        asking.attempt(
            lambda: drilldown.prometheus.series(
                expr,
                since_ns=nanoseconds(window.since),
                until_ns=nanoseconds(window.until),
                step_s=step_s,
            )
        )
        if expr
        else None
    )
    series = sorted(found.value or (), key=_latest, reverse=True) if found else []
    values = {
        **window.values(),
        "parameters": window.parameters,
        "expr": expr,
        "examples": EXAMPLES,
        "found": found,
        "step_s": step_s,
        "rows": [(_label(one.labels), one.value) for one in series[:ROWS]],
        "count": len(series),
        "lines": LINES,
        "chart": _chart(drilldown, series[:LINES], window.since, window.until, step_s),
    }
    return Page(template="expression.html", values=values)


def _latest(series: Series) -> float:
    return series.value if isfinite(series.value) else float("-inf")


def _label(labels: Mapping[str, str]) -> str:
    """Write labels as Prometheus does."""
    inner = ", ".join(f'{k}="{v}"' for k, v in sorted(labels.items()) if k != "__name__")
    return f"{labels.get('__name__', '')}{{{inner}}}" if inner else labels.get("__name__", "{}")


def _chart(
    drilldown: Drilldown, series: Sequence[Series], since: datetime, until: datetime, step_s: int
) -> Chart:
    """Draw one line for each series; a step without a finite value is a gap."""
    begin, end, step = nanoseconds(since), nanoseconds(until), step_s * 10**9
    times_ns = range(begin, end + 1, step)
    lines = []
    for number, one in enumerate(series):
        at = {round((t - begin) / step): v for t, v in one.points if isfinite(v)}
        values = [at.get(index) for index in range(len(times_ns))]
        label = _short(one.labels)
        lines.append(chart.ChartSeries(label=label, css=f"c-line-{number}", values=values))
    return Chart(
        title="Values of the expression",
        unit="value",
        times_ms=[t // NS_PER_MS for t in times_ns],
        series=lines,
        bands=bands(drilldown, since, until),
    )


def _short(labels: Mapping[str, str]) -> str:
    """Name a line by the values of its labels, without those that all of a scrape have."""
    shown = {k: v for k, v in labels.items() if k not in {"__name__", "instance", "job"}}
    for names in (("service", "statement"), ("service", "operation")):
        if set(names) <= shown.keys():
            return " ".join(shown[name] for name in names)
    text = ", ".join(shown.values()) or labels.get("instance") or labels.get("__name__") or "value"
    return text if len(text) <= 60 else f"{text[:57]}…"  # noqa: PLR2004
