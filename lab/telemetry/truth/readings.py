"""The form of a reading of ground truth: names with values in a fixed order of columns, compressed JSON.

A new column goes to the end: rows with another number of values, of an older version, are ignored.

`counters` are read each second, `buckets` of the services' clocks every ten seconds.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

import msgspec

from lab.telemetry.store import TruthReading

COLUMNS: Mapping[str, tuple[str, ...]] = MappingProxyType({
    # pg_stat_database of the lab's database.
    "database": (
        "commits", "rollbacks", "deadlocks", "temp_bytes", "temp_files", "hits", "reads", "active_ms",
        "read_ms", "write_ms",
    ),
    "server": ("checkpoints_timed", "checkpoints_requested", "wal_bytes", "uptime_s"),
    "sessions": (
        "clients", "active", "idle_in_transaction", "waiting", "oldest_transaction_s", "idle_s",
        "application",
    ),
    # By name of the table.
    "table": (
        "inserted", "updated", "deleted", "live", "dead", "hits", "reads", "rows_scanned",
        "autovacuums", "modified",
    ),
    # By queryid, of the role credit_app.
    "statement": ("calls", "ms", "rows", "hits", "reads", "temp_written"),
    # By role: all its statements.
    "role": ("calls", "ms", "blocks"),
    # Of the database (under "") with transactions left before wraparound, and of tables; every ten seconds.
    "size": ("bytes", "xids_left"),
    # By "service/kind/name": the services' own clocks.
    "clock": ("count", "seconds"),
})  # fmt: skip
Values: TypeAlias = dict[str, dict[str, tuple[float, ...]]]
Buckets: TypeAlias = dict[str, dict[int, int]]
MAX_BYTES = 4_000_000
_values = msgspec.json.Decoder(Values)
_buckets = msgspec.json.Decoder(Buckets)


class Kind(StrEnum):
    """What a reading contains."""

    COUNTERS = "counters"
    BUCKETS = "buckets"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """Values read between `begin_ns` and `end_ns`, by kind and name."""

    begin_ns: int
    end_ns: int
    values: Values

    def value(self, kind: str, name: str, column: str) -> float | None:
        """Return one value; None when the reading does not have it."""
        found = self.values.get(kind, {}).get(name)
        return None if found is None else found[COLUMNS[kind].index(column)]


def encoded(kind: Kind, document: object, *, at_ns: int, took_ns: int) -> TruthReading:
    """Return a reading as a record of the store."""
    payload = zlib.compress(msgspec.json.encode(document), 1)
    return TruthReading(at_ns=at_ns, kind=kind.value, took_ns=took_ns, payload=payload)


def decoded(record: TruthReading) -> Reading:
    """Return a record of kind `counters` as a reading."""
    return Reading(
        begin_ns=record.at_ns,
        end_ns=record.at_ns + record.took_ns,
        values=_values.decode(_plain(record.payload)),
    )


def decoded_buckets(record: TruthReading) -> Buckets:
    """Return the counts of each clock's buckets."""
    return _buckets.decode(_plain(record.payload))


def _plain(payload: bytes) -> bytes:
    return zlib.decompressobj().decompress(payload, MAX_BYTES)
