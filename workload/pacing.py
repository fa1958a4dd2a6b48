"""The schedule of operations: an open loop, so a slow database does not slow the arrivals down.

Only computes times: no thread, no clock and no I/O.
"""

import math
import random

from workload.settings import Shape

WAVE_PERIOD_S = 300.0
WAVE_DEPTH = 0.8
BURST_PERIOD_S = 60.0
BURST_LENGTH_S = 6.0
BURST_HEIGHT = 5.5
# Chosen so that the mean over a period stays 1: (60 - 6 * 5.5) / 54.
BURST_FLOOR = (BURST_PERIOD_S - BURST_LENGTH_S * BURST_HEIGHT) / (BURST_PERIOD_S - BURST_LENGTH_S)


def factor(shape: Shape, at: float) -> float:
    """Return the shape's factor on every rate at a time in seconds; its mean is 1.

    >>> factor(Shape.STEADY, 17.0)
    1.0
    >>> factor(Shape.BURST, 3.0), factor(Shape.BURST, 30.0)
    (5.5, 0.5)
    >>> round(factor(Shape.WAVE, WAVE_PERIOD_S / 4), 6)
    1.8
    """
    match shape:
        case Shape.STEADY:
            return 1.0
        case Shape.WAVE:
            return 1.0 + WAVE_DEPTH * math.sin(2 * math.pi * at / WAVE_PERIOD_S)
        case Shape.BURST:
            return BURST_HEIGHT if at % BURST_PERIOD_S < BURST_LENGTH_S else BURST_FLOOR


class Arrivals:
    """A Poisson process whose rate may change at any time.

    It counts down a hazard drawn from Exp(1) by rate x time, so that a change of rate applies at once,
    without drawing again, which would bias the process.
    """

    def __init__(self, rng: random.Random, *, start: float) -> None:
        self._rng = rng
        self._now = start
        self._hazard = rng.expovariate(1.0)

    def advance(self, to: float, *, rate: float) -> list[float]:
        """Move to the time `to` at `rate` per second; return the scheduled times of operations."""
        due = []
        while rate > 0 and (at := self._now + self._hazard / rate) <= to:
            due.append(at)
            self._now = at
            self._hazard = self._rng.expovariate(1.0)
        self._hazard -= rate * (to - self._now)
        self._now = to
        return due

    def next_due(self, *, rate: float) -> float:
        """Return the time of the next arrival if the rate stays; infinity at rate 0."""
        return self._now + self._hazard / rate if rate > 0 else math.inf
