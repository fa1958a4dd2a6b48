"""Recent rates per second, for `status`, which keeps no state between two calls."""

from collections import deque
from threading import Lock
from time import monotonic

WINDOW_S = 60


class Rate:
    """A count over the last minute; any thread may add."""

    def __init__(self) -> None:
        self._seconds: deque[tuple[int, int]] = deque(maxlen=WINDOW_S)
        self._since = monotonic()
        self._lock = Lock()

    def add(self, count: int) -> None:
        """Add to the count of the current second."""
        now = int(monotonic())
        with self._lock:
            if self._seconds and self._seconds[-1][0] == now:
                count += self._seconds.pop()[1]
            self._seconds.append((now, count))

    def per_second(self) -> float:
        """Return the mean over the last minute, or since the start when that is shorter."""
        now = monotonic()
        with self._lock:
            total = sum(count for second, count in self._seconds if second > now - WINDOW_S)
        return total / max(min(now - self._since, WINDOW_S), 1.0)
