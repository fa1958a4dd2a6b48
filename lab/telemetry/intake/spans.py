"""Converts a tracer's spans to records: ids as hexadecimal text, tags and resources redacted.

A trace id has 128 bits: a payload has the low 64 bits in each span, and the high 64 bits as hexadecimal text
in the tag `_dd.p.tid` of one span of the chunk.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from lab.telemetry import redact
from lab.telemetry.intake.errors import malformed, too_many
from lab.telemetry.intake.limits import MAX_RECORDS
from lab.telemetry.store import Span

HIGH_BITS = re.compile(r"[0-9a-f]{16}")
NO_HIGH_BITS = "0" * 16
HIGH_BITS_TAG = "_dd.p.tid"
ERROR_TAGS = ("error.message", "error.msg")
SQL_ERRORS = ("psycopg2.errors", "psycopg.errors")
T = TypeVar("T")
ID_LIMIT = 1 << 64
TIME_LIMIT = 1 << 62


@dataclass(frozen=True, kw_only=True, slots=True)
class RawSpan:
    """One span as received, not redacted; never stored."""

    service: str
    name: str
    resource: str
    trace_id: int
    span_id: int
    parent_id: int
    start: int
    duration: int
    error: int
    meta: Mapping[str, str]
    metrics: Mapping[str, float]
    kind: str


def chunk(
    encoded: Sequence[T], read: Callable[[T], RawSpan], common: Mapping[str, str]
) -> Iterator[Span]:
    """Yield the spans of one chunk, which all belong to one trace.

    Args:
        encoded: the spans of one chunk.
        read: decodes one of them; called twice for the spans up to the one with the trace id's high half.
        common: tags of the payload, which apply to all of its spans.

    Raises:
        RejectedError: when an id or a time is out of range.
    """
    if len(encoded) > MAX_RECORDS:
        raise too_many()
    high = _high_bits(map(read, encoded))
    for span in map(read, encoded):
        if not (0 < span.trace_id < ID_LIMIT and 0 < span.span_id < ID_LIMIT):
            raise malformed("a span's ids must be 64-bit numbers above 0")
        if not (0 < span.start < TIME_LIMIT and span.duration < TIME_LIMIT):
            raise malformed("a span's times must be nanoseconds since 1970")
        yield Span(
            trace_id=f"{high}{span.trace_id:016x}",
            span_id=f"{span.span_id:016x}",
            parent_id=f"{span.parent_id & (ID_LIMIT - 1):016x}" if span.parent_id else None,
            service=redact.label(span.service) or "?",
            name=redact.label(span.name) or "?",
            resource=redact.resource(span.resource, span.kind, span.meta),
            kind=redact.label(span.kind) or "",
            start_ns=span.start,
            # A clock that was set back causes negative durations.
            duration_ns=max(span.duration, 0),
            error=span.error != 0,
            tags=_tags(span, common),
        )


def _high_bits(spans: Iterable[RawSpan]) -> str:
    for span in spans:
        high = span.meta.get(HIGH_BITS_TAG, "")
        if HIGH_BITS.fullmatch(high):
            return high
    return NO_HIGH_BITS


def _tags(span: RawSpan, common: Mapping[str, str]) -> dict[str, str | float]:
    tags: dict[str, str | float] = dict(common)
    for key, value in span.meta.items():
        if (kept := redact.tag(key, value)) is not None:
            tags[key] = kept
        elif key in ERROR_TAGS:
            tags["error.message"] = _error(value, span.meta.get("error.type", ""))
    for key, figure in span.metrics.items():
        if (number := redact.number(key, figure)) is not None:
            tags[key] = number
    return tags


def _error(message: str, kind: str) -> str:
    """Return the redacted first line, PostgreSQL's message; DETAIL and CONTEXT below it quote rows."""
    sqlstate = _sqlstate(kind)
    first, _, rest = message.partition("\n")
    return redact.error_message(first, sqlstate, rest)


def _sqlstate(kind: str) -> str | None:
    """Return the SQLSTATE of an exception of psycopg2 or psycopg."""
    module, _, name = kind.rpartition(".")
    return redact.sqlstates().get(name) if module in SQL_ERRORS else None
