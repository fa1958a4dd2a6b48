"""Durations as a service's own clock measured them: count, sum and a fine histogram, without scrapes.

The lab reads them each second as ground truth. Prometheus' histograms have fifteen buckets, these one for
every two per cent, so that a percentile is exact to one.
"""

import math
from collections import Counter
from collections.abc import Mapping
from functools import cache
from threading import Lock
from typing import Any

RATIO = 1.02
LOWEST_S = 1e-6
_LOG = math.log(RATIO)


def bucket_of(seconds: float) -> int:
    """Return the number of the bucket that contains a duration."""
    return math.ceil(math.log(max(seconds, LOWEST_S)) / _LOG)


def middle_s(bucket: int) -> float:
    """Return the duration in the middle of a bucket, in seconds.

    >>> 0.99 < middle_s(bucket_of(0.25)) / 0.25 < 1.01
    True
    """
    return math.exp((bucket - 0.5) * _LOG)


class Clock:
    """The durations of one kind and name; any thread may observe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._count = 0
        self._seconds = 0.0
        self._buckets: Counter[int] = Counter()

    def observe(self, seconds: float) -> None:
        """Add one duration, in seconds."""
        bucket = bucket_of(seconds)
        with self._lock:
            self._count += 1
            self._seconds += seconds
            self._buckets[bucket] += 1

    def reading(self, *, buckets: bool) -> tuple[int, float, dict[int, int]]:
        """Return count and sum, and the counts of the buckets when asked for."""
        with self._lock:
            return self._count, self._seconds, dict(self._buckets) if buckets else {}


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
