"""From the rounds' ratios to one figure with a confidence interval, and a verdict.

The interval is Student's, 95 %, of the mean over the rounds: of the logarithms for a ratio, so that double
and half have the same weight. It assumes that rounds are independent, and that a turn is comparable only
with the unobserved turn of the same round.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import exp, log, sqrt
from statistics import fmean, stdev

# With fewer rounds a single outlier determines the interval.
ROUNDS_AT_LEAST = 4
# Student's t for 97.5 %, by degrees of freedom from 1 on; the last is used for all larger ones.
T = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


class Verdict(StrEnum):
    """The verdict on a figure, compared with that of the unobserved load."""

    UNKNOWN = "unknown"
    SAME = "not distinguishable"
    LOWER = "lower"
    HIGHER = "higher"


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A ratio or a difference, and the ends of its interval; None for a single round."""

    value: float
    low: float | None
    high: float | None
    verdict: Verdict


def ratio(of_rounds: Sequence[float]) -> Estimate:
    """Return the geometric mean of the rounds' ratios; each must be positive.

    >>> ratio([0.5, 0.5, 0.5, 0.5]).verdict, ratio([0.8, 1.25, 0.8, 1.25]).verdict
    (<Verdict.LOWER: 'lower'>, <Verdict.SAME: 'not distinguishable'>)
    """
    mean, half = _mean_and_half([log(one) for one in of_rounds])
    if half is None:
        return Estimate(value=exp(mean), low=None, high=None, verdict=Verdict.UNKNOWN)
    low, high = exp(mean - half), exp(mean + half)
    verdict = _verdict(low, high, neutral=1.0, rounds=len(of_rounds))
    return Estimate(value=exp(mean), low=low, high=high, verdict=verdict)


def difference(of_rounds: Sequence[float]) -> Estimate:
    """Return the mean of the rounds' differences, in their unit."""
    mean, half = _mean_and_half(of_rounds)
    if half is None:
        return Estimate(value=mean, low=None, high=None, verdict=Verdict.UNKNOWN)
    verdict = _verdict(mean - half, mean + half, neutral=0.0, rounds=len(of_rounds))
    return Estimate(value=mean, low=mean - half, high=mean + half, verdict=verdict)


def _mean_and_half(values: Sequence[float]) -> tuple[float, float | None]:
    if len(values) == 1:
        return values[0], None
    t = T[min(len(values) - 1, len(T)) - 1]
    return fmean(values), t * stdev(values) / sqrt(len(values))


def _verdict(low: float, high: float, *, neutral: float, rounds: int) -> Verdict:
    if rounds < ROUNDS_AT_LEAST:
        return Verdict.UNKNOWN
    if low <= neutral <= high:
        return Verdict.SAME
    return Verdict.LOWER if high < neutral else Verdict.HIGHER
