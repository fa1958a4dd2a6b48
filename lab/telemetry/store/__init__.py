"""The lab's own memory of what both observers were sent: a SQLite file, bounded by age and by bytes.

One thread writes, in batches; readers open the file for themselves and are never blocked (WAL). What goes
in and what comes out are the records of lab/telemetry/store/records.py.
"""

from lab.telemetry.store.errors import OutOfRangeError, StoreError, StoreTimeoutError
from lab.telemetry.store.reader import Reader
from lab.telemetry.store.records import (
    ActivityRound,
    ActivitySample,
    Event,
    Execution,
    LogPosition,
    MetricPoint,
    MetricSeries,
    MetricType,
    Participant,
    Plan,
    QueryMetrics,
    Record,
    ServiceCheck,
    Snapshot,
    Source,
    Span,
    Statement,
    TraceStats,
)
from lab.telemetry.store.retention import Bounds
from lab.telemetry.store.writer import Writer

__all__ = [
    "ActivityRound",
    "ActivitySample",
    "Bounds",
    "Event",
    "Execution",
    "LogPosition",
    "MetricPoint",
    "MetricSeries",
    "MetricType",
    "OutOfRangeError",
    "Participant",
    "Plan",
    "QueryMetrics",
    "Reader",
    "Record",
    "ServiceCheck",
    "Snapshot",
    "Source",
    "Span",
    "Statement",
    "StoreError",
    "StoreTimeoutError",
    "TraceStats",
    "Writer",
]
