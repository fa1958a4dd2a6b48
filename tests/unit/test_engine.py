"""The open loop: arrivals keep their pace whatever operations do, and nothing that is late is hidden."""

import threading
from collections.abc import Callable, Iterator

import pytest
from prometheus_client import CollectorRegistry

from lab.foundation.readiness import await_state
from tests.fix_postgres import settings_for
from workload import engine as module
from workload.engine import Engine, State
from workload.metrics import Metrics
from workload.operation import Call, Operation, Result
from workload.settings import Settings

SERVICE = "credit-test"
SOON_SECONDS = 150
THREADS = 2


class Work:
    """Carries operations out: counts them, and holds them up while the gate is closed."""

    def __init__(self) -> None:
        self.started = 0
        self.gate = threading.Event()
        self.gate.set()

    def run(self, operation: Operation) -> Result:
        del operation
        self.started += 1
        assert self.gate.wait(SOON_SECONDS)
        return Result()


class Bench:
    """An engine with its work and what it counts."""

    def __init__(self, rate: float, *, at_start: bool = False, **changes: object) -> None:
        self.registry = CollectorRegistry()
        self.work = Work()
        settings: Settings = settings_for(port=1, database="none")
        self.engine = Engine(
            service=SERVICE,
            operations=[
                Operation(
                    name="op", run=_never, rate=lambda _: rate, writes=False, at_start=at_start
                )
            ],
            threads=THREADS,
            settings=settings.model_copy(update={"workload_random_seed": 15, **changes}),
            metrics=Metrics(self.registry),
            run=self.work.run,
        )

    def value(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, {"service": SERVICE, **labels}) or 0.0

    @property
    def arrivals(self) -> float:
        return self.value("credit_arrivals_total", operation="op")

    @property
    def dropped(self) -> float:
        return self.value("credit_arrivals_dropped_total", operation="op")

    def await_true(self, what: str, holds: Callable[[], bool]) -> None:
        await_state(what, lambda: None if holds() else self.seen(), within_s=SOON_SECONDS)

    def seen(self) -> str:
        state = self.engine.state.name
        return f"{state}, {self.arrivals} arrivals, {self.dropped} dropped, {self.work.started} started"


def _never(_: Call) -> Result:
    raise AssertionError("the engine hands operations to `run`")


@pytest.fixture
def start() -> Iterator[Callable[..., Bench]]:
    """Starts benches, with the operations held up or not, and lets their threads end."""
    benches: list[Bench] = []

    def one(rate: float, *, held: bool = False, at_start: bool = False, **changes: object) -> Bench:
        bench = Bench(rate, at_start=at_start, **changes)
        benches.append(bench)
        if held:
            bench.work.gate.clear()
        bench.engine.start()
        return bench

    yield one
    for bench in benches:
        bench.work.gate.set()
        assert bench.engine.drain(timeout=SOON_SECONDS)


Start = Callable[..., Bench]


def test_slow_operations_do_not_slow_the_arrivals(start: Start) -> None:
    """Both threads hang, and arrivals continue: a closed loop would stop at two."""
    bench = start(200.0, held=True)
    bench.await_true("both threads hang", lambda: bench.work.started >= THREADS)
    before = bench.arrivals
    bench.await_true("a hundred more arrivals", lambda: bench.arrivals > before + 100)
    assert bench.work.started <= before + THREADS


def test_what_is_due_at_the_start_is_done_once_under_load(start: Start) -> None:
    """Without a rate it is done once; without load it is not done at all."""
    bench, idle = start(0.0, at_start=True), start(0.0, at_start=True, workload_load=0.0)
    bench.await_true("the first is done", lambda: bench.work.started == 1)
    assert (bench.arrivals, idle.arrivals) == (1, 0)


def test_the_start_delay_is_measured_from_the_time_of_arrival(start: Start) -> None:
    """After a stall each waiting operation has its own start delay."""
    bench = start(200.0, held=True)
    bench.await_true("a queue of a hundred", lambda: bench.arrivals > bench.work.started + 100)
    bench.work.gate.set()
    bench.await_true("the queue is worked off", lambda: bench.work.started >= 100)
    late = bench.value("credit_start_delay_seconds_sum")
    prompt = bench.value("credit_start_delay_seconds_bucket", le="0.1")
    count = bench.value("credit_start_delay_seconds_count")
    assert count > prompt
    # 100 arrivals at 200/s: half a second between first and last, so about 25 s of delay in all.
    assert late > 10


def test_an_arrival_that_finds_the_queue_full_is_dropped_and_counted(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every arrival is accounted for: started, queued or dropped."""
    monkeypatch.setattr(module, "MAX_QUEUE", 5)
    bench = start(500.0, held=True)
    bench.await_true("arrivals are dropped", lambda: bench.dropped > 20)
    bench.engine.set_load(0.0)
    bench.work.gate.set()
    assert bench.engine.pause(timeout=SOON_SECONDS)
    assert bench.arrivals == bench.work.started + bench.dropped


def test_an_arrival_that_waited_too_long_is_dropped_and_counted(start: Start) -> None:
    bench = start(500.0, workload_queue_seconds=0.2, held=True)
    bench.await_true("some wait", lambda: bench.arrivals > 200)
    bench.work.gate.set()
    bench.await_true("those that waited too long are dropped", lambda: bench.dropped > 0)
    assert bench.engine.pause(timeout=SOON_SECONDS)
    assert bench.arrivals == bench.work.started + bench.dropped
    started = bench.value("credit_start_delay_seconds_count")
    assert started == bench.work.started


def test_a_change_of_load_is_felt_at_once(start: Start) -> None:
    """From zero to a rate within a second; the metric of the target rate shows it."""
    bench = start(100.0, workload_load=0.0)
    assert bench.arrivals == 0
    bench.engine.set_load(2.0)
    bench.await_true("arrivals", lambda: bench.arrivals > 10)
    assert bench.value("credit_target_rate", operation="op") == 200.0
    assert bench.value("credit_load_multiplier") == 2.0


def test_a_pause_waits_for_what_runs_and_lets_nothing_start(start: Start) -> None:
    bench = start(200.0, held=True)
    bench.await_true("both threads hang", lambda: bench.work.started == THREADS)
    assert not bench.engine.pause(timeout=0.1)
    bench.work.gate.set()
    assert bench.engine.pause(timeout=SOON_SECONDS)
    assert bench.engine.state is State.PAUSED
    quiet = (bench.arrivals, bench.work.started)
    bench.await_true(
        "the target is zero", lambda: bench.value("credit_target_rate", operation="op") == 0
    )
    assert (bench.arrivals, bench.work.started) == quiet
    bench.engine.resume()
    bench.await_true("arrivals again", lambda: bench.arrivals > quiet[0] + 10)


def test_a_pause_ends_by_itself(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its caller may have been killed."""
    monkeypatch.setattr(module, "PAUSE_EXPIRES_S", 0.2)
    bench = start(200.0)
    assert bench.engine.pause(timeout=SOON_SECONDS)
    bench.await_true("it runs again", lambda: bench.engine.state is State.RUNNING)


def test_draining_finishes_what_is_queued_and_takes_no_more(start: Start) -> None:
    """Every arrival was started at the end, the threads are gone, and a pause cannot undo that."""
    bench = start(200.0, held=True)
    bench.await_true("a queue", lambda: bench.arrivals > 20)
    assert not bench.engine.drain(timeout=0.05)
    bench.work.gate.set()
    assert bench.engine.drain(timeout=SOON_SECONDS)
    bench.engine.pause(timeout=0)
    assert bench.engine.state is State.DRAINING
    assert bench.arrivals == bench.work.started
    for thread in bench.engine._threads:
        thread.join(SOON_SECONDS)
        assert not thread.is_alive()


def test_engines_with_the_same_seed_start_the_same_operations_in_the_same_order() -> None:
    """However many are due at once when their threads look."""

    def first(advance_s: float) -> list[str]:
        settings: Settings = settings_for(port=1, database="none")
        names: list[str] = []
        engine = Engine(
            service=SERVICE,
            operations=[
                Operation(name=name, run=_never, rate=lambda _: 100.0, writes=False)
                for name in ("a", "b", "c")
            ],
            threads=1,
            settings=settings.model_copy(update={"workload_random_seed": 15}),
            metrics=Metrics(CollectorRegistry()),
            run=lambda _: Result(),
        )
        engine._state = State.RUNNING
        engine._cumulative_rates = [100.0, 200.0, 300.0]
        engine._rates_valid_until = float("inf")
        at = engine._started
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(module, "monotonic", lambda: at)
            while len(names) < 60:
                at += advance_s
                engine._advance()
                names += [due.operation.name for due in engine._queue]
                engine._queue.clear()
        return names[:60]

    assert first(0.0007) == first(0.05)
