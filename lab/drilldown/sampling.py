"""Trace sampling of an Agent: its statistics count all traces, its payloads contain those that it kept.

A tracer that sends to the console directly keeps all traces, and sends no statistics.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from lab.foundation.timestamps import nanoseconds
from lab.telemetry.store import Reader

WINDOW = timedelta(minutes=10)
# Statistics of the last buckets, and spans of the last seconds, may not have arrived yet.
SETTLED = timedelta(seconds=30)
# Too few traces have no meaningful share.
LEAST_TRACES = 50
# Tolerance for traces at the boundary of a bucket.
ALL_KEPT = 0.95
# Operations of root spans, with the number of their traces in the store.
KEPT = """
SELECT service, name, count(*) FROM spans
WHERE parent_id IS NULL AND start_ns >= ? AND start_ns < ? GROUP BY 1, 2
"""
COUNTED = """
SELECT service, name, sum(hits) FROM trace_stats WHERE at_ns >= ? AND at_ns < ? GROUP BY 1, 2
"""
# A smaller share would be rounded to 0 %.
LEAST_SHOWN = 0.005


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampling:
    """The number of traces by the Agent's statistics, and the number of traces that it kept."""

    traces: int
    kept: int

    @property
    def share(self) -> float:
        """The share of traces that the Agent keeps, 0 to 1."""
        return self.kept / self.traces

    def __str__(self) -> str:
        kept = "<1" if 0 < self.share < LEAST_SHOWN else f"{100 * self.share:.0f}"
        return (
            f"sampled by the Agent: it kept {kept} % of {self.traces:,} traces of the"
            " last ten minutes. Raise DD_APM_TARGET_TPS to keep more"
        )


def sampled_away(reader: Reader, *, at: datetime) -> Sampling | None:
    """Return the Agent's sampling, if it does not keep all traces; None: it keeps all, or it is not known.

    Raises:
        StoreError: when the store cannot be read.
    """
    window = [nanoseconds(at - WINDOW), nanoseconds(at - SETTLED)]
    kept = {(service, name): count for service, name, count in reader.rows(KEPT, window)}
    counted = {(s, n): hits for s, n, hits in reader.rows(COUNTED, window) if (s, n) in kept}
    found = Sampling(traces=sum(counted.values()), kept=sum(kept[key] for key in counted))
    return found if found.traces >= LEAST_TRACES and found.share < ALL_KEPT else None
