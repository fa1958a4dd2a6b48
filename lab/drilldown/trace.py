"""One trace as a waterfall: a bar for each span, with its own time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from lab.drilldown.errors import NotFoundError, PendingTraceError
from lab.drilldown.naming import known, name_of, names_in
from lab.drilldown.sampling import sampled_away
from lab.foundation import clock
from lab.foundation.timestamps import moment, ms
from lab.telemetry.store import Reader, Span

# Operations that are retried last for minutes, and a trace is sent when its operation has ended.
PENDING_S = 300
# Tolerance for a sender whose clock is ahead.
SKEW_S = 60
# The type of a statement's span, with ddtrace and with OpenTelemetry.
STATEMENT_KIND = "sql"


class Layer(StrEnum):
    """Where a span spends its time."""

    APPLICATION = "application"
    STATEMENT = "statement"  # one statement's execution, as the client sees it
    DATABASE = "database"  # something else that waits for the database: connect, commit, rollback


@dataclass(frozen=True, kw_only=True, slots=True)
class TraceSpan:
    """One bar of the waterfall.

    Attributes:
        depth: 0 for the root, and for a span whose parent is not in the store.
        service: of the span; a statement's is that of its operation, or its driver's default, `postgres`.
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

    @property
    def database_ms(self) -> float:
        """The time in which at least one span waited for the database, 0 to `duration_ms`."""
        covered, reached = 0.0, 0.0
        waiting = [span for span in self.spans if span.layer is not Layer.APPLICATION]
        for span in sorted(waiting, key=lambda each: each.start_ms):
            end = min(span.start_ms + span.duration_ms, self.duration_ms)
            begin = max(span.start_ms, reached)
            if end > begin:
                covered += end - begin
                reached = end
        return round(min(covered, self.duration_ms), 3)


def trace(reader: Reader, trace_id: str) -> Trace:
    """Return one trace.

    Raises:
        PendingTraceError: when it began in the last minutes and has not arrived yet.
        NotFoundError: when the store does not have it.
    """
    spans = reader.trace(trace_id)
    if not spans:
        raise _not_found(reader, trace_id)
    unnamed = any(layer(s) is Layer.STATEMENT and name_of(s.resource) is None for s in spans)
    names = names_in(reader) if unnamed else {}
    root = next((span for span in spans if span.parent_id is None), spans[0])
    return Trace(
        trace_id=trace_id,
        service=root.service,
        operation=root.resource,
        start=moment(root.start_ns),
        duration_ms=ms(root.duration_ns),
        error=root.error,
        spans=tuple(_waterfall(spans, root.start_ns, names)),
    )


def age_s(trace_id: str) -> float | None:
    """Return how many seconds ago a trace began, by its id; None when the id has no time.

    ddtrace's ids of 128 bits begin with the Unix time in seconds, followed by 32 zero bits.
    """
    if trace_id[8:16] != "0" * 8:
        return None
    return clock.now_s() - int(trace_id[:8], 16)


def is_pending(trace_id: str) -> bool:
    """Return whether spans of a trace may still arrive: it began in the last minutes."""
    age = age_s(trace_id)
    return age is not None and -SKEW_S <= age < PENDING_S


def _not_found(reader: Reader, trace_id: str) -> NotFoundError:
    sampling = sampled_away(reader, at=clock.now())
    probably = f"It was probably {sampling}." if sampling else ""
    if is_pending(trace_id):
        return PendingTraceError(
            f"No span of the trace {trace_id} has arrived yet.\n"
            + (probably or "The tracer sends a trace about a second after its operation has ended.")
        )
    return NotFoundError(
        f"The store has no trace {trace_id}.\n"
        + (probably or "It may have expired (STORE_MAX_AGE_HOURS), or it was never sent here.")
    )


def layer(span: Span) -> Layer:
    """Return the layer of a span."""
    if span.kind == STATEMENT_KIND:
        return Layer.STATEMENT
    return Layer.DATABASE if "db.system" in span.tags else Layer.APPLICATION


def _waterfall(spans: list[Span], start_ns: int, names: Mapping[str, str]) -> Iterator[TraceSpan]:
    """Yield spans depth first; one whose parent is missing, or that is its own ancestor, has depth 0."""
    ids = {span.span_id for span in spans}
    children: dict[str | None, list[Span]] = {}
    for span in spans:
        parent = span.parent_id if span.parent_id in ids else None
        children.setdefault(parent, []).append(span)
    seen: set[str] = set()

    def below(span: Span, depth: int) -> Iterator[TraceSpan]:
        seen.add(span.span_id)
        own = children.get(span.span_id, [])
        yield _bar(span, depth, start_ns, own, names)
        for child in own:
            if child.span_id not in seen:
                yield from below(child, depth + 1)

    for span in [*children.get(None, []), *spans]:
        if span.span_id not in seen:
            yield from below(span, 0)


def _bar(
    span: Span, depth: int, start_ns: int, children: list[Span], names: Mapping[str, str]
) -> TraceSpan:
    kind = layer(span)
    return TraceSpan(
        span_id=span.span_id,
        parent_id=span.parent_id,
        depth=depth,
        layer=kind,
        service=span.service,
        name=span.name,
        resource=span.resource,
        statement=known(span.resource, names) if kind is Layer.STATEMENT else None,
        start=moment(span.start_ns),
        start_ms=ms(span.start_ns - start_ns),
        duration_ms=ms(span.duration_ns),
        self_ms=ms(span.duration_ns - _covered_ns(span, children)),
        error=span.error,
        tags=span.tags,
    )


def _covered_ns(span: Span, children: list[Span]) -> int:
    """Return the time in which at least one child ran; children may overlap, and may outlast their parent."""
    covered, reached = 0, span.start_ns
    for child in sorted(children, key=lambda each: each.start_ns):
        begin = max(child.start_ns, reached)
        end = min(child.start_ns + child.duration_ns, span.start_ns + span.duration_ns)
        if end > begin:
            covered += end - begin
            reached = end
    return covered
