"""Search of traces by service, operation, duration, error and time; lab/drilldown/trace.py has one trace."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from heapq import nlargest

from lab.drilldown.errors import NotFoundError
from lab.foundation.errors import LabError
from lab.foundation.suggestions import unknown
from lab.foundation.timestamps import NS_PER_MS, moment, ms, nanoseconds
from lab.telemetry.store import Reader, Span

MAX_FOUND = 500
# Thirty years.
MAX_DURATION_MS = 1e12
SERVICES = """
WITH RECURSIVE found (service) AS (
    SELECT min(service) FROM spans WHERE parent_id IS NULL
    UNION ALL
    SELECT (SELECT min(service) FROM spans WHERE parent_id IS NULL AND service > found.service)
    FROM found WHERE found.service IS NOT NULL
)
SELECT service FROM found WHERE service IS NOT NULL
"""  # DISTINCT would read the whole index; this reads one entry for each service.


# The other end of every statement's span.
DATABASE = "postgres"
DEPENDENCIES = """SELECT service, count(*) FROM spans
WHERE start_ns >= ? AND start_ns < ? AND kind = 'sql' GROUP BY service ORDER BY service"""


class Order(StrEnum):
    """The order of the traces found."""

    NEWEST = "newest"
    SLOWEST = "slowest"


@dataclass(frozen=True, kw_only=True, slots=True)
class Search:
    """The conditions of a search; None means any. `since` is included, `until` is not."""

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
    """One trace in the result of a search: its root span, and totals of its spans.

    Attributes:
        operation: the root span's resource.
        database_ms: the sum over the spans that wait for the database.
        statements: the number of executed statements.
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


def services(reader: Reader) -> tuple[str, ...]:
    """Return the services of root spans; none before the first trace."""
    return tuple(name for (name,) in reader.rows(SERVICES))


def dependencies(reader: Reader, *, since_ns: int, until_ns: int) -> list[tuple[str, str, int]]:
    """Return the statements of each service in a window: service, database, number."""
    found = reader.rows(DEPENDENCIES, [since_ns, until_ns])
    return [(service, DATABASE, count) for service, count in found if service != DATABASE]


def operations(reader: Reader, service: str) -> tuple[str, ...]:
    """Return a service's operations."""
    sql = "SELECT DISTINCT resource FROM spans WHERE parent_id IS NULL AND service = ? ORDER BY 1"
    return tuple(name for (name,) in reader.rows(sql, [known_service(reader, service)]))


def known_service(reader: Reader, name: str) -> str:
    """Return a service by its name, or by its name without `credit-`.

    Raises:
        LabError: with the most similar service name.
    """
    known = services(reader)
    if not known:
        raise NotFoundError(
            "The store has no trace yet. `./creditlab status` shows whether spans arrive."
        )
    full = name if name.startswith("credit-") else f"credit-{name}"
    for candidate in (name, full):
        if candidate in known:
            return candidate
    raise LabError(unknown("service", full, known))


def search(reader: Reader, wanted: Search) -> tuple[TraceSummary, ...]:
    """Return the traces that match a search.

    Raises:
        LabError: when there is no such service.
    """
    names = [known_service(reader, wanted.service)] if wanted.service else services(reader)
    limit = max(min(wanted.limit, MAX_FOUND), 1)
    column = "duration_ns" if wanted.order is Order.SLOWEST else "start_ns"
    condition, parameters = _condition(wanted)
    # One query per service, of the keys only: the index of root spans has both.
    sql = f"SELECT {column}, id FROM spans WHERE {condition} ORDER BY {column} DESC LIMIT ?"
    found = [row for name in names for row in reader.rows(sql, [name, *parameters, limit])]
    chosen = json.dumps([identity for _, identity in nlargest(limit, found)])
    by_id = "id IN (SELECT value FROM json_each(?))"
    best = reader.select(Span, by_id, [chosen], order=f"{column} DESC", limit=limit)
    return tuple(_summaries(reader, best))


def slowest_explained(reader: Reader, *, since: datetime, service: str | None = None) -> str | None:
    """Return the trace of the slowest execution with a logged plan, or the longest logged lock wait.

    Only of executions whose spans are stored.

    Args:
        reader: of the store.
        since: the earliest end of the execution.
        service: the calling service.
    """
    kept = (
        "JOIN spans s USING (trace_id, span_id) WHERE f.at_ns >= :since"
        " AND f.service = coalesce(:service, f.service) AND EXISTS"
        " (SELECT 1 FROM spans r WHERE r.trace_id = f.trace_id AND r.parent_id IS NULL)"
    )
    sql = (
        f"SELECT f.trace_id, f.duration_ns FROM plans f {kept} AND f.executed"
        f" UNION ALL SELECT f.trace_id, f.duration_ns FROM events f {kept} AND f.kind = 'lock_wait'"
        " ORDER BY 2 DESC LIMIT 1"
    )
    found = reader.rows(sql, {"since": nanoseconds(since), "service": service})
    return str(found[0][0]) if found else None


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
    if duration_ms is None:
        return None
    if not 0 <= duration_ms <= MAX_DURATION_MS:
        raise LabError(f"{duration_ms:g} ms is not a duration from 0 to {MAX_DURATION_MS:g} ms.")
    return round(duration_ms * NS_PER_MS)


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
