"""Decodes ddtrace's traces in MessagePack: v0.5 (strings in a table) and v0.4 (maps).

The types are declared, so a body of another type fails before it is built in memory; spans are decoded one by
one, since a span of 300 bytes may have tags that use 10,000 bytes of memory.
"""

from itertools import chain
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from lab.telemetry.intake.errors import collected, decoding, malformed
from lab.telemetry.intake.limits import MAX_CHUNKS, MAX_SPANS, MAX_STRINGS, MAX_TAGS
from lab.telemetry.intake.spans import RawSpan, Redacted, chunk
from lab.telemetry.store import Record

Float: TypeAlias = float
Tags = Meta(max_length=MAX_TAGS)
# Of the table of strings; a negative one would count from its end.
Index: TypeAlias = Annotated[int, Meta(ge=0)]
RowV05: TypeAlias = tuple[
    Index, Index, Index, int, int, int, int, int, int,
    Annotated[dict[Index, Index], Tags], Annotated[dict[Index, Float], Tags], Index,
]  # fmt: skip
Chunk: TypeAlias = Annotated[list[msgspec.Raw], Meta(min_length=1, max_length=MAX_SPANS)]
# Decoded chunk by chunk, so that a payload of too many spans is refused before all of it is built.
Chunks: TypeAlias = Annotated[list[msgspec.Raw], Meta(max_length=MAX_CHUNKS)]
PayloadV05: TypeAlias = tuple[Annotated[list[str], Meta(max_length=MAX_STRINGS)], Chunks]


class SpanV04(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A span of v0.4; unknown fields are ignored."""

    trace_id: int
    span_id: int
    start: int
    duration: int
    parent_id: int | None = 0
    service: str | None = ""
    name: str | None = ""
    resource: str | None = ""
    error: int | None = 0
    type: str | None = ""
    meta: Annotated[dict[str, str], Tags] | None = None
    metrics: Annotated[dict[str, Float], Tags] | None = None


_v05 = msgspec.msgpack.Decoder(PayloadV05)
_v04 = msgspec.msgpack.Decoder(Chunks)
_chunk = msgspec.msgpack.Decoder(Chunk)
_span_v05 = msgspec.msgpack.Decoder(RowV05)
_span_v04 = msgspec.msgpack.Decoder(SpanV04)


def v05(body: bytes) -> list[Record]:
    """Decode a v0.5 payload.

    Raises:
        RejectedError: when it cannot be decoded.
    """
    try:
        with decoding("v0.5 traces"):
            strings, chunks = _v05.decode(body)
            redacted = Redacted()

            def read(row: msgspec.Raw) -> RawSpan:
                return _of_row(_span_v05.decode(row), strings)

            parts = map(_chunk.decode, chunks)
            return collected(chain.from_iterable(chunk(part, read, {}, redacted) for part in parts))
    except IndexError as error:
        raise malformed("a span refers to a string that is not in the table") from error


def v04(body: bytes) -> list[Record]:
    """Decode a v0.4 payload.

    Raises:
        RejectedError: when it cannot be decoded.
    """
    with decoding("v0.4 traces"):
        parts = map(_chunk.decode, _v04.decode(body))
        redacted = Redacted()
        return collected(chain.from_iterable(chunk(part, _of_map, {}, redacted) for part in parts))


def _of_row(row: RowV05, strings: list[str]) -> RawSpan:
    (
        service,
        name,
        resource,
        trace_id,
        span_id,
        parent_id,
        start,
        duration,
        error,
        meta,
        metrics,
        kind,
    ) = row
    return RawSpan(
        service=strings[service],
        name=strings[name],
        resource=strings[resource],
        trace_id=trace_id,
        span_id=span_id,
        parent_id=parent_id,
        start=start,
        duration=duration,
        error=error,
        meta={strings[k]: strings[v] for k, v in meta.items()},
        metrics={strings[k]: v for k, v in metrics.items()},
        kind=strings[kind],
    )


def _of_map(encoded: msgspec.Raw) -> RawSpan:
    span = _span_v04.decode(encoded)
    return RawSpan(
        service=span.service or "",
        name=span.name or "",
        resource=span.resource or "",
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_id=span.parent_id or 0,
        start=span.start,
        duration=span.duration,
        error=span.error or 0,
        meta=span.meta or {},
        metrics=span.metrics or {},
        kind=span.type or "",
    )
