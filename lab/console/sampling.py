"""Whether an Agent samples traces, cached for some seconds, because /healthz is requested often."""

import time
from datetime import timedelta
from threading import Lock

from lab.drilldown.sampling import sampled_away
from lab.foundation import clock
from lab.telemetry.store import Reader, StoreError

CACHED_FOR = timedelta(seconds=10)


class SamplingWatch:
    """Queries the store at most every ten seconds; thread-safe."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._lock = Lock()
        self._read_at: float | None = None
        self._found: str | None = None

    def __call__(self) -> str | None:
        """Return which share of traces the Agent keeps, as text; None: all, or it is not known."""
        with self._lock:
            now = time.monotonic()
            if self._read_at is None or now - self._read_at > CACHED_FOR.total_seconds():
                self._read_at, self._found = now, self._read()
            return self._found

    def _read(self) -> str | None:
        try:
            found = sampled_away(self._reader, at=clock.now())
        except StoreError:
            return None
        return str(found) if found else None
