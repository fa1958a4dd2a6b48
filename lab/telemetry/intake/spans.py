"""Converts a tracer's spans to records: ids as hexadecimal text, tags and resources redacted.

A trace id has 128 bits: a payload has the low 64 bits in each span, and the high 64 bits as hexadecimal text
in the tag `_dd.p.tid` of one span of the chunk.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TypeVar

import msgspec

from lab.telemetry import redact
from lab.telemetry.intake.errors import malformed, too_many
from lab.telemetry.intake.limits import MAX_RECORDS
from lab.telemetry.store import Span

HIGH_BITS = re.compile(r"[0-9a-f]{16}")
NO_HIGH_BITS = "0" * 16
HIGH_BITS_TAG = "_dd.p.tid"
ERROR_TAGS = ("error.message", "error.msg")
SQL_ERRORS = ("psycopg2.errors", "psycopg.errors")
# Entries of a cache of one payload.
MAX_REMEMBERED = 5_000
T = TypeVar("T")
K = TypeVar("K")
ID_LIMIT = 1 << 64
TIME_LIMIT = 1 << 62


class RawSpan(msgspec.Struct, frozen=True, kw_only=True, gc=False):
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


class _Labels(dict[str, str | None]):
    """Redacted names of services, spans and kinds, by name."""

    def __missing__(self, name: str) -> str | None:
        return _remember(self, name, redact.label(name))


class _Tags(dict[tuple[str, str], str | None]):
    """Redacted values of tags, by key and value; None for one that must not be stored."""

    def __missing__(self, pair: tuple[str, str]) -> str | None:
        kept = redact.tag(*pair)
        # What is not stored may be long, and different in each span.
        return kept if kept is None else _remember(self, pair, kept)


def _remember(cache: dict[K, str | None], key: K, kept: str | None) -> str | None:
    if len(cache) >= MAX_REMEMBERED:
        cache.clear()
    cache[key] = kept
    return kept


class Redacted:
    """What was redacted of one payload: its spans repeat names and tags."""

    def __init__(self) -> None:
        self.labels = _Labels()
        self.tags = _Tags()


def chunk(
    encoded: Sequence[T],
    read: Callable[[T], RawSpan],
    common: Mapping[str, str],
    redacted: Redacted,
) -> Iterator[Span]:
    """Yield the spans of one chunk, which all belong to one trace.

    Args:
        encoded: the spans of one chunk.
        read: decodes one of them; called twice only for spans before the one with the trace id's high half.
        common: tags of the payload, which apply to all of its spans.
        redacted: of the payload.

    Raises:
        RejectedError: when an id or a time is out of range.
    """
    if len(encoded) > MAX_RECORDS:
        raise too_many()
    labels = redacted.labels
    first = [read(one) for one in encoded[:1]]
    high = _high_bits(chain(first, map(read, encoded[1:])))
    for span in chain(first, map(read, encoded[1:])):
        if not (0 < span.trace_id < ID_LIMIT and 0 < span.span_id < ID_LIMIT):
            raise malformed("a span's ids must be 64-bit numbers above 0")
        if not (0 < span.start < TIME_LIMIT and span.duration < TIME_LIMIT):
            raise malformed("a span's times must be nanoseconds since 1970")
        yield Span(
            trace_id=f"{high}{span.trace_id:016x}",
            span_id=f"{span.span_id:016x}",
            parent_id=f"{span.parent_id & (ID_LIMIT - 1):016x}" if span.parent_id else None,
            service=labels[span.service] or "?",
            name=labels[span.name] or "?",
            resource=redact.resource(span.resource, span.kind, span.meta),
            kind=labels[span.kind] or "",
            start_ns=span.start,
            # A clock that was set back causes negative durations.
            duration_ns=max(span.duration, 0),
            error=span.error != 0,
            tags=_tags(span, common, redacted.tags),
        )


def _high_bits(spans: Iterable[RawSpan]) -> str:
    for span in spans:
        high = span.meta.get(HIGH_BITS_TAG, "")
        if HIGH_BITS.fullmatch(high):
            return high
    return NO_HIGH_BITS


def _tags(span: RawSpan, common: Mapping[str, str], redacted: _Tags) -> dict[str, str | float]:
    tags: dict[str, str | float] = dict(common)
    for pair in span.meta.items():
        if (kept := redacted[pair]) is not None:
            tags[pair[0]] = kept
        elif pair[0] in ERROR_TAGS:
            tags["error.message"] = _error(pair[1], span.meta.get("error.type", ""))
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
