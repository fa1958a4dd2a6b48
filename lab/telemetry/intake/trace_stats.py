"""Statistics that an Agent computes over all spans, before it samples: hits, errors and time by operation."""

from collections.abc import Iterator

import msgspec

from lab.telemetry import redact
from lab.telemetry.intake.errors import collected, malformed
from lab.telemetry.store import Record, TraceStats


class _Grouped(msgspec.Struct, rename="pascal"):
    service: str = ""
    name: str = ""
    hits: int = 0
    errors: int = 0
    duration: int = 0


class _Bucket(msgspec.Struct, rename="pascal"):
    start: int
    duration: int
    stats: list[_Grouped] = []


class _Client(msgspec.Struct, rename="pascal"):
    stats: list[_Bucket] = []


class _Payload(msgspec.Struct, rename="pascal"):
    stats: list[_Client] = []


_decoder = msgspec.msgpack.Decoder(_Payload)


def trace_stats(body: bytes) -> list[Record]:
    """Read a StatsPayload: MessagePack with Go's names of the fields, nanoseconds.

    Raises:
        RejectedError: when it is none.
    """
    try:
        payload = _decoder.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise malformed(f"no trace statistics: {error}") from error
    return collected(_records(payload))


def _records(payload: _Payload) -> Iterator[Record]:
    """Yield one record for each service and operation of a bucket; resources are summed."""
    for client in payload.stats:
        for bucket in client.stats:
            sums: dict[tuple[str, str], list[int]] = {}
            for one in bucket.stats:
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
