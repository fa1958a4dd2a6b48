"""Exemplars: the link from a bucket of a histogram to the trace of one observation in it."""

from typing import NamedTuple


class SpanIds(NamedTuple):
    """Trace id and span id of an operation's root span."""

    trace_id: int
    span_id: int

    def labels(self) -> dict[str, str]:
        """Return the ids as the labels of an exemplar: 32 and 16 hex digits."""
        return {"trace_id": f"{self.trace_id:032x}", "span_id": f"{self.span_id:016x}"}


class Exemplar(NamedTuple):
    """The newest observation of a bucket of SECONDS that has a span; `at` is in seconds since the epoch."""

    ids: SpanIds
    seconds: float
    at: float
