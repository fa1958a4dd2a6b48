"""The engine's rules at known times, without its threads: rates, the queue, late arrivals, pauses."""

import logging

import pytest
from prometheus_client import CollectorRegistry

from tests.fix_postgres import settings_for
from workload import engine as module
from workload.engine import Engine, State, _Due
from workload.limits import MAX_ARRIVALS_PER_S
from workload.metrics import Metrics
from workload.operation import Call, Operation, Result
from workload.settings import Shape

SERVICE = "credit-test"
RATES = {"often": 8.0, "seldom": 2.0}


def never(_: Call) -> Result:
    raise AssertionError("the engine hands operations to `run`")


class Bench:
    """An engine, its clock, and what it ran."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, share: float = 1.0, **changes: object):
        self.now = 1000.0
        self.wall = 3.0
        monkeypatch.setattr(module, "monotonic", lambda: self.now)
        monkeypatch.setattr(module, "time", lambda: self.wall)
        self.registry = CollectorRegistry()
        self.ran: list[str] = []
        update = {"workload_random_seed": 15, **changes}
        self.engine = Engine(
            service=SERVICE,
            operations=[
                Operation(name=name, run=never, rate=lambda _, rate=rate: rate, writes=False)  # type: ignore[misc]
                for name, rate in RATES.items()
            ],
            threads=1,
            settings=settings_for(port=1, database="none").model_copy(update=update),
            metrics=Metrics(self.registry),
            run=self.run,
            share=lambda: share,
        )
        self.engine._state = State.RUNNING

    def is_in(self, state: State) -> bool:
        return self.engine.state is state

    def run(self, operation: Operation) -> Result:
        self.ran.append(operation.name)
        return Result()

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, {"service": SERVICE, **labels})

    def queue(self, *waited_s: float) -> None:
        [often, _] = self.engine._operations
        for seconds in waited_s:
            self.engine._enqueue(_Due(often, self.now - seconds))


def test_a_rate_is_the_setting_times_load_share_and_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the burst of a minute 5.5 times as much; the metric has each operation's rate."""
    bench = Bench(monkeypatch, share=0.5, workload_load=3.0, workload_shape=Shape.BURST)
    assert bench.engine._rates_at(bench.now) == [66.0, 16.5]
    bench.wall = 30.0
    assert bench.engine._rates_at(bench.now) == [6.0, 1.5]
    assert bench.value("credit_target_rate", operation="often") == 6.0
    assert bench.value("credit_target_rate", operation="seldom") == 1.5


@pytest.mark.parametrize("state", [State.STARTING, State.PAUSED, State.DRAINING])
def test_only_a_running_service_has_arrivals(monkeypatch: pytest.MonkeyPatch, state: State) -> None:
    bench = Bench(monkeypatch)
    bench.engine._paused_until = bench.now
    bench.engine._state = state
    assert bench.engine._rates_at(bench.now) == [0.0, 0.0]
    bench.engine._cumulative_rates = [800.0, 1000.0]
    bench.now += 1.0
    bench.engine._advance()
    assert not bench.engine._queue


def test_a_pause_ends_a_minute_after_it_began(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not at the minute itself; a second pause begins another one."""
    bench = Bench(monkeypatch)
    assert bench.engine.pause(timeout=0)
    bench.engine._rates_at(bench.now + 60.0)
    assert bench.is_in(State.PAUSED)
    bench.now += 30.0
    bench.engine.pause(timeout=0)
    bench.engine._rates_at(bench.now + 60.0)
    assert bench.is_in(State.PAUSED)
    bench.engine._rates_at(bench.now + 60.1)
    assert bench.is_in(State.RUNNING)


def test_the_sum_of_the_rates_is_limited_and_reported_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(monkeypatch)
    with caplog.at_level(logging.WARNING):
        assert bench.engine._bounded([15_000.0, 5_000.0]) == [15_000.0, 5_000.0]
        assert not bench.engine.is_limited
        for _ in range(2):
            assert bench.engine._bounded([60_000.0, 20_000.0]) == [15_000.0, 5_000.0]
        assert bench.engine.is_limited
        bench.engine._bounded([1.0])
        bench.engine._bounded([40_000.0])
    assert [record.getMessage() for record in caplog.records] == [
        f"the target rate is 80000 arrivals per second; the engine's limit is {MAX_ARRIVALS_PER_S:.0f}",
        f"the target rate is 40000 arrivals per second; the engine's limit is {MAX_ARRIVALS_PER_S:.0f}",
    ]


def test_rates_are_read_again_after_a_tenth_of_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """The leader wakes then, or at the next arrival if that is sooner."""
    bench = Bench(monkeypatch)
    assert bench.engine._cumulative_rates == [0.0]
    woken = bench.engine._advance()
    assert bench.engine._cumulative_rates == [8.0, 10.0]
    due = bench.engine._arrivals.next_due(rate=10.0)
    assert woken == min(due, 1000.1)
    bench.engine._load = 2.0
    bench.now = 1000.05
    bench.engine._advance()
    assert bench.engine._cumulative_rates == [8.0, 10.0]
    bench.now = 1000.1
    bench.engine._advance()
    assert bench.engine._cumulative_rates == [16.0, 20.0]
    bench.engine._load = 0.0
    bench.now = 1000.3
    assert bench.engine._advance() == pytest.approx(1000.4)


def test_operations_arrive_by_their_share_of_all_arrivals(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    bench.engine._advance()
    for _ in range(1000):
        bench.now += 0.1
        bench.engine._advance()
    often = bench.value("credit_arrivals_total", operation="often") or 0
    seldom = bench.value("credit_arrivals_total", operation="seldom") or 0
    # 1,000 arrivals in 100 s, a fifth of them seldom; four standard deviations.
    assert abs(often + seldom - 1000) < 130
    assert abs(seldom - 200) < 60
    times = [due.at for due in bench.engine._queue]
    assert times == sorted(times)
    assert len(times) == often + seldom == bench.engine._unfinished


def test_the_queue_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit has arrived and is dropped; it is not waited for."""
    monkeypatch.setattr(module, "MAX_QUEUE", 3)
    bench = Bench(monkeypatch)
    bench.queue(0, 0, 0, 0, 0)
    assert bench.value("credit_arrivals_total", operation="often") == 5
    assert bench.value("credit_arrivals_dropped_total", operation="often") == 2
    assert (len(bench.engine._queue), bench.engine._unfinished) == (3, 3)


def test_an_arrival_is_late_after_the_limit_and_not_at_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A late one is dropped and counted; the others' delays are measured; all are finished then."""
    bench = Bench(monkeypatch, workload_queue_seconds=2.0, workload_load=0.0)
    bench.queue(2.5, 2.0, 0.5)
    bench.engine._state = State.DRAINING
    bench.engine._work()
    assert bench.ran == ["often", "often"]
    assert bench.value("credit_arrivals_dropped_total", operation="often") == 1
    assert bench.value("credit_start_delay_seconds_count") == 2
    assert bench.value("credit_start_delay_seconds_sum") == 2.5
    assert bench.engine._is_idle()
    assert bench.engine.drain(timeout=0)


def test_an_operation_that_raises_is_finished_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a pause would wait for it for ever."""
    bench = Bench(monkeypatch)
    bench.queue(0.0)

    def fail(_: Operation) -> Result:
        raise ValueError("an error")

    bench.engine._run = fail
    with pytest.raises(ValueError, match="an error"):
        bench.engine._work()
    assert bench.engine._is_idle()


def test_a_pause_changes_only_a_running_service(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    bench.engine._state = State.DRAINING
    bench.engine.pause(timeout=0)
    bench.engine.resume()
    assert bench.is_in(State.DRAINING)
    bench.engine._state = State.RUNNING
    bench.queue(0.0)
    assert not bench.engine.pause(timeout=0)
    assert bench.is_in(State.PAUSED)
    bench.engine.resume()
    assert bench.is_in(State.RUNNING)
