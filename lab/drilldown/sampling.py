"""Whether an Agent samples traces away: its statistics count every trace, its payloads hold those it kept.

A tracer that sends to the console itself samples nothing, and sends no statistics.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from lab.foundation.timestamps import nanoseconds
from lab.telemetry.store import Reader

WINDOW = timedelta(minutes=10)
# Statistics of the last buckets, and spans of the last seconds, are still on their way.
SETTLED = timedelta(seconds=30)
# Fewer traces show no share.
LEAST_TRACES = 50
# What a boundary of a bucket can make of it.
ALL_KEPT = 0.95
# Operations that begin traces, with how many such traces the store holds.
KEPT = """
SELECT service, name, count(*) FROM spans
WHERE parent_id IS NULL AND start_ns >= ? AND start_ns < ? GROUP BY 1, 2
"""
COUNTED = """
SELECT service, name, sum(hits) FROM trace_stats WHERE at_ns >= ? AND at_ns < ? GROUP BY 1, 2
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampling:
    """How many traces there were by the Agent's statistics, and how many of them it kept."""

    traces: int
    kept: int

    @property
    def share(self) -> float:
        """The share of traces that the Agent keeps, 0 to 1."""
        return self.kept / self.traces

    def __str__(self) -> str:
        return (
            f"sampled by the Agent: it kept {self.share:.0%} of {self.traces:,} traces of the last ten"
            " minutes. Raise DD_APM_TARGET_TPS to keep more"
        )


def sampled_away(reader: Reader, *, at: datetime) -> Sampling | None:
    """Return what the Agent keeps, when it keeps less than all; None: all of them, or it is not known.

    Raises:
        StoreError: when the store cannot be read.
    """
    window = [nanoseconds(at - WINDOW), nanoseconds(at - SETTLED)]
    kept = {(service, name): count for service, name, count in reader.rows(KEPT, window)}
    counted = {(s, n): hits for s, n, hits in reader.rows(COUNTED, window) if (s, n) in kept}
    found = Sampling(traces=sum(counted.values()), kept=sum(kept[key] for key in counted))
    return found if found.traces >= LEAST_TRACES and found.share < ALL_KEPT else None
