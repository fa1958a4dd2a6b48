"""Retries after contention or a lost connection: their number and back-off."""

import random
import threading
from collections.abc import Callable
from time import monotonic

REASONS = ("serialization", "connection")
CONTENTION_ATTEMPTS = 5
CONTENTION_BACKOFF_S = 0.01
CONNECTION_BACKOFF_S = 0.1
CONNECTION_BACKOFF_MAX_S = 1.0
# The maximum time that an operation waits for an unavailable database.
CONNECTION_PATIENCE_S = 30.0


class Retries:
    """The retries of one operation. Each method pauses and returns whether to retry."""

    def __init__(
        self,
        *,
        rng: random.Random,
        stop: threading.Event,
        counted: Callable[[str], None],
    ) -> None:
        self._random = rng
        self._stop = stop
        self._counted = counted
        self._contentions = 0
        self._losses = 0
        self._deadline = monotonic() + CONNECTION_PATIENCE_S

    def after_contention(self) -> bool:
        """PostgreSQL rolled back in favour of another transaction: retry soon, a few times."""
        self._contentions += 1
        if self._contentions >= CONTENTION_ATTEMPTS:
            return False
        self._counted("serialization")
        self._pause(CONTENTION_BACKOFF_S * 2**self._contentions)
        return True

    def after_lost_connection(self, *, in_doubt: bool) -> bool:
        """The database is unavailable: retry with a back-off until the time limit or the service's stop.

        With an unknown commit there is no time limit: its outcome decides whether the operation is counted.
        """
        if self._stop.is_set() or (monotonic() > self._deadline and not in_doubt):
            return False
        self._counted("connection")
        backoff = CONNECTION_BACKOFF_S * 2 ** min(self._losses, 10)
        self._losses += 1
        self._pause(min(backoff, CONNECTION_BACKOFF_MAX_S))
        return True

    def _pause(self, seconds: float) -> None:
        # Jitter, so that the retries of several operations do not coincide.
        self._stop.wait(seconds * self._random.uniform(0.5, 1.5))
