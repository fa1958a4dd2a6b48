"""The target rates of an engine: load, share and shape multiply every operation's rate."""

import pytest
from prometheus_client import CollectorRegistry

from lab.foundation.readiness import await_state
from tests.fix_postgres import settings_for
from workload import engine as module
from workload.engine import Engine
from workload.metrics import Metrics
from workload.operation import Call, Operation, Result
from workload.settings import Settings, Shape

SERVICE = "credit-test"
# Times of the wall clock: in a burst, and between two; at the top of the wave, and at its bottom.
IN_BURST, BETWEEN_BURSTS = 600_003.0, 600_030.0
TOP, BOTTOM = 600_075.0, 600_225.0
WITHIN_S = 150.0


def _never(_: Call) -> Result:
    raise AssertionError("no arrival was expected")


def target_rates(registry: CollectorRegistry) -> dict[str, float]:
    """Return the target rates as /metrics shows them."""
    return {
        sample.labels["operation"]: sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == "credit_target_rate"
    }


def assert_rates(shape: Shape, factor: float, *, load: float = 1.0, share: float = 1.0) -> None:
    """An engine comes to show its operations' rates times a factor."""
    settings: Settings = settings_for(port=1, database="none")
    registry = CollectorRegistry()
    engine = Engine(
        service=SERVICE,
        operations=[
            Operation(name="often", run=_never, rate=lambda _: 2e-6, writes=False),
            Operation(name="seldom", run=_never, rate=lambda _: 1e-6, writes=False),
        ],
        threads=1,
        settings=settings.model_copy(
            update={"workload_shape": shape, "workload_load": load, "workload_random_seed": 15}
        ),
        metrics=Metrics(registry),
        run=lambda _: Result(),
        share=lambda: share,
    )
    expected = {"often": pytest.approx(2e-6 * factor), "seldom": pytest.approx(1e-6 * factor)}

    def other() -> str | None:
        shown = target_rates(registry)
        return None if shown == expected else f"{shown}, not {expected}"

    engine.start()
    try:
        await_state("the engine shows these rates", other, within_s=WITHIN_S)
    finally:
        engine.drain(timeout=WITHIN_S)


@pytest.mark.parametrize(
    ("shape", "at", "factor"),
    [
        (Shape.STEADY, IN_BURST, 1.0),
        (Shape.BURST, IN_BURST, 5.5),
        (Shape.BURST, BETWEEN_BURSTS, 0.5),
        (Shape.WAVE, TOP, 1.8),
        (Shape.WAVE, BOTTOM, 0.2),
    ],
)
def test_the_shape_raises_and_lowers_every_rate(
    monkeypatch: pytest.MonkeyPatch, shape: Shape, at: float, factor: float
) -> None:
    monkeypatch.setattr(module, "time", lambda: at)
    assert_rates(shape, factor)


def test_load_and_share_multiply_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of three times the load, in a burst."""
    monkeypatch.setattr(module, "time", lambda: IN_BURST)
    assert_rates(Shape.BURST, 3.0 * 0.25 * 5.5, load=3.0, share=0.25)
