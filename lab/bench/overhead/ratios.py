"""From the rounds' ratios to one figure with a confidence interval, and a verdict.

A turn is compared only with the unobserved turn of the same round. The figure is the mean of the rounds
without the lowest and the highest fifth, so that a round on a disturbed machine does not determine it. The
interval is that of Tukey and McLaughlin, 95 %: Student's, with the winsorized variance; for a ratio that of
the logarithms, so that double and half have the same weight. It assumes that rounds are independent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import exp, log, sqrt
from statistics import fmean, stdev

# The share of the rounds that is trimmed at each end.
TRIMMED = 0.2
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
    """Return the trimmed mean, and half of its interval.

    With g of n values trimmed at each end, Student's t has n - 2g - 1 degrees of freedom, and the standard
    error is s / ((1 - 2g/n) * root of n), where s is the standard deviation of the winsorized values.
    """
    if len(values) == 1:
        return values[0], None
    ordered = sorted(values)
    cut = int(TRIMMED * len(ordered))
    kept = ordered[cut : len(ordered) - cut]
    winsorized = [*[kept[0]] * cut, *kept, *[kept[-1]] * cut]
    t = T[min(len(kept) - 1, len(T)) - 1]
    error = stdev(winsorized) * sqrt(len(ordered)) / len(kept)
    return fmean(kept), t * error


def _verdict(low: float, high: float, *, neutral: float, rounds: int) -> Verdict:
    if rounds < ROUNDS_AT_LEAST:
        return Verdict.UNKNOWN
    if low <= neutral <= high:
        return Verdict.SAME
    return Verdict.LOWER if high < neutral else Verdict.HIGHER
