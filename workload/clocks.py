"""Durations as a service's own clock measured them: count, sum, and two histograms.

The lab reads the fine one each second as ground truth, without scrapes. Prometheus' histogram has fifteen
buckets, the fine one has a bucket for every two per cent, so that a percentile is exact to one.
"""

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from time import time
from typing import Any

from workload.exemplars import Exemplar, SpanIds
from workload.recordings import BATCH, Recordings

# From a point read on a warm cache to a statement timeout; finer between 5 ms and 250 ms.
SECONDS = (
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
)
RATIO = 1.02
LOWEST_S = 1e-6
HIGHEST_S = 1e6
_LOG = math.log(RATIO)
_LOWEST = math.ceil(math.log(LOWEST_S) / _LOG)
_BOUNDS = tuple(RATIO**n for n in range(_LOWEST, math.ceil(math.log(HIGHEST_S) / _LOG)))
_index_of = partial(bisect_left, _BOUNDS)


def bucket_of(seconds: float) -> int:
    """Return the number of the fine bucket that contains a duration."""
    return _LOWEST + _index_of(seconds)


def middle_s(bucket: int) -> float:
    """Return the duration in the middle of a fine bucket, in seconds.

    >>> 0.99 < middle_s(bucket_of(0.25)) / 0.25 < 1.01
    True
    """
    return math.exp((bucket - 0.5) * _LOG)


@dataclass(frozen=True, kw_only=True, slots=True)
class Histogram:
    """A clock's reading for Prometheus: cumulative counts of SECONDS, and exemplars by index into it."""

    count: int
    seconds: float
    cumulative: tuple[int, ...]
    exemplars: Mapping[int, Exemplar]


class Clock(Recordings):
    """The durations of one kind and name; any thread may observe."""

    __slots__ = ("_count", "_cumulative", "_exemplars", "_fine", "_seconds")

    def __init__(self) -> None:
        super().__init__()
        self._count = 0
        self._seconds = 0.0
        self._cumulative = [0] * len(SECONDS)
        self._fine: Counter[int] = Counter()
        self._exemplars: dict[int, Exemplar] = {}

    def observe(self, seconds: float, ids: SpanIds | None = None) -> None:
        """Add one duration, in seconds; the ids of its span become the exemplar of its bucket."""
        pending = self._pending
        pending.append(seconds)
        if ids is not None:
            self._exemplars[bisect_left(SECONDS, seconds)] = Exemplar(ids, seconds, time())
        if len(pending) >= BATCH:
            self._settle()

    def reading(self, *, buckets: bool) -> tuple[int, float, dict[int, int]]:
        """Return count and sum, and the counts of the fine buckets when asked for."""
        self._settle()
        with self._lock:
            fine = {_LOWEST + index: n for index, n in self._fine.items()} if buckets else {}
            return self._count, self._seconds, fine

    def histogram(self) -> Histogram:
        """Return the histogram of SECONDS."""
        self._settle()
        with self._lock:
            return Histogram(
                count=self._count,
                seconds=self._seconds,
                cumulative=tuple(self._cumulative),
                exemplars=self._exemplars.copy(),
            )

    def _add(self, batch: Sequence[float]) -> None:
        ordered = sorted(batch)
        self._count += len(ordered)
        self._seconds += sum(ordered)
        self._fine.update(map(_index_of, ordered))
        for index, bound in enumerate(SECONDS):
            self._cumulative[index] += bisect_right(ordered, bound)


class Clocks:
    """All clocks of a process, by service, kind (operation, error, statement, pool, start) and name."""

    def __init__(self) -> None:
        self._clocks: dict[tuple[str, str, str], Clock] = {}
        self.of = cache(self._of)

    def _of(self, service: str, kind: str, name: str) -> Clock:
        return self._clocks.setdefault((service, kind, name), Clock())

    def document(self, *, buckets: bool) -> Mapping[str, Any]:
        """Return each clock's reading under `service/kind/name`."""
        return {
            "/".join(key): clock.reading(buckets=buckets)
            for key, clock in sorted(self._clocks.copy().items())
        }
