"""The service map: which service calls which service or database, from the spans of a window."""

from dataclasses import dataclass
from datetime import datetime

from lab.foundation.timestamps import ms, nanoseconds
from lab.telemetry.store import Reader

DATABASE = "PostgreSQL"
EDGES = f"""
SELECT p.service, CASE WHEN c.kind = 'sql' THEN '{DATABASE}' ELSE c.service END AS callee, count(*),
       sum(c.error), sum(c.duration_ns), max(c.duration_ns)
FROM spans c JOIN spans p ON p.trace_id = c.trace_id AND p.span_id = c.parent_id
WHERE c.start_ns >= :since AND c.start_ns < :until AND (c.kind = 'sql' OR c.service <> p.service)
GROUP BY 1, 2 ORDER BY 5 DESC LIMIT 60
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Edge:
    """The calls of one service to another or to the database in a window.

    Attributes:
        calls: the number of spans; of those that the Agent kept.
        total_ms: the sum of their durations, as the caller measured them.
    """

    caller: str
    callee: str
    calls: int
    errors: int
    total_ms: float
    slowest_ms: float

    @property
    def mean_ms(self) -> float:
        """The mean duration of a call."""
        return self.total_ms / self.calls


def service_map(reader: Reader, *, since: datetime, until: datetime) -> tuple[Edge, ...]:
    """Return the edges of the map, those with the most time first.

    Raises:
        StoreError: when the store cannot be read.
    """
    window = {"since": nanoseconds(since), "until": nanoseconds(until)}
    return tuple(
        Edge(
            caller=caller, callee=callee, calls=calls, errors=errors, total_ms=ms(total),
            slowest_ms=ms(slowest),
        )
        for caller, callee, calls, errors, total, slowest in reader.rows(EDGES, window)
    )  # fmt: skip
