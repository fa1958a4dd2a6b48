"""How often and how patiently an attempt is made again, after contention or a lost connection."""

import random
import threading
from collections.abc import Callable
from time import monotonic

REASONS = ("serialization", "connection")
CONTENTION_ATTEMPTS = 5
CONTENTION_BACKOFF_S = 0.01
CONNECTION_BACKOFF_S = 0.1
CONNECTION_BACKOFF_MAX_S = 1.0
# As long as an operation waits for a database that is away; a person would have gone by then.
CONNECTION_PATIENCE_S = 30.0


class Retries:
    """The retries of one operation. Each method pauses and says whether to try again."""

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
        """PostgreSQL preferred another transaction: try again soon, a few times."""
        self._contentions += 1
        if self._contentions >= CONTENTION_ATTEMPTS:
            return False
        self._counted("serialization")
        self._pause(CONTENTION_BACKOFF_S * 2**self._contentions)
        return True

    def after_lost_connection(self, *, in_doubt: bool) -> bool:
        """The database is away: try again with a back-off until patience ends or the service stops.

        With a commit in doubt patience does not end: whether it is to be counted must be found out.
        """
        if self._stop.is_set() or (monotonic() > self._deadline and not in_doubt):
            return False
        self._counted("connection")
        backoff = CONNECTION_BACKOFF_S * 2 ** min(self._losses, 10)
        self._losses += 1
        self._pause(min(backoff, CONNECTION_BACKOFF_MAX_S))
        return True

    def _pause(self, seconds: float) -> None:
        # Jitter, so that those who collided or lost the same server do not return in step.
        self._stop.wait(seconds * self._random.uniform(0.5, 1.5))
