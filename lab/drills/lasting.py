"""Statements that last, on any processor: a fixed number of rows is slow on one machine only."""

import math
import time
from collections.abc import Callable

from lab.drills.sessions import Session

# A round never asks for more than so many times what it began with: what is short then has other reasons.
MOST = 64


class Lasting:
    """A session's rounds; the size of the next one grows until a round takes as long as it should.

    Args:
        run: one round of a size: rows, or loops.
        size: of the first round.
        at_least_s: seconds that a round should take.
        power: the time of a round grows with this power of its size.
        monotonic: what a round's time is read from, in seconds.
    """

    def __init__(
        self,
        run: Callable[[Session, int], object],
        size: int,
        *,
        at_least_s: float,
        power: float = 1.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run = run
        self._size = size
        self._most = size * MOST
        self._at_least_s = at_least_s
        self._power = power
        self._monotonic = monotonic

    def __call__(self, session: Session) -> None:
        """Do one round."""
        size, began = self._size, self._monotonic()
        self._run(session, size)
        took = max(self._monotonic() - began, 0.001)
        if took < self._at_least_s:
            larger = math.ceil(size * (self._at_least_s / took) ** (1 / self._power))
            # Sessions share it: each grows from what its own round had.
            self._size = max(self._size, min(larger, self._most))
