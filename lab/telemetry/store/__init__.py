"""The telemetry store: a SQLite file with spans, DBM events and log records, limited by age and by bytes.

One thread writes, in batches; each reader opens the file itself and is never blocked (WAL). Writer and reader
use the records of lab/telemetry/store/records.py.
"""

from typing import TYPE_CHECKING

from lab.foundation.facade import exports

if TYPE_CHECKING:
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
        Span,
        Statement,
        TraceStats,
        TruthReading,
    )
    from lab.telemetry.store.retention import Bounds
    from lab.telemetry.store.senders import DATADOG_SOURCES, SENT_TO_DATADOG, Source
    from lab.telemetry.store.writer import Writer
else:
    __getattr__ = exports(__name__, "errors", "senders", "records", "retention", "reader", "writer")

__all__ = [
    "DATADOG_SOURCES",
    "SENT_TO_DATADOG",
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
    "TruthReading",
    "Writer",
]
