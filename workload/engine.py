"""The open loop: arrivals become due whatever the database does; threads take them in order.

One dispatcher thread turns time into arrivals, worker threads carry them out. An arrival that finds the
queue full, or that waited too long, is dropped and counted: lateness is measured, never hidden.
"""

import random
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic

from workload.metrics import Metrics
from workload.operation import Operation, Result
from workload.pacing import Arrivals, factor
from workload.settings import Settings

MAX_QUEUE = 20_000
# The longest the dispatcher sleeps: how soon a change of load or shape is felt.
MAX_SLEEP_S = 0.1
PAUSE_EXPIRES_S = 60.0


class State(StrEnum):
    """What a service does at the moment."""

    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    DRAINING = "draining"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Due:
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
        self._queue: deque[_Due] = deque()
        self._working = 0
        lock = threading.Lock()
        # Two conditions on one lock: a worker's wake-up must not be taken by someone who waits for idleness.
        self._arrived = threading.Condition(lock)
        self._settled = threading.Condition(lock)
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
            self._arrived.notify_all()
        return done

    def _is_idle(self) -> bool:
        return not self._queue and not self._working

    def _rate(self, operation: Operation, now: float) -> float:
        if self._state is State.PAUSED and now > self._paused_until:
            self.resume()
        if self._state is not State.RUNNING:
            return 0.0
        shape = factor(self._settings.workload_shape, now - self._started)
        return operation.rate(self._settings) * self._load * shape

    def _dispatch(self) -> None:
        seeds = random.Random(self._settings.workload_random_seed)
        arrivals = {
            operation.name: Arrivals(random.Random(seeds.random()), start=self._started)
            for operation in self._operations
        }
        while not self._draining.is_set():
            now = monotonic()
            wake = now + MAX_SLEEP_S
            due: list[_Due] = []
            for operation in self._operations:
                rate = self._rate(operation, now)
                self._metrics.gauge(
                    "credit_target_rate", service=self._service, operation=operation.name
                ).set(rate)
                process = arrivals[operation.name]
                due += [_Due(operation=operation, at=at) for at in process.advance(now, rate=rate)]
                wake = min(wake, process.next_due(rate=rate))
            self._enqueue(sorted(due, key=lambda arrival: arrival.at))
            self._draining.wait(max(0.0, wake - monotonic()))

    def _enqueue(self, due: list[_Due]) -> None:
        with self._arrived:
            if self._state is not State.RUNNING:
                return
            for arrival in due:
                self._count("credit_arrivals", arrival)
                if len(self._queue) >= MAX_QUEUE:
                    self._count("credit_arrivals_dropped", arrival)
                else:
                    self._queue.append(arrival)
            self._arrived.notify(len(due))

    def _work(self) -> None:
        while (arrival := self._take()) is not None:
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
                    self._working -= 1
                    if self._is_idle():
                        self._settled.notify_all()

    def _take(self) -> _Due | None:
        with self._arrived:
            self._arrived.wait_for(lambda: self._queue or self._draining.is_set())
            if not self._queue:
                return None
            self._working += 1
            return self._queue.popleft()

    def _count(self, metric: str, arrival: _Due) -> None:
        self._metrics.counter(metric, service=self._service, operation=arrival.operation.name).inc()
