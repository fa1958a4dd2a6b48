"""What the store had received at a moment: data of before that are sent after it are not counted.

A comparison takes some seconds; data that arrive meanwhile would make the Datadog side look fresher.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lab.telemetry.store import (
    ActivityRound,
    ActivitySample,
    MetricPoint,
    Plan,
    QueryMetrics,
    Reader,
    Record,
    Span,
    StoreError,
    TraceStats,
)
from lab.telemetry.store.tables import TABLES

RECORDS = (ActivityRound, ActivitySample, MetricPoint, Plan, QueryMetrics, Span, TraceStats)
EVERYTHING = 2**62


@dataclass(frozen=True)
class Arrived:
    """The newest row of each table; without one, every row counts."""

    newest: Mapping[type[Record], int] = field(default_factory=dict)

    @classmethod
    def at_this_moment(cls, reader: Reader) -> "Arrived":
        """Return the newest rows now; every row counts when the store cannot be read."""
        columns = ", ".join(
            f"(SELECT coalesce(max(id), 0) FROM {TABLES[record].name})" for record in RECORDS
        )
        try:
            [found] = reader.rows(f"SELECT {columns}")
        except StoreError:
            return cls()
        return cls(dict(zip(RECORDS, found, strict=True)))

    def last(self, record: type[Record]) -> int:
        """Return the id of a table's newest row."""
        return self.newest.get(record, EVERYTHING)
