"""Decodes trace statistics, which an Agent computes before sampling: hits, errors and time by operation."""

from collections.abc import Iterator
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from lab.telemetry import redact
from lab.telemetry.intake.errors import collected, decoding, too_many
from lab.telemetry.intake.limits import MAX_ROWS
from lab.telemetry.store import Record, TraceStats


class _Grouped(msgspec.Struct, rename="pascal"):
    service: str = ""
    name: str = ""
    hits: int = 0
    errors: int = 0
    duration: int = 0


# Decoded one by one: an empty map of one byte uses a hundred bytes of memory.
_List: TypeAlias = Annotated[list[msgspec.Raw], Meta(max_length=MAX_ROWS)]


class _Bucket(msgspec.Struct, rename="pascal"):
    start: int
    duration: int
    stats: _List = []


class _Stats(msgspec.Struct, rename="pascal"):
    """A payload has clients, a client has buckets."""

    stats: _List = []


_stats = msgspec.msgpack.Decoder(_Stats)
_bucket = msgspec.msgpack.Decoder(_Bucket)
_grouped = msgspec.msgpack.Decoder(_Grouped)


def trace_stats(body: bytes) -> list[Record]:
    """Decode a StatsPayload: MessagePack with Go's field names; times in nanoseconds.

    Raises:
        RejectedError: when it cannot be decoded.
    """
    with decoding("trace statistics"):
        return collected(_records(body))


def _records(body: bytes) -> Iterator[Record]:
    """Yield one record for each service and operation of a bucket; resources are summed."""
    groups = 0
    for client in _stats.decode(body).stats:
        for bucket in map(_bucket.decode, _stats.decode(client).stats):
            # Groups without a name count, too, though they yield no record.
            groups += 1 + len(bucket.stats)
            if groups > MAX_ROWS:
                raise too_many()
            sums: dict[tuple[str, str], list[int]] = {}
            for one in map(_grouped.decode, bucket.stats):
                found = sums.setdefault((one.service, one.name), [0, 0, 0])
                for index, value in enumerate((one.hits, one.errors, one.duration)):
                    found[index] += value
            for (service, name), (hits, errors, duration_ns) in sums.items():
                yield TraceStats(
                    at_ns=bucket.start,
                    interval_ns=bucket.duration,
                    service=redact.label(service) or "?",
                    name=redact.label(name) or "?",
                    hits=hits,
                    errors=errors,
                    duration_ns=duration_ns,
                )
