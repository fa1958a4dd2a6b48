"""The Agent's metrics and service checks that the intake stores; all others are only counted.

Each name is used by a question of `compare`, a monitor or the dashboard in datadog/
(tests/unit/test_metric_names.py compares this list with them). `postgresql.queries.*` is missing here:
Datadog's backend computes it from dbmmetrics, which the store keeps as `query_metrics`.
"""

from enum import StrEnum
from types import MappingProxyType


class CheckType(StrEnum):
    """How the postgres check submits a metric, which decides the meaning of a point.

    The Agent sends a `rate` with the type gauge of the series API: its points are per second.
    """

    GAUGE = "gauge"
    RATE = "rate"
    MONOTONIC_COUNT = "monotonic_count"


# Computed from `postgres_connections` in dbmactivity, as Datadog's backend does.
CONNECTIONS = "postgresql.connections"
GAUGES = """active_queries activity.wait_event activity.xact_start_age before_xid_wraparound
    buffercache.used_buffers connections database_size dead_rows live_rows locks
    percent_usage_connections table_bloat total_size transactions.idle_in_transaction uptime"""
RATES = """commits function.calls heap_blocks_hit heap_blocks_read rollbacks rows_deleted rows_inserted
    rows_updated seq_rows_read temp_bytes"""
MONOTONIC_COUNTS = """autovacuumed bgwriter.checkpoints_requested bgwriter.checkpoints_timed
    blk_read_time blk_write_time deadlocks.count wal.bytes"""
# Of the services, by the Agent's openmetrics check: a counter and the parts of a histogram.
OF_SERVICES = "arrivals_dropped.count start_delay_seconds.count start_delay_seconds.sum"
KEPT_METRICS = MappingProxyType(
    {f"credit.{name}": CheckType.MONOTONIC_COUNT for name in OF_SERVICES.split()}
    | {
        f"postgresql.{name}": check_type
        for check_type, names in (
            (CheckType.GAUGE, GAUGES),
            (CheckType.RATE, RATES),
            (CheckType.MONOTONIC_COUNT, MONOTONIC_COUNTS),
        )
        for name in names.split()
    }
)
KEPT_SERVICE_CHECKS = frozenset({"postgres.can_connect"})
