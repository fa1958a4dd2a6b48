"""Statements that last, on any processor: a fixed size is slow on one machine only."""

import math
from collections.abc import Callable

from lab.drills.sessions import Session

# The last column of such a statement: a client that waits for a processor takes longer than its statement.
SERVER_SECONDS = "extract(epoch FROM clock_timestamp() - statement_timestamp())::float"
# A round never asks for more than so many times what it began with: what is short then has other reasons.
MOST = 64


class Lasting:
    """A session's rounds; the size of the next one grows until a round takes as long as it should.

    Args:
        run: one round of a size, such as a number of loops; returns the seconds that PostgreSQL took.
        size: of the first round.
        at_least_s: seconds that a round should take.
    """

    def __init__(
        self,
        run: Callable[[Session, int], float],
        size: int,
        *,
        at_least_s: float,
    ) -> None:
        self._run = run
        self._size = size
        self._most = size * MOST
        self._at_least_s = at_least_s

    def __call__(self, session: Session) -> None:
        """Do one round."""
        size = self._size
        took = max(self._run(session, size), 0.001)
        if took < self._at_least_s:
            larger = math.ceil(size * self._at_least_s / took)
            # Sessions share it: each grows from what its own round had.
            self._size = max(self._size, min(larger, self._most))
