"""Arrivals are a Poisson process of the asked-for rate, however time is cut and whatever the rate does."""

import math
from itertools import pairwise
from random import Random
from statistics import fmean, pvariance

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workload.pacing import Arrivals, factor
from workload.settings import Shape

seeds = st.integers(0, 2**32)
rates = st.floats(0.01, 1000)


@given(seed=seeds, rate=rates, steps=st.lists(st.floats(0, 5), max_size=30))
def test_the_times_do_not_depend_on_how_often_one_looks(
    seed: int, rate: float, steps: list[float]
) -> None:
    """One step or many: the same arrivals at the same times."""
    rate = min(rate, 100 / (sum(steps) + 1))
    often, once = (Arrivals(Random(seed), start=10.0) for _ in range(2))
    now, seen = 10.0, []
    for step in steps:
        now += step
        seen += often.advance(now, rate=rate)
    assert seen == pytest.approx(once.advance(now, rate=rate))


@given(seed=seeds, rate=rates, until=st.floats(0.001, 2))
def test_arrivals_come_in_order_and_within_the_step(seed: int, rate: float, until: float) -> None:
    due = Arrivals(Random(seed), start=0.0).advance(until, rate=rate)
    assert due == sorted(due)
    assert all(0 <= at <= until for at in due)


@given(seed=seeds, rate=rates)
def test_the_next_arrival_is_foretold(seed: int, rate: float) -> None:
    """The dispatcher may sleep until next_due: nothing is due before, something is due then."""
    arrivals = Arrivals(Random(seed), start=0.0)
    at = arrivals.next_due(rate=rate)
    assert arrivals.advance(at * 0.999, rate=rate) == []
    assert arrivals.advance(at * 1.001, rate=rate)[0] == pytest.approx(at)


@given(seed=seeds)
def test_at_rate_zero_nothing_is_ever_due(seed: int) -> None:
    arrivals = Arrivals(Random(seed), start=0.0)
    assert arrivals.advance(1e9, rate=0.0) == []
    assert arrivals.next_due(rate=0.0) == math.inf


def test_counts_have_the_mean_and_the_variance_of_a_poisson_process() -> None:
    """1,000 windows of 2 s at 10/s: both are 20, within four standard errors."""
    arrivals = Arrivals(Random(15), start=0.0)
    counts = [len(arrivals.advance(2.0 * (n + 1), rate=10.0)) for n in range(1000)]
    assert fmean(counts) == pytest.approx(20, abs=4 * math.sqrt(20 / 1000))
    assert pvariance(counts) == pytest.approx(20, rel=4 * math.sqrt(2 / 1000))


def test_gaps_are_exponential() -> None:
    """The distribution of 5,000 gaps is within the Kolmogorov-Smirnov bound for one in a thousand."""
    due = Arrivals(Random(15), start=0.0).advance(500.0, rate=10.0)
    gaps = sorted(later - earlier for earlier, later in pairwise(due))
    distance = max(
        abs((n + 1) / len(gaps) - (1 - math.exp(-10.0 * gap))) for n, gap in enumerate(gaps)
    )
    assert distance < 1.95 / math.sqrt(len(gaps))


def test_a_rate_that_keeps_changing_is_met_without_bias() -> None:
    """Twenty changes a second between 1/s and 99/s come to 50/s: a redraw at each would come to less."""
    arrivals = Arrivals(Random(15), start=0.0)
    steps = 20 * 400
    count = sum(
        len(arrivals.advance(0.05 * (n + 1), rate=99.0 if n % 2 else 1.0)) for n in range(steps)
    )
    assert count == pytest.approx(50 * 400, abs=4 * math.sqrt(50 * 400))


@pytest.mark.parametrize("shape", Shape)
def test_a_shape_moves_the_rate_and_not_its_mean(shape: Shape) -> None:
    values = [factor(shape, n / 10) for n in range(3000)]
    assert min(values) > 0
    assert fmean(values) == pytest.approx(1.0)
