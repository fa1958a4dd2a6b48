"""Traces: found by what somebody remembers of them, and one of them as a waterfall."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from heapq import nlargest

from lab.drilldown.errors import NotFoundError
from lab.drilldown.moments import NS_PER_MS, moment, ms, nanoseconds
from lab.drilldown.naming import name_of
from lab.errors import LabError
from lab.stack.suggestions import unknown
from lab.store import Reader, Span

MAX_FOUND = 500
# How a statement's span is told from others: ddtrace and OpenTelemetry both say it.
STATEMENT_KIND = "sql"
SERVICES = """
WITH RECURSIVE found (service) AS (
    SELECT min(service) FROM spans WHERE parent_id IS NULL
    UNION ALL
    SELECT (SELECT min(service) FROM spans WHERE parent_id IS NULL AND service > found.service)
    FROM found WHERE found.service IS NOT NULL
)
SELECT service FROM found WHERE service IS NOT NULL
"""  # DISTINCT would read the whole index; this reads one entry for each service.


class Layer(StrEnum):
    """Where the time of a span is spent."""

    APPLICATION = "application"
    STATEMENT = "statement"  # one statement's execution, as the client sees it
    DATABASE = "database"  # something else that waits for the database: connect, commit, rollback


class Order(StrEnum):
    """Which traces come first."""

    NEWEST = "newest"
    SLOWEST = "slowest"


@dataclass(frozen=True, kw_only=True, slots=True)
class Search:
    """What is looked for; None means any. `since` is included, `until` is not."""

    service: str | None = None
    operation: str | None = None
    min_duration_ms: float | None = None
    max_duration_ms: float | None = None
    error: bool | None = None
    since: datetime | None = None
    until: datetime | None = None
    order: Order = Order.NEWEST
    limit: int = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class TraceSummary:
    """One line of a search: the root span, and what lies below it.

    Attributes:
        operation: the root span's resource.
        database_ms: the sum over the spans that wait for the database.
        statements: how many statements it executed.
    """

    trace_id: str
    service: str
    operation: str
    start: datetime
    duration_ms: float
    error: bool
    spans: int
    statements: int
    database_ms: float


@dataclass(frozen=True, kw_only=True, slots=True)
class TraceSpan:
    """One bar of the waterfall.

    Attributes:
        depth: 0 for the root, and for a span whose parent is not in the store.
        service: of the span; `postgres` for one of the driver's.
        statement: the name in workload/sql/, of a statement's span that is the workload's.
        start_ms: since the trace's start.
        self_ms: the part of `duration_ms` in which no child ran.
    """

    span_id: str
    parent_id: str | None
    depth: int
    layer: Layer
    service: str
    name: str
    resource: str
    statement: str | None
    start: datetime
    start_ms: float
    duration_ms: float
    self_ms: float
    error: bool
    tags: Mapping[str, str | float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Trace:
    """A trace; `spans` in the order of the waterfall, each parent before its children."""

    trace_id: str
    service: str
    operation: str
    start: datetime
    duration_ms: float
    error: bool
    spans: tuple[TraceSpan, ...]

    @property
    def statements(self) -> tuple[TraceSpan, ...]:
        """The spans of statements, in the order of their starts."""
        found = [span for span in self.spans if span.layer is Layer.STATEMENT]
        return tuple(sorted(found, key=lambda span: span.start_ms))


def services(reader: Reader) -> tuple[str, ...]:
    """Return the services that traces begin in; none when no trace has come yet."""
    return tuple(name for (name,) in reader.rows(SERVICES))


def operations(reader: Reader, service: str) -> tuple[str, ...]:
    """Return a service's operations."""
    sql = "SELECT DISTINCT resource FROM spans WHERE parent_id IS NULL AND service = ? ORDER BY 1"
    return tuple(name for (name,) in reader.rows(sql, [known_service(reader, service)]))


def known_service(reader: Reader, name: str) -> str:
    """Return a service by its name, or by its name without `credit-`.

    Raises:
        LabError: naming the nearest service that there is.
    """
    known = services(reader)
    if not known:
        raise NotFoundError(
            "The store holds no trace yet. `./creditlab status` says whether spans come in."
        )
    full = name if name.startswith("credit-") else f"credit-{name}"
    for candidate in (name, full):
        if candidate in known:
            return candidate
    raise LabError(unknown("service", full, known))


def search(reader: Reader, wanted: Search) -> tuple[TraceSummary, ...]:
    """Return the traces that meet a search.

    Raises:
        LabError: when there is no such service.
    """
    names = [known_service(reader, wanted.service)] if wanted.service else services(reader)
    limit = max(min(wanted.limit, MAX_FOUND), 1)
    column = "duration_ns" if wanted.order is Order.SLOWEST else "start_ns"
    condition, parameters = _condition(wanted)
    # One service at a time, and first the keys only: both as the index of roots has them.
    sql = f"SELECT {column}, id FROM spans WHERE {condition} ORDER BY {column} DESC LIMIT ?"
    found = [row for name in names for row in reader.rows(sql, [name, *parameters, limit])]
    chosen = json.dumps([identity for _, identity in nlargest(limit, found)])
    by_id = "id IN (SELECT value FROM json_each(?))"
    best = reader.select(Span, by_id, [chosen], order=f"{column} DESC", limit=limit)
    return tuple(_summaries(reader, best))


def trace(reader: Reader, trace_id: str) -> Trace:
    """Return one trace.

    Raises:
        NotFoundError: when the store does not hold it.
    """
    spans = reader.trace(trace_id)
    if not spans:
        raise NotFoundError(
            f"The store holds no trace {trace_id}.\n"
            "It may have expired (STORE_MAX_AGE_HOURS), or its spans are still on their way:"
            " tracers send them about every second."
        )
    root = next((span for span in spans if span.parent_id is None), spans[0])
    return Trace(
        trace_id=trace_id,
        service=root.service,
        operation=root.resource,
        start=moment(root.start_ns),
        duration_ms=ms(root.duration_ns),
        error=root.error,
        spans=tuple(_waterfall(spans, root.start_ns)),
    )


def slowest_with_plan(reader: Reader, *, since: datetime, service: str | None = None) -> str | None:
    """Return the trace of the slowest execution whose own plan PostgreSQL logged, if its spans are here.

    Args:
        reader: of the store.
        since: the earliest end of the execution.
        service: the calling service.
    """
    sql = (
        "SELECT p.trace_id FROM plans p JOIN spans s USING (trace_id, span_id)"
        " WHERE p.executed AND p.at_ns >= ? AND p.service = coalesce(?, p.service)"
        " AND EXISTS (SELECT 1 FROM spans r WHERE r.trace_id = p.trace_id AND r.parent_id IS NULL)"
        " ORDER BY p.duration_ns DESC LIMIT 1"
    )
    found = reader.rows(sql, [nanoseconds(since), service])
    return str(found[0][0]) if found else None


def layer(span: Span) -> Layer:
    """Return what a span is."""
    if span.kind == STATEMENT_KIND:
        return Layer.STATEMENT
    return Layer.DATABASE if "db.system" in span.tags else Layer.APPLICATION


def _condition(wanted: Search) -> tuple[str, list[object]]:
    parts, parameters = ["parent_id IS NULL AND service = ?"], []
    tests: tuple[tuple[str, object | None], ...] = (
        ("start_ns >= ?", nanoseconds(wanted.since) if wanted.since else None),
        ("start_ns < ?", nanoseconds(wanted.until) if wanted.until else None),
        ("resource = ?", wanted.operation),
        ("duration_ns >= ?", _ns(wanted.min_duration_ms)),
        ("duration_ns <= ?", _ns(wanted.max_duration_ms)),
        ("error = ?", wanted.error),
    )
    for test, value in tests:
        if value is not None:
            parts.append(test)
            parameters.append(value)
    return " AND ".join(parts), parameters


def _ns(duration_ms: float | None) -> int | None:
    return None if duration_ms is None else round(duration_ms * NS_PER_MS)


def _summaries(reader: Reader, roots: list[Span]) -> Iterator[TraceSummary]:
    holes = ", ".join("?" * len(roots))
    figures = {
        trace_id: rest
        for trace_id, *rest in reader.rows(
            "SELECT trace_id, count(*), sum(kind = 'sql'),"
            " sum(duration_ns) FILTER (WHERE kind = 'sql' OR tags LIKE '%\"db.system\"%')"
            f" FROM spans WHERE trace_id IN ({holes}) GROUP BY trace_id",
            [root.trace_id for root in roots],
        )
    }
    for root in roots:
        spans, statements, database_ns = figures[root.trace_id]
        yield TraceSummary(
            trace_id=root.trace_id,
            service=root.service,
            operation=root.resource,
            start=moment(root.start_ns),
            duration_ms=ms(root.duration_ns),
            error=root.error,
            spans=spans,
            statements=statements,
            database_ms=ms(database_ns or 0),
        )


def _waterfall(spans: list[Span], start_ns: int) -> Iterator[TraceSpan]:
    """Depth first. A span whose parent is missing, or which is its own ancestor, stands at depth 0."""
    ids = {span.span_id for span in spans}
    children: dict[str | None, list[Span]] = {}
    for span in spans:
        parent = span.parent_id if span.parent_id in ids else None
        children.setdefault(parent, []).append(span)
    seen: set[str] = set()

    def below(span: Span, depth: int) -> Iterator[TraceSpan]:
        seen.add(span.span_id)
        own = children.get(span.span_id, [])
        yield _bar(span, depth, start_ns, own)
        for child in own:
            if child.span_id not in seen:
                yield from below(child, depth + 1)

    for span in [*children.get(None, []), *spans]:
        if span.span_id not in seen:
            yield from below(span, 0)


def _bar(span: Span, depth: int, start_ns: int, children: list[Span]) -> TraceSpan:
    kind = layer(span)
    return TraceSpan(
        span_id=span.span_id,
        parent_id=span.parent_id,
        depth=depth,
        layer=kind,
        service=span.service,
        name=span.name,
        resource=span.resource,
        statement=name_of(span.resource) if kind is Layer.STATEMENT else None,
        start=moment(span.start_ns),
        start_ms=ms(span.start_ns - start_ns),
        duration_ms=ms(span.duration_ns),
        self_ms=ms(span.duration_ns - _covered_ns(span, children)),
        error=span.error,
        tags=span.tags,
    )


def _covered_ns(span: Span, children: list[Span]) -> int:
    """How long at least one child ran; children may overlap, and may outlast their parent."""
    covered, reached = 0, span.start_ns
    for child in sorted(children, key=lambda each: each.start_ns):
        begin = max(child.start_ns, reached)
        end = min(child.start_ns + child.duration_ns, span.start_ns + span.duration_ns)
        if end > begin:
            covered += end - begin
            reached = end
    return covered
