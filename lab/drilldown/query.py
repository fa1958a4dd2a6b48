"""One statement: its text, its services, its plans over time, its slowest executions, its tables."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lab.clients.prometheus import Prometheus, PrometheusError
from lab.drilldown.identity import NO_TEXT, identify
from lab.drilldown.index_advice import IndexAdvice
from lab.drilldown.plan_history import PlanPeriod, TableTouched, periods, tables_touched
from lab.drilldown.queries import APPLICATION, SQL, QuerySummary, top
from lab.drilldown.sampling import sampled_away
from lab.drilldown.series import StatementSeries, series
from lab.foundation.timestamps import moment, ms, nanoseconds
from lab.telemetry.store import Reader

MAX_PLANS = 2_000
MAX_SLOWEST = 20
HIT_RATIO = "table:pg_heap_cache_hit:ratio_rate5m"


@dataclass(frozen=True, kw_only=True, slots=True)
class SlowExecution:
    """An execution from PostgreSQL's log; `end` is its end, `has_trace` whether the store has its span."""

    end: datetime
    server_ms: float
    queryid: str
    service: str | None
    trace_id: str | None
    span_id: str | None
    has_plan: bool
    has_trace: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """One statement in a window.

    Attributes:
        key: the queryid, signature or name of the request.
        queryids: as decimal text; one, unless the key is a name with several.
        text: normalized, with the line breaks of its source; empty before it has arrived.
        services: of which executions were seen.
        totals: its query metrics in the window, one entry for each queryid; empty when DBM received none.
        advice: indexes that would make it cheaper, by hypothetical plans; None when it was not requested.
        absent: the reason for each empty field, by its name.
    """

    key: str
    queryids: tuple[str, ...]
    statement: str | None
    owner: str | None
    text: str
    services: tuple[str, ...]
    since: datetime
    until: datetime
    totals: tuple[QuerySummary, ...]
    plans: tuple[PlanPeriod, ...]
    slowest: tuple[SlowExecution, ...]
    tables: tuple[TableTouched, ...]
    series: StatementSeries
    advice: IndexAdvice | None = None
    absent: Mapping[str, str] = field(default_factory=dict)


def query(
    reader: Reader,
    prometheus: Prometheus,
    key: str,
    *,
    since: datetime,
    until: datetime,
    role: str | None = APPLICATION,
) -> Query:
    """Return a statement by its queryid, by DBM's signature or by its name in workload/sql/.

    Raises:
        NotFoundError: when neither the store nor workload/sql/ has it, with the most similar name.
    """
    one = identify(reader, key)
    window = {
        "queryids": json.dumps(one.queryids),
        "signatures": json.dumps(sorted(one.signatures)),
        "since": nanoseconds(since),
        "until": nanoseconds(until),
    }
    totals = top(reader, since=since, until=until, role=role, limit=MAX_PLANS)
    plans = reader.rows(SQL["plans"], {**window, "limit": MAX_PLANS})
    slowest = reader.rows(SQL["slowest"], {**window, "limit": MAX_SLOWEST})
    absent: dict[str, str] = {} if one.text else {"text": NO_TEXT}
    ratios: Mapping[str, float] = {}
    try:
        ratios = {s.labels["table"]: s.value for s in prometheus.now(HIT_RATIO)}
    except PrometheusError as error:
        absent["table_hit_ratio"] = str(error)
    if not slowest:
        absent["slowest"] = "PostgreSQL logged no execution: all were below its thresholds"
    if any(not row[-1] for row in slowest) and (sampling := sampled_away(reader, at=until)):
        absent["traces"] = str(sampling)
    if not plans:
        absent["plans"] = "no plan was logged or sampled in this window"
    return Query(
        key=key,
        queryids=tuple(map(str, one.queryids)),
        statement=one.name,
        owner=one.owner,
        text=one.text,
        services=tuple(row[0] for row in reader.rows(SQL["callers"], window) if row[0]),
        since=since,
        until=until,
        totals=tuple(summary for summary in totals if summary.key in one.keys),
        plans=periods(reader, plans),
        slowest=tuple(_slow(row) for row in slowest),
        tables=tuple(tables_touched(reader, plans, ratios)),
        series=series(reader, prometheus, one.queryids, since=since, until=until, role=role),
        absent=absent,
    )


def _slow(row: tuple[Any, ...]) -> SlowExecution:
    at_ns, duration_ns, queryid, trace_id, span_id, service, has_plan, has_trace = row
    return SlowExecution(
        end=moment(at_ns),
        server_ms=ms(duration_ns),
        queryid=str(queryid),
        service=service,
        trace_id=trace_id,
        span_id=span_id,
        has_plan=bool(has_plan),
        has_trace=bool(has_trace),
    )
