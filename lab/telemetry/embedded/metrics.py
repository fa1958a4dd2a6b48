"""Series as Datadog's postgres check submits them: names, check types and tags, every 15 s.

The intake keeps these names (tests/integration/test_embedded_metrics.py compares them); docs/intake.md lists
the differences to the Agent. A rate or count begins with its second value.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType
from typing import TypeAlias

from lab.clients.database import Row
from lab.telemetry.embedded.events import Event

INTERVAL_S = 15


class Type(IntEnum):
    """The type of the series API for a check type: a `rate` is sent as a gauge per second."""

    COUNT = 1
    GAUGE = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """A query of metrics.sql: columns of tags, then of metrics: rates, counts, gauges."""

    tags: tuple[str, ...]
    rates: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()
    gauges: tuple[str, ...] = ()


QUERIES = MappingProxyType(
    {
        "metrics_databases": Query(
            tags=("db",),
            rates=(
                "commits", "rollbacks", "rows_inserted", "rows_updated", "rows_deleted", "rows_fetched",
                "rows_returned", "temp_bytes", "temp_files", "buffer_hit", "disk_read", "deadlocks",
            ),
            counts=(
                "blk_read_time", "blk_write_time", "deadlocks.count", "checksums.checksum_failures",
                "sessions.session_time", "sessions.active_time", "sessions.idle_in_transaction_time",
                "sessions.count", "sessions.abandoned", "sessions.fatal", "sessions.killed",
                "conflicts.tablespace", "conflicts.lock", "conflicts.snapshot", "conflicts.bufferpin",
                "conflicts.deadlock",
            ),
            gauges=("database_size", "before_xid_wraparound"),
        ),
        "metrics_tables": Query(
            tags=("db", "schema", "table"),
            rates=(
                "rows_inserted", "rows_updated", "rows_deleted", "rows_hot_updated", "seq_scans",
                "seq_rows_read", "index_rel_scans", "index_rel_rows_fetched", "heap_blocks_hit",
                "heap_blocks_read", "index_blocks_hit", "index_blocks_read",
            ),
            counts=("vacuumed", "autovacuumed", "analyzed", "autoanalyzed"),
            gauges=(
                "live_rows", "dead_rows", "last_vacuum_age", "last_autovacuum_age",
                "last_analyze_age", "last_autoanalyze_age",
            ),
        ),
        "metrics_table_sizes": Query(
            tags=("db", "schema", "table"),
            gauges=(
                "relation_size", "table_size", "index_size", "total_size", "relation.pages",
                "relation.tuples", "relation.all_visible",
            ),
        ),
        "metrics_table_counts": Query(tags=("db", "schema"), gauges=("table.count",)),
        "metrics_bloat": Query(tags=("db", "schema", "table"), gauges=("table_bloat",)),
        "metrics_buffercache": Query(
            tags=("db", "schema", "relation"),
            gauges=(
                "buffercache.used_buffers", "buffercache.usage_count", "buffercache.dirty_buffers",
                "buffercache.pinning_backends", "buffercache.unused_buffers",
            ),
        ),
        "metrics_server": Query(
            tags=(),
            counts=(
                "bgwriter.checkpoints_requested", "bgwriter.checkpoints_timed",
                "bgwriter.write_time", "bgwriter.sync_time", "bgwriter.buffers_checkpoint",
                "bgwriter.buffers_clean", "bgwriter.maxwritten_clean", "bgwriter.buffers_backend",
                "bgwriter.buffers_backend_fsync", "bgwriter.buffers_alloc", "wal.bytes", "wal.records",
                "wal.full_page_images", "wal.buffers_full", "wal.write", "wal.sync", "wal.write_time",
                "wal.sync_time", "archiver.archived_count", "archiver.failed_count",
            ),
            gauges=(
                "percent_usage_connections", "max_connections", "uptime", "db.count", "running",
            ),
        ),
        "metrics_wal_files": Query(tags=(), gauges=("wal_count", "wal_size", "wal_age")),
        "metrics_activity": Query(
            tags=("db", "user", "app"),
            gauges=(
                "active_queries", "waiting_queries", "active_waiting_queries", "transactions.open",
                "transactions.idle_in_transaction", "activity.xact_start_age",
                "activity.backend_xid_age", "activity.backend_xmin_age",
            ),
        ),
        "metrics_waits": Query(
            tags=("db", "user", "app", "backend_type", "wait_event"), gauges=("activity.wait_event",)
        ),
        "metrics_functions": Query(
            tags=("db", "schema", "function"),
            rates=("function.calls", "function.total_time", "function.self_time"),
        ),
        "metrics_locks": Query(
            tags=("db", "schema", "table", "lock_mode", "lock_type", "granted", "fastpath"),
            gauges=("locks",),
        ),
    }
)  # fmt: skip
Key: TypeAlias = tuple[str, tuple[str, ...]]


@dataclass(kw_only=True)
class Sampler:
    """Converts rows to series; keeps the last value of each counter, as the Agent's sampler does."""

    host: str
    # Of all series.
    tags: Sequence[str] = ()
    namespace: str = "postgresql"
    interval_s: int = INTERVAL_S
    _before: dict[Key, tuple[float, float]] = field(default_factory=dict)
    _now: dict[Key, tuple[float, float]] = field(default_factory=dict)

    def begin(self) -> None:
        """Begin a run of the check: counters that were missing in the last run have no last value."""
        self._before, self._now = self._now, {}

    def series(self, query: Query, rows: Iterable[Row], *, at_s: float) -> Iterator[Event]:
        """Yield the series of a query's rows; a NULL has no series.

        Args:
            query: names and tags of the columns.
            rows: the result of the query.
            at_s: seconds since 1970.
        """
        width = len(query.tags)
        for row in rows:
            pairs = zip(query.tags, row[:width], strict=True)
            # A session without a user or database has no such tag; an application's is empty then.
            tags = tuple(f"{k}:{v or ''}" for k, v in pairs if v is not None or k == "app")
            for name, value in zip(
                (*query.rates, *query.counts, *query.gauges), row[width:], strict=True
            ):
                if value is None:
                    continue
                kind, found = Type.GAUGE, float(value)
                if name not in query.gauges:
                    grown = self._grown((name, tags), at_s, found)
                    if grown is None:
                        continue
                    added, seconds = grown
                    kind = Type.COUNT if name in query.counts else Type.GAUGE
                    found = added if kind is Type.COUNT else added / seconds
                yield self._one(name, tags, kind, at_s=at_s, value=found)

    def _grown(self, key: Key, at_s: float, value: float) -> tuple[float, float] | None:
        """Return a counter's delta and its seconds; None for the first value and after a reset."""
        self._now[key] = (at_s, value)
        before_s, before = self._before.get(key, (at_s, value))
        return (value - before, at_s - before_s) if at_s > before_s and value >= before else None

    def _one(
        self, name: str, tags: Sequence[str], kind: Type, *, at_s: float, value: float
    ) -> Event:
        return {
            "metric": f"{self.namespace}.{name}",
            "type": kind.value,
            "points": [{"timestamp": int(at_s), "value": value}],
            "interval": self.interval_s,
            "tags": [*tags, *self.tags],
            "resources": [{"type": "host", "name": self.host}],
        }
