"""Tools on Prometheus: PromQL, series, metrics and alerts."""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field

from lab.clients.prometheus import Alert, Prometheus
from lab.clients.promql import Result, Sampled
from lab.exam.doors import Door
from lab.foundation.errors import LabError
from lab.foundation.timestamps import NS_PER_S
from lab.mcp.answer import Page, at, figure, fitting
from lab.mcp.inputs import Contains, Cursor, End, Limit, PromQL, Start
from lab.mcp.sources import Sources
from lab.mcp.tool import tool
from lab.mcp.window import HOUR, moment_of, window
from lab.telemetry import redact

WEEK = timedelta(days=7)
POINTS, MAX_POINTS, MAX_VALUES = 60, 600, 6_000
FIRING = 'ALERTS{alertstate="firing"}'
# Labels with names that a user of the database chooses.
NAMED = re.compile(
    r"(?:use|rol|dat|rel|schema|index|application_|slot_)?name|user|database|db|role|table"
)


class PrometheusTools:
    """Tools of the observer Prometheus: postgres_exporter, the services' metrics, rules and alerts."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    @tool("PromQL instant query", Door.PROMETHEUS)
    def promql_query(
        self,
        *,
        query: PromQL,
        time: Annotated[
            str, Field(max_length=40, description="Evaluation time: RFC 3339, -5m, or now.")
        ] = "now",
        limit: Limit = 50,
    ) -> dict[str, Any]:
        """Evaluate a PromQL expression at one time (instant query).

        Use it for current values and rankings, for example topk(5, sum by (queryid)
        (rate(pg_stat_statements_seconds_total[1m]))). Join names of statements with * on (queryid)
        group_left (service, statement) credit_statement_info. prometheus_metrics lists the metrics.
        Scrapes are every 5 s for the services and every 10 s for postgres_exporter: use [1m] or longer
        in rate().
        """
        at_time = moment_of(time, "time")
        found = self._sources.promql().instant(query, at_s=at_time.timestamp(), limit=limit)
        rows = fitting([_instant(series) for series in found.series])
        time_at = {"time": at(round(at_time.timestamp() * NS_PER_S))}
        return {**time_at, **_beside(found, rows), "rows": rows}

    @tool("PromQL range query", Door.PROMETHEUS)
    def promql_range(
        self,
        *,
        query: PromQL,
        start: Start = "-30m",
        end: End = None,
        step_s: Annotated[
            int | None,
            Field(
                ge=1,
                le=86_400,
                description=f"Seconds between two points. Default: the range divided by {POINTS}.",
            ),
        ] = None,
        limit: Limit = 20,
    ) -> dict[str, Any]:
        """Evaluate a PromQL expression over a time range (range query), to see when a value changed.

        Returns for each series min, max, last and `values`: one value for each step, from `first` on,
        every `step_s` seconds; null where the series has no sample. At most 7 days, 600 points, and
        6,000 values.
        """
        chosen = window(start, end, default=HOUR, most=WEEK)
        step = step_s or max(math.ceil(chosen.seconds / POINTS), 5)
        points = int(chosen.seconds / step) + 1
        if points > MAX_POINTS:
            raise LabError(
                f"step_s={step} gives {points:,} points in {chosen.seconds:,.0f} s; at most {MAX_POINTS}"
                f" are returned. Use step_s={math.ceil(chosen.seconds / (MAX_POINTS - 1))} or more."
            )
        since_s = chosen.since.timestamp()
        found = self._sources.promql().range(
            query,
            since_s=since_s,
            until_s=chosen.until.timestamp(),
            step_s=step,
            limit=max(min(limit, MAX_VALUES // points), 1),
        )
        rows = fitting([_over_time(series, since_s, step, points) for series in found.series])
        first = {"first": at(chosen.since_ns), "step_s": step}
        return {**first, **_beside(found, rows), "rows": rows}

    @tool("Series of a selector", Door.PROMETHEUS)
    def promql_series(
        self,
        *,
        selector: Annotated[
            str,
            Field(
                min_length=1,
                max_length=1_000,
                description='A series selector, such as pg_stat_user_tables_n_dead_tup or {job="postgres"}.',
            ),
        ],
        start: Start = "-15m",
        end: End = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> dict[str, Any]:
        """List the label sets of the series that match a selector in a time range.

        Use it to learn the labels of a metric, and their values, before you write a PromQL expression.
        """
        page = Page.during(
            {"selector": selector, "start": start, "end": end}, limit, cursor, longest=WEEK
        )
        found = self._sources.promql().label_sets(
            selector, since_s=page.window.since.timestamp(), until_s=page.window.until.timestamp()
        )
        rows = sorted((_safe(labels) for labels in found), key=lambda one: sorted(one.items()))
        return page.answer(rows[: page.wanted], found=len(rows))

    @tool("Metrics of Prometheus", Door.PROMETHEUS)
    def prometheus_metrics(
        self, *, contains: Contains = None, limit: Limit = 100, cursor: Cursor = None
    ) -> dict[str, Any]:
        """List the metrics that Prometheus has, with type, unit and help text, recording rules included.

        pg_* are of postgres_exporter, credit_* of the five services (creditlab://docs/metrics explains
        them), names with colons are recording rules.
        """
        page = Page.of({"contains": contains}, limit=limit, cursor=cursor)
        wanted = (contains or "").lower()
        found = self._sources.promql().metrics()
        rows = [
            {"metric": name, **about}
            for name, about in sorted(found.items())
            if wanted in name.lower()
        ]
        return page.answer(rows[: page.wanted], found=len(rows))

    @tool("Alerts of Prometheus", Door.PROMETHEUS)
    def prometheus_alerts(
        self, *, start: Start = "-1h", end: End = None, limit: Limit = 100, cursor: Cursor = None
    ) -> dict[str, Any]:
        """List the alerts that were pending or firing in a time range, with the first time of each state.

        `firing_now` is whether it fires at the end of the range. Read creditlab://runbooks/ALERT for
        its meaning and the next steps.
        """
        page = Page.during({"start": start, "end": end}, limit, cursor)
        promql, chosen = self._sources.promql(), page.window
        firing = promql.instant(FIRING, at_s=chosen.until.timestamp(), limit=MAX_VALUES)
        now = {tuple(sorted(series.labels.items())) for series in firing.series}
        prometheus = Prometheus(url=promql.url, timeout_s=promql.timeout_s)
        found = prometheus.alerts(since_ns=chosen.since_ns, until_ns=chosen.until_ns)
        rows = sorted((_alert(one, now) for one in found), key=lambda row: str(row["first_seen"]))
        return page.answer(rows)


def _beside(found: Result, rows: Sequence[object]) -> dict[str, Any]:
    shown: dict[str, Any] = {"result_type": found.type, "series_found": found.found}
    if found.found > len(rows):
        shown["series_shown"] = len(rows)
        shown["more"] = "aggregate with sum by (...) or topk, or raise limit"
    if found.warnings:
        shown["warnings"] = list(found.warnings)
    return shown


def _instant(series: Sampled) -> dict[str, Any]:
    labels = {"labels": _safe(series.labels)} if series.labels else {}
    if len(series.points) == 1:
        return {**labels, "value": _value(series.points[0][1])}
    points = [[at(round(at_s * NS_PER_S)), _value(value)] for at_s, value in series.points]
    return {**labels, "points": points[:MAX_POINTS]}


def _over_time(series: Sampled, since_s: float, step_s: int, points: int) -> dict[str, Any]:
    values: list[Any] = [None] * points
    for at_s, value in series.points:
        values[min(round((at_s - since_s) / step_s), points - 1)] = _value(value)
    numbers = [value for value in values if isinstance(value, int | float)]
    extremes = {"min": min(numbers), "max": max(numbers), "last": numbers[-1]} if numbers else {}
    return {"labels": _safe(series.labels), **extremes, "values": values}


def _value(text: str) -> Any:
    try:
        return figure(float(text))
    except ValueError:
        return text


def _safe(labels: Mapping[str, str]) -> dict[str, str]:
    """Return labels with the names of roles, databases and applications as the store keeps them."""
    return {
        name: (redact.label(value) or "") if NAMED.fullmatch(name) else value
        for name, value in labels.items()
    }


def _alert(alert: Alert, now: set[tuple[tuple[str, str], ...]]) -> dict[str, Any]:
    fires = {"__name__": "ALERTS", "alertstate": "firing", **alert.labels}
    times = [one for one in (alert.pending_ns, alert.firing_ns) if one is not None]
    return {
        "alert": alert.name,
        "labels": {k: v for k, v in _safe(alert.labels).items() if k != "alertname"},
        "first_seen": at(min(times)),
        "pending_since": None if alert.pending_ns is None else at(alert.pending_ns),
        "firing_since": None if alert.firing_ns is None else at(alert.firing_ns),
        "firing_now": tuple(sorted(fires.items())) in now,
        "runbook": f"creditlab://runbooks/{alert.name}",
    }
