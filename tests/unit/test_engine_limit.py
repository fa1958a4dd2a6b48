"""The engine's upper bound on arrivals per second, whatever load, rates and shape ask for."""

import math
import threading

import pytest
from prometheus_client import CollectorRegistry

from lab.foundation.readiness import await_state
from tests.fix_postgres import settings_for
from workload.engine import Engine
from workload.limits import MAX_ARRIVALS_PER_S, MAX_LOAD
from workload.metrics import Metrics
from workload.operation import Call, Operation, Result
from workload.settings import Shape

SERVICE = "credit-test"
WITHIN_S = 150
RATES = {"often": 8.0, "seldom": 2.0}


def never(_: Call) -> Result:
    raise AssertionError("the engine hands operations to `run`")


def engine_of(registry: CollectorRegistry, **changes: object) -> Engine:
    settings = settings_for(port=1, database="none").model_copy(update=changes)

    def operation(name: str, rate: float) -> Operation:
        return Operation(name=name, run=never, rate=lambda _: rate, writes=False)

    return Engine(
        service=SERVICE,
        operations=[operation(name, rate) for name, rate in RATES.items()],
        threads=1,
        settings=settings,
        metrics=Metrics(registry),
        run=lambda _: Result(),
    )


@pytest.mark.parametrize("shape", [Shape.STEADY, Shape.BURST])
def test_the_most_load_is_bounded_and_the_engine_still_ends(shape: Shape) -> None:
    """At the largest load the targets add up to the bound, in their proportion, and a drain ends."""
    registry = CollectorRegistry()
    engine = engine_of(registry, workload_load=MAX_LOAD, workload_shape=shape)
    assert not engine.is_limited
    engine.start()

    def rates() -> dict[str, float]:
        found = {
            name: registry.get_sample_value(
                "credit_target_rate", {"service": SERVICE, "operation": name}
            )
            for name in RATES
        }
        return {name: rate or 0.0 for name, rate in found.items()}

    def unlimited() -> str | None:
        at_the_bound = math.isclose(sum(rates().values()), MAX_ARRIVALS_PER_S)
        return None if engine.is_limited and at_the_bound else str(rates())

    await_state("the limit is felt", unlimited, within_s=WITHIN_S)
    targets = rates()
    assert math.isclose(targets["often"] / targets["seldom"], 4.0)
    engine.set_load(1.0)
    await_state(
        "the limit is left", lambda: "limited" if engine.is_limited else None, within_s=WITHIN_S
    )
    ended = threading.Thread(target=engine.drain, kwargs={"timeout": WITHIN_S})
    ended.start()
    ended.join(WITHIN_S)
    assert not ended.is_alive()


@pytest.mark.parametrize("load", [math.inf, -math.inf, math.nan, -1.0, 1e9])
def test_no_caller_can_set_a_load_that_is_none(load: float) -> None:
    """Infinity would hang the thread that counts arrivals, for ever and with the lock held."""
    engine = engine_of(CollectorRegistry())
    with pytest.raises(ValueError, match="is not from 0 to 10000"):
        engine.set_load(load)
    assert engine.load == 1.0
