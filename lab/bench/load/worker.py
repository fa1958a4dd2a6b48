"""One process of the load engine under measurement: `python -m lab.bench.load.worker THREADS [bare]`.

The engine is that of the services: Runner, Session, pool, metrics, and for an open loop Engine, without
the HTTP server and the signal handlers of a service. The process runs for the whole benchmark and reads
its jobs from standard input, so no turn includes its start.
"""

import gc
import random
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict, replace
from json import dumps, loads
from time import monotonic, process_time, thread_time
from uuid import uuid4

from prometheus_client import CollectorRegistry

from lab.bench.load.bare import BareRunner
from lab.bench.load.job import Done, Job
from lab.bench.load.profile import sampled
from lab.bench.load.scenarios import BY_NAME, SCENARIOS, Scenario
from workload import tracing
from workload.clocks import Clock
from workload.database import Database
from workload.engine import Engine
from workload.exemplars import SpanIds
from workload.metrics import Metrics
from workload.operation import Operation, Outcome, Result
from workload.runner import Runner
from workload.services import SERVICES
from workload.settings import Settings
from workload.telemetry import DatabaseTelemetry

SERVICE = "credit-bench"
BARE = "bare"
DRAIN_S = 30.0


class _Kept(Clock):
    """Keeps each value: a p99 from buckets would have the precision of a bucket."""

    __slots__ = ("values",)

    def __init__(self) -> None:
        super().__init__()
        self.values: list[float] = []

    def observe(self, seconds: float, ids: SpanIds | None = None) -> None:
        del ids
        self.values.append(seconds)


class _Metrics(Metrics):
    """The services' metrics, without the buckets of the start delay."""

    def __init__(self) -> None:
        super().__init__(CollectorRegistry())
        self.start_delays = _Kept()

    def _histogram(self, name: str, **labels: str) -> Clock:
        if name == "credit_start_delay_seconds":
            return self.start_delays
        return super()._histogram(name, **labels)


class Worker:
    """The scenarios' operations, each run as in its own service, over one pool."""

    def __init__(self, settings: Settings, threads: int, *, bare: bool = False) -> None:
        self._settings = settings.model_copy(update={"workload_load": 1.0})
        self._threads = threads
        self._metrics = _Metrics()
        self._tracing = tracing.start(self._settings, SERVICE)
        runners = self._bare() if bare else self._wired()
        self._runner_of = {
            share.operation.name: runners[share.service]
            for scenario in SCENARIOS
            for share in scenario.shares
        }
        # Shared by all threads: append is atomic, and an operation must not wait for a lock.
        self._outcomes: list[Outcome] = []
        self._durations: list[float] = []

    def _wired(self) -> Mapping[str, Runner]:
        """Build the parts of a service, with one pool for all scenarios."""
        database = Database(
            self._settings,
            service=SERVICE,
            size=self._threads,
            telemetry=DatabaseTelemetry(self._metrics, SERVICE, self._tracing.active),
        )
        return {
            name: Runner(
                service,
                settings=self._settings,
                instance=uuid4(),
                database=database,
                metrics=self._metrics,
                tracing=self._tracing,
                stop=threading.Event(),
            )
            for name, service in SERVICES.items()
        }

    def _bare(self) -> Mapping[str, BareRunner]:
        return dict.fromkeys(
            SERVICES, BareRunner(self._settings, service=SERVICE, tracing=self._tracing)
        )

    def do(self, job: Job) -> Done:
        """Do one job."""
        scenario = BY_NAME[job.scenario]
        self._outcomes.clear()
        self._durations.clear()
        self._metrics.start_delays.values.clear()
        statements = self._statements()
        parts: Mapping[str, int] = {}
        started, cpu_started, own_started = monotonic(), process_time(), thread_time()
        if job.profiled:
            parts = self._profiled_loop(scenario, until=started + job.seconds)
        elif job.rate is None:
            self._closed_loop(scenario, until=started + job.seconds, seed=job.seed)
        else:
            self._open_loop(scenario, job.rate, job.seconds, seed=job.seed)
        seconds = monotonic() - started
        self._tracing.flush()  # so that all spans of a turn are encoded and sent in it
        cpu_seconds, own_seconds = process_time() - cpu_started, thread_time() - own_started
        return Done(
            operations=len(self._outcomes),
            errors=self._outcomes.count(Outcome.ERROR),
            seconds=seconds,
            start_delays=list(self._metrics.start_delays.values),
            durations=list(self._durations) if job.timed else [],
            cpu_seconds=cpu_seconds,
            statements=self._statements() - statements,
            parts=parts,
            other_cpu_seconds=cpu_seconds - own_seconds if job.profiled else 0.0,
        )

    def _statements(self) -> int:
        """Return the number of statements executed so far."""
        return round(
            sum(
                sample.value
                for metric in self._metrics.registry.collect()
                for sample in metric.samples
                if sample.name == "credit_statement_duration_seconds_count"
            )
        )

    def _run(self, operation: Operation) -> Result:
        started = monotonic()
        result = self._runner_of[operation.name].run(operation)
        self._durations.append(monotonic() - started)
        self._outcomes.append(result.outcome)
        return result

    def _closed_loop(self, scenario: Scenario, *, until: float, seed: int | None) -> None:
        rngs = (
            random.Random(None if seed is None else seed * self._threads + number)
            for number in range(self._threads)
        )
        threads = [threading.Thread(target=self._loop, args=(scenario, until, rng)) for rng in rngs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _profiled_loop(self, scenario: Scenario, *, until: float) -> Mapping[str, int]:
        with sampled() as parts:
            self._loop(scenario, until, random.Random())
        return dict(parts)

    def _loop(self, scenario: Scenario, until: float, rng: random.Random) -> None:
        operations = [share.operation for share in scenario.shares]
        weights = [share.weight for share in scenario.shares]
        # Drawn before the turn: pgbench chooses its script at almost no cost.
        order = rng.choices(operations, weights, k=1000)
        while True:
            for operation in order:
                self._run(operation)
                if monotonic() > until:
                    return

    def _open_loop(
        self, scenario: Scenario, rate: float, seconds: float, *, seed: int | None
    ) -> None:
        whole = sum(share.weight for share in scenario.shares)
        rates = {s.operation.name: rate * s.weight / whole for s in scenario.shares}
        engine = Engine(
            service=SERVICE,
            operations=[_at(share.operation, rates) for share in scenario.shares],
            threads=self._threads,
            settings=self._settings.model_copy(update={"workload_random_seed": seed}),
            metrics=self._metrics,
            run=self._run,
        )
        engine.start()
        threading.Event().wait(seconds)
        engine.drain(timeout=DRAIN_S)


def _at(operation: Operation, rates: Mapping[str, float]) -> Operation:
    """The operation at its share of the rate, without the work of a service's start."""
    return replace(operation, rate=lambda _: rates[operation.name], at_start=False)


def main() -> None:
    """Do jobs, one for each line of standard input, until its end."""
    worker = Worker(Settings.load(), threads=int(sys.argv[1]), bare=BARE in sys.argv)
    gc.freeze()  # as the services' process does
    for line in sys.stdin:
        done = worker.do(Job(**loads(line)))
        sys.stdout.write(dumps(asdict(done)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
