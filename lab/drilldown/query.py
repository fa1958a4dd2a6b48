"""One statement: its text, who runs it, its plans over time, its slowest executions, its tables."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any

from lab.drilldown.errors import NotFoundError
from lab.drilldown.moments import moment, ms, nanoseconds
from lab.drilldown.plan import Tree
from lab.drilldown.plan_reading import tree
from lab.drilldown.prometheus import Prometheus, PrometheusAwayError
from lab.drilldown.queries import APPLICATION, SQL, QuerySummary, top
from lab.drilldown.series import Series, series
from lab.stack.suggestions import unknown
from lab.store import Reader

MAX_PLANS = 2_000
MAX_PERIODS = 40
MAX_SLOWEST = 20
# As many of the latest executed plans tell which blocks of which table a statement touches.
PLANS_FOR_TABLES = 50
HIT_RATIO = "table:pg_heap_cache_hit:ratio_rate5m"


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanPeriod:
    """A time in which a statement was seen with one plan, and no other.

    Attributes:
        shape: equal for plans with the same nodes, tables and indexes.
        changed: whether another plan was seen before it.
        executed, estimated: how many plans of each kind were seen.
        mean_ms, slowest_ms: of the executed ones.
        trace_id, span_id: of the slowest of them.
    """

    shape: str
    since: datetime
    until: datetime
    changed: bool
    executed: int
    estimated: int
    mean_ms: float | None
    slowest_ms: float | None
    trace_id: str | None
    span_id: str | None
    summary: str
    worst_node: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SlowExecution:
    """An execution out of PostgreSQL's log; `end` is its end, `has_trace` whether its span is here."""

    end: datetime
    server_ms: float
    queryid: str
    service: str | None
    trace_id: str | None
    span_id: str | None
    has_plan: bool
    has_trace: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class TableTouched:
    """A table that a statement's plans name.

    Attributes:
        access: how it is reached, such as `Index Scan using customers_cpf_key`.
        plans: how many executed plans the blocks are of.
        hit_ratio: share of its blocks that were found in shared_buffers; None when none were counted.
        table_hit_ratio: the same for all statements of the last five minutes, by Prometheus.
    """

    name: str
    access: tuple[str, ...]
    plans: int
    blocks_hit: int
    blocks_read: int
    hit_ratio: float | None
    table_hit_ratio: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """One statement in a window.

    Attributes:
        key: what it was asked for by.
        queryids: as decimal text; one, unless it was asked for by a name that has several.
        text: normalized, as its author broke the lines.
        services: that were seen running it.
        totals: what it did in the window, one entry for each queryid; none when DBM told of none.
        absent: why a field is empty, by its name.
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
    series: Series
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
        NotFoundError: when the store knows none, with the nearest name that it knows.
    """
    found = reader.rows(SQL["identity"], {"key": key})
    if not found:
        raise _not_found(reader, key)
    _, _, _, name, owner, text = found[0]
    queryids = sorted({row[1] for row in found if row[1] is not None})
    keys = {row[0] for row in found}
    window = {
        "queryids": json.dumps(queryids), "since": nanoseconds(since), "until": nanoseconds(until),
    }  # fmt: skip
    totals = top(reader, since=since, until=until, role=role, limit=MAX_PLANS)
    plans = reader.rows(SQL["plans"], {**window, "limit": MAX_PLANS})
    slowest = reader.rows(SQL["slowest"], {**window, "limit": MAX_SLOWEST})
    absent: dict[str, str] = {}
    ratios: Mapping[str, float] = {}
    try:
        ratios = {
            s.labels["table"]: v for s in prometheus.now(HIT_RATIO) for v in s.values.values()
        }
    except PrometheusAwayError as error:
        absent["table_hit_ratio"] = str(error)
    if not slowest:
        absent["slowest"] = "PostgreSQL logged no execution: all were below its thresholds"
    if not plans:
        absent["plans"] = "no plan was logged or sampled in this window"
    return Query(
        key=key,
        queryids=tuple(map(str, queryids)),
        statement=name,
        owner=owner,
        text=text,
        services=tuple(row[0] for row in reader.rows(SQL["callers"], window) if row[0]),
        since=since,
        until=until,
        totals=tuple(summary for summary in totals if summary.key in keys),
        plans=tuple(_periods(reader, plans))[-MAX_PERIODS:],
        slowest=tuple(_slow(row) for row in slowest),
        tables=tuple(_tables(reader, plans, ratios)),
        series=series(reader, prometheus, queryids, since=since, until=until, role=role),
        absent=absent,
    )


def _not_found(reader: Reader, key: str) -> NotFoundError:
    sql = "SELECT DISTINCT name FROM statements WHERE name IS NOT NULL ORDER BY 1"
    names = [name for (name,) in reader.rows(sql)]
    if not names:
        return NotFoundError(
            "The store knows no statement yet. `./creditlab status` says whether DBM events come in."
        )
    if key.lstrip("-").isdecimal():
        return NotFoundError(
            f"The store knows no queryid {key}. `./creditlab queries` lists those it knows."
        )
    return NotFoundError(unknown("statement", key, names))


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


def _trees(reader: Reader, ids: Sequence[int]) -> dict[int, Tree]:
    found = reader.rows(SQL["definitions"], {"ids": json.dumps(ids)})
    return {identity: tree(definition) for identity, definition in found}


def _periods(reader: Reader, plans: Sequence[tuple[Any, ...]]) -> Iterator[PlanPeriod]:
    """A plan is taken for in use from the first time it was seen until another one was."""
    runs = [list(run) for _, run in groupby(plans, key=lambda row: row[4])][-MAX_PERIODS - 1 :]
    slowest_of = [
        max((row for row in run if row[2]), key=lambda row: row[3] or 0, default=None)
        for run in runs
    ]
    shown_of = [(slowest or run[0])[0] for run, slowest in zip(runs, slowest_of, strict=True)]
    trees = _trees(reader, shown_of)
    for number, (run, slowest, shown) in enumerate(zip(runs, slowest_of, shown_of, strict=True)):
        executed = [row for row in run if row[2]]
        yield PlanPeriod(
            shape=run[0][4],
            since=moment(run[0][1]),
            until=moment(run[-1][1]),
            changed=number > 0,
            executed=len(executed),
            estimated=len(run) - len(executed),
            mean_ms=ms(sum(row[3] for row in executed) // len(executed)) if executed else None,
            slowest_ms=ms(slowest[3]) if slowest else None,
            trace_id=slowest[5] if slowest else None,
            span_id=slowest[6] if slowest else None,
            summary=trees[shown].summary,
            worst_node=trees[shown].worst_node,
        )


def _tables(
    reader: Reader, plans: Sequence[tuple[Any, ...]], ratios: Mapping[str, float]
) -> Iterator[TableTouched]:
    """From executed plans, which count blocks; from estimated ones, names only, when there are no others."""
    executed = [row[0] for row in plans if row[2]][-PLANS_FOR_TABLES:]
    latest = executed or [row[0] for row in plans[-1:]]
    nodes = [
        node
        for read in _trees(reader, latest).values()
        for node in read.root.walk()
        if node.relation
    ]
    for name in sorted({node.relation for node in nodes if node.relation}):
        own = [node for node in nodes if node.relation == name]
        hit = sum(node.buffers.hit for node in own if node.buffers)
        read = sum(node.buffers.read for node in own if node.buffers)
        yield TableTouched(
            name=name,
            access=tuple(sorted({_access(node.type, node.index) for node in own})),
            plans=len(executed),
            blocks_hit=hit,
            blocks_read=read,
            hit_ratio=round(hit / (hit + read), 4) if hit + read else None,
            table_hit_ratio=ratios.get(name),
        )


def _access(kind: str, index: str | None) -> str:
    return f"{kind} using {index}" if index else kind
