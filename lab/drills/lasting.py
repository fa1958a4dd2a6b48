"""Statements with a minimum duration on any processor: a fixed size is slow on one machine only."""

import math
from collections.abc import Callable

from lab.drills.sessions import DrillSession

# The last column of such a statement. The client's time is longer when the client waits for a processor.
SERVER_SECONDS = "extract(epoch FROM clock_timestamp() - statement_timestamp())::float"
# The largest size of a round, as a multiple of the first: a round that is short then has another reason.
MOST = 64


class MinimumDuration:
    """The rounds of a session; the size of a round grows until a round takes a minimum duration.

    Args:
        run: one round of a size, such as a number of loops; returns the seconds that PostgreSQL took.
        size: of the first round.
        at_least_s: minimum duration of a round, in seconds.
    """

    def __init__(
        self,
        run: Callable[[DrillSession, int], float],
        size: int,
        *,
        at_least_s: float,
    ) -> None:
        self._run = run
        self._size = size
        self._most = size * MOST
        self._at_least_s = at_least_s

    def __call__(self, session: DrillSession) -> None:
        """Do one round."""
        size = self._size
        took = max(self._run(session, size), 0.001)
        if took < self._at_least_s:
            larger = math.ceil(size * self._at_least_s / took)
            # Sessions share it: each grows from the size of its own round.
            self._size = max(self._size, min(larger, self._most))
