"""The open loop: arrivals become due whatever the database does; threads take them in order.

One dispatcher thread turns time into arrivals, worker threads carry them out. An arrival that finds the
queue full, or that waited too long, is dropped and counted: lateness is measured, never hidden.
"""

import random
import threading
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from queue import SimpleQueue
from time import monotonic
from typing import NamedTuple

from workload.metrics import Metrics
from workload.operation import Operation, Result
from workload.pacing import Arrivals, factor
from workload.settings import Settings

MAX_QUEUE = 20_000
# How soon a change of load or shape is felt.
RATES_VALID_S = 0.1
PAUSE_EXPIRES_S = 60.0


class State(StrEnum):
    """What a service does at the moment."""

    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    DRAINING = "draining"


class _Due(NamedTuple):
    """An operation, and since when it has been due."""

    operation: Operation
    at: float


class Engine:
    """Arrivals, queue and threads of one service. `run` carries one operation out."""

    def __init__(
        self,
        *,
        service: str,
        operations: Sequence[Operation],
        settings: Settings,
        metrics: Metrics,
        run: Callable[[Operation], Result],
    ) -> None:
        self._service = service
        self._operations = operations
        self._settings = settings
        self._metrics = metrics
        self._run = run
        self._load = settings.workload_load
        self._state = State.STARTING
        self._paused_until = 0.0
        self._queue: SimpleQueue[_Due | None] = SimpleQueue()
        # Arrivals that are queued or under way; guarded by the condition, as the state is.
        self._unfinished = 0
        self._settled = threading.Condition()
        self._draining = threading.Event()
        self._started = monotonic()
        self._threads: list[threading.Thread] = []

    @property
    def state(self) -> State:
        """What the service does at the moment."""
        return self._state

    @property
    def load(self) -> float:
        """The multiplier of every rate."""
        return self._load

    def set_load(self, load: float) -> None:
        """Change the multiplier; felt within a tenth of a second."""
        self._load = load
        self._metrics.gauge("credit_load_multiplier", service=self._service).set(load)

    def start(self) -> None:
        """Start the threads; returns at once."""
        self.set_load(self._load)
        self._state = State.RUNNING
        self._started = monotonic()
        targets = [self._dispatch] + [self._work] * self._settings.workload_threads
        for number, target in enumerate(targets):
            thread = threading.Thread(target=target, name=f"{self._service}-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def pause(self, *, timeout: float) -> bool:
        """Let no more arrivals come and wait until none runs or waits; say whether that was so in time.

        A pause ends by itself after a minute, so that whoever asked for it may die.
        """
        with self._settled:
            if self._state is State.RUNNING:
                self._state = State.PAUSED
            self._paused_until = monotonic() + PAUSE_EXPIRES_S
            return self._settled.wait_for(self._is_idle, timeout)

    def resume(self) -> None:
        """End a pause."""
        with self._settled:
            if self._state is State.PAUSED:
                self._state = State.RUNNING

    def drain(self, *, timeout: float) -> bool:
        """Take no more arrivals, finish what is queued, stop the threads; say whether all was done."""
        with self._settled:
            self._state = State.DRAINING
            self._draining.set()
            done = self._settled.wait_for(self._is_idle, timeout)
        for _ in self._threads:
            self._queue.put(None)
        return done

    def _is_idle(self) -> bool:
        return not self._unfinished

    def _dispatch(self) -> None:
        rng = random.Random(self._settings.workload_random_seed)
        # One process for all operations, each arrival's drawn by its share: the same as one for each.
        arrivals = Arrivals(rng, start=self._started)
        rates: list[float] = []
        valid_until = self._started
        while not self._draining.is_set():
            now = monotonic()
            due = arrivals.advance(now, rate=sum(rates))
            if due:
                operations = rng.choices(self._operations, rates, k=len(due))
                self._enqueue(map(_Due, operations, due))
            if now >= valid_until:
                rates = self._rates(now)
                valid_until = now + RATES_VALID_S
            wake = min(valid_until, arrivals.next_due(rate=sum(rates)))
            self._draining.wait(max(0.0, wake - monotonic()))

    def _rates(self, now: float) -> list[float]:
        """Return the rate of each operation, and show it."""
        if self._state is State.PAUSED and now > self._paused_until:
            self.resume()
        asked = 0.0
        if self._state is State.RUNNING:
            asked = self._load * factor(self._settings.workload_shape, now - self._started)
        rates = [operation.rate(self._settings) * asked for operation in self._operations]
        for operation, rate in zip(self._operations, rates, strict=True):
            self._metrics.gauge(
                "credit_target_rate", service=self._service, operation=operation.name
            ).set(rate)
        return rates

    def _enqueue(self, due: Iterable[_Due]) -> None:
        with self._settled:
            if self._state is not State.RUNNING:
                return
            for arrival in due:
                self._count("credit_arrivals", arrival)
                if self._queue.qsize() >= MAX_QUEUE:
                    self._count("credit_arrivals_dropped", arrival)
                else:
                    self._unfinished += 1
                    self._queue.put(arrival)

    def _work(self) -> None:
        while (arrival := self._queue.get()) is not None:
            delay = monotonic() - arrival.at
            try:
                if delay > self._settings.workload_queue_seconds:
                    self._count("credit_arrivals_dropped", arrival)
                else:
                    self._metrics.histogram(
                        "credit_start_delay_seconds", service=self._service
                    ).observe(delay)
                    self._run(arrival.operation)
            finally:
                with self._settled:
                    self._unfinished -= 1
                    if self._is_idle():
                        self._settled.notify_all()

    def _count(self, metric: str, arrival: _Due) -> None:
        self._metrics.counter(metric, service=self._service, operation=arrival.operation.name).inc()
