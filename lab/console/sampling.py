"""Whether an Agent samples traces away, remembered for a while: /healthz is asked often and by anyone."""

import time
from datetime import timedelta
from threading import Lock

from lab.drilldown.sampling import sampled_away
from lab.foundation import clock
from lab.telemetry.store import Reader, StoreError

REMEMBERED_FOR = timedelta(seconds=10)


class SamplingWatch:
    """Asks the store at most every ten seconds; any thread may ask."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._lock = Lock()
        self._asked_at: float | None = None
        self._found: str | None = None

    def __call__(self) -> str | None:
        """Return what the Agent keeps, in words; None: all, or it is not known."""
        with self._lock:
            now = time.monotonic()
            if self._asked_at is None or now - self._asked_at > REMEMBERED_FOR.total_seconds():
                self._asked_at, self._found = now, self._ask()
            return self._found

    def _ask(self) -> str | None:
        try:
            found = sampled_away(self._reader, at=clock.now())
        except StoreError:
            return None
        return str(found) if found else None
