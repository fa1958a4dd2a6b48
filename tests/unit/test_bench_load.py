"""The arithmetic of `bench load`: quantiles of buckets, and what the lab's default rates come to."""

import pytest

from lab.bench.load.scenarios import BY_NAME, MIX, SCENARIOS, WEIGHT_PER_RATE
from lab.bench.load.services import quantile
from workload.settings import Settings


def test_a_quantile_beyond_the_last_bucket_is_its_bound() -> None:
    """As in PromQL: the distance beyond the last bound is unknown."""
    assert quantile(0.99, {0.1: 10.0, 0.5: 20.0, float("inf"): 100.0}) == 0.5


def test_the_mix_has_the_proportions_of_the_default_rates() -> None:
    settings = Settings.model_construct()
    rates = {share.operation.name: share.operation.rate(settings) for share in MIX.shares}
    weights = {share.operation.name: share.weight for share in MIX.shares}
    assert {name: weight / WEIGHT_PER_RATE for name, weight in weights.items()} == pytest.approx(
        rates
    )


def test_scenarios_are_found_by_name() -> None:
    assert [BY_NAME[scenario.name] for scenario in SCENARIOS] == list(SCENARIOS)
