"""The open loop: arrivals are scheduled independently of the database; threads take them in order.

The threads are leader and followers: of the free threads one waits for the next arrival and starts it
itself, since a handover would cost another wake-up, and the next one becomes the leader. While all are
busy, a clock thread queues arrivals. An arrival that finds the queue full, or that waited too long,
is dropped and counted: the start delay is measured, without coordinated omission.
"""

import logging
import random
import threading
from collections import deque
from collections.abc import Callable, Sequence
from enum import StrEnum
from itertools import accumulate
from time import monotonic, time
from typing import NamedTuple

from workload.limits import MAX_ARRIVALS_PER_S, MAX_LOAD
from workload.metrics import Metrics
from workload.operation import Operation, Result
from workload.pacing import Arrivals, factor
from workload.settings import Settings

log = logging.getLogger(__name__)

MAX_QUEUE = 20_000
# The time until a change of load or shape takes effect.
RATES_VALID_S = 0.1
PAUSE_EXPIRES_S = 60.0


class State(StrEnum):
    """The state of a service."""

    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    DRAINING = "draining"


class _Due(NamedTuple):
    """An operation, and its scheduled start."""

    operation: Operation
    at: float


class Engine:
    """Arrivals, queue and threads of one service.

    `run` executes one operation; `share` is this process's share of all arrivals.
    """

    def __init__(
        self,
        *,
        service: str,
        operations: Sequence[Operation],
        threads: int,
        settings: Settings,
        metrics: Metrics,
        run: Callable[[Operation], Result],
        share: Callable[[], float] = lambda: 1.0,
    ) -> None:
        self._service = service
        self._operations = operations
        self._workers = threads
        self._settings = settings
        self._metrics = metrics
        self._start_delay = metrics.histogram("credit_start_delay_seconds", service=service)
        self._arrived, self._dropped = (
            {o.name: metrics.counter(name, service=service, operation=o.name) for o in operations}
            for name in ("credit_arrivals", "credit_arrivals_dropped")
        )
        self._run = run
        self._share = share
        self._load = settings.workload_load
        self._threads: list[threading.Thread] = []
        self._lead = threading.Lock()
        # The lock of all fields below. The leader waits on one condition, pause and drain on the other.
        lock = threading.Lock()
        self._due = threading.Condition(lock)
        self._settled = threading.Condition(lock)
        self._state = State.STARTING
        self._paused_until = 0.0
        self._queue: deque[_Due] = deque()
        # Arrivals that are queued or under way.
        self._unfinished = 0
        # Two generators: with a seed, the order of the operations does not depend on how many are due.
        seed = settings.workload_random_seed
        self._random = random.Random(seed)
        self._started = monotonic()
        # One process for all operations, each arrival's drawn by its share: the same as one for each.
        rng = random.Random(None if seed is None else seed + 1)
        self._arrivals = Arrivals(rng, start=self._started)
        self._cumulative_rates = [0.0]
        self._rates_valid_until = self._started
        self._is_limited = False

    @property
    def state(self) -> State:
        """The state of the service."""
        return self._state

    @property
    def load(self) -> float:
        """The multiplier of every rate."""
        return self._load

    @property
    def is_limited(self) -> bool:
        """Whether the target rate exceeds MAX_ARRIVALS_PER_S, to which it is then limited."""
        return self._is_limited

    def set_load(self, load: float) -> None:
        """Change the multiplier; effective within a tenth of a second.

        Raises:
            ValueError: when it is not from 0 to MAX_LOAD.
        """
        if not 0 <= load <= MAX_LOAD:
            raise ValueError(f"load {load!r} is not from 0 to {MAX_LOAD:g}")
        self._load = load
        self._metrics.gauge("credit_load_multiplier", service=self._service).set(load)

    def start(self) -> None:
        """Start the threads; returns at once."""
        self.set_load(self._load)
        self._state = State.RUNNING
        if self._load:
            for operation in self._operations:
                if operation.at_start:
                    self._enqueue(_Due(operation, monotonic()))
        targets = [self._keep_time] + [self._work] * self._workers
        for number, target in enumerate(targets):
            thread = threading.Thread(target=target, name=f"{self._service}-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def pause(self, *, timeout: float) -> bool:
        """Stop arrivals and wait until none runs or waits; return whether that was reached in time.

        A pause ends by itself after a minute, in case its caller was killed.
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
        """Stop arrivals, finish the queue, stop the threads; return whether all was finished."""
        with self._settled:
            self._state = State.DRAINING
            self._due.notify_all()
            return self._settled.wait_for(self._is_idle, timeout)

    def _is_idle(self) -> bool:
        return not self._unfinished

    def _keep_time(self) -> None:
        with self._due:
            while self._state is not State.DRAINING:
                self._advance()
                self._due.wait(RATES_VALID_S)

    def _work(self) -> None:
        while (arrival := self._next()) is not None:
            delay = monotonic() - arrival.at
            try:
                if delay > self._settings.workload_queue_seconds:
                    self._dropped[arrival.operation.name].inc()
                else:
                    self._start_delay.observe(delay)
                    self._run(arrival.operation)
            finally:
                with self._settled:
                    self._unfinished -= 1
                    if self._is_idle():
                        self._settled.notify_all()

    def _next(self) -> _Due | None:
        """Become the leader and wait for an arrival; None when the service drains and none is left."""
        with self._lead, self._due:
            while True:
                wake = self._advance()
                if self._queue:
                    return self._queue.popleft()
                if self._state is State.DRAINING:
                    return None
                self._due.wait(max(0.0, wake - monotonic()))

    def _advance(self) -> float:
        """Queue all arrivals due by now, and return the time of the next one."""
        now = monotonic()
        due = self._arrivals.advance(now, rate=self._cumulative_rates[-1])
        if due and self._state is State.RUNNING:
            operations = self._random.choices(
                self._operations, cum_weights=self._cumulative_rates, k=len(due)
            )
            for arrival in map(_Due, operations, due):
                self._enqueue(arrival)
        if now >= self._rates_valid_until:
            self._cumulative_rates = list(accumulate(self._rates_at(now)))
            self._rates_valid_until = now + RATES_VALID_S
        next_due = self._arrivals.next_due(rate=self._cumulative_rates[-1])
        return min(self._rates_valid_until, next_due)

    def _enqueue(self, arrival: _Due) -> None:
        self._arrived[arrival.operation.name].inc()
        if len(self._queue) < MAX_QUEUE:
            self._unfinished += 1
            self._queue.append(arrival)
        else:
            self._dropped[arrival.operation.name].inc()

    def _rates_at(self, now: float) -> list[float]:
        """Return the rate of each operation, and export it as a metric."""
        if self._state is State.PAUSED and now > self._paused_until:
            self._state = State.RUNNING
        asked = 0.0
        if self._state is State.RUNNING:
            # By the wall clock, so that all replicas have the same phase.
            asked = self._load * self._share() * factor(self._settings.workload_shape, time())
        rates = self._bounded([o.rate(self._settings) * asked for o in self._operations])
        for operation, rate in zip(self._operations, rates, strict=True):
            self._metrics.gauge(
                "credit_target_rate", service=self._service, operation=operation.name
            ).set(rate)
        return rates

    def _bounded(self, rates: list[float]) -> list[float]:
        """Return the rates, all lowered by one factor when their sum exceeds MAX_ARRIVALS_PER_S."""
        total = sum(rates)
        was, self._is_limited = self._is_limited, total > MAX_ARRIVALS_PER_S
        if not self._is_limited:
            return rates
        if not was:
            log.warning(
                "the target rate is %.0f arrivals per second; the engine's limit is %.0f",
                total,
                MAX_ARRIVALS_PER_S,
            )
        return [rate * MAX_ARRIVALS_PER_S / total for rate in rates]
