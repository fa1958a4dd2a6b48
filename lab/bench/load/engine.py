"""The load engine as a contestant: one process, or one per core with the same job at the same time."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from json import dumps, loads

import psutil

from lab.bench.load.ending import end_all
from lab.bench.load.job import Done, Job, Saturated
from lab.bench.load.scenarios import SCENARIOS, Scenario
from lab.foundation.errors import LabError
from lab.foundation.settings import LabSettings
from lab.stack.environment import inherited, of_settings
from workload.settings import Settings

WARM_UP_S = 0.2
END_S = 30


# Sessions of the role credit_app (postgres/init/10-roles.sql), without some for a service's checks.
SESSIONS = 56
CONNECTIONS_PER_CORE = 4


def connections(loads: int) -> int:
    """Return the connections of each of several loads that are open together: four per core, if permitted.

    >>> connections(SESSIONS), connections(SESSIONS // 2)
    (1, 2)
    """
    return min(CONNECTIONS_PER_CORE * (os.cpu_count() or 1), SESSIONS // loads)


class Engine:
    """Processes of the load engine that wait for their turn."""

    def __init__(self, workers: Sequence[subprocess.Popen[str]], *, warm: bool = True) -> None:
        self._workers = workers
        for scenario in SCENARIOS if warm else ():
            self._do(Job(scenario=scenario.name, seconds=WARM_UP_S))

    def saturate(self, scenario: Scenario, *, seconds: float) -> Saturated:
        """Return the rate of a closed loop.

        Raises:
            LabError: when a process or an operation fails.
        """
        done = self._do(Job(scenario=scenario.name, seconds=seconds))
        return Saturated(
            tps=sum(one.operations / one.seconds for one in done),
            cpu_us=1e6 * sum(one.cpu_seconds for one in done) / sum(one.operations for one in done),
        )

    def start_delays(self, scenario: Scenario, *, seconds: float, rate: float) -> list[float]:
        """Return the start delay of each operation at `rate` per second over all, in seconds.

        Raises:
            LabError: when a process or an operation fails.
        """
        done = self._do(Job(scenario=scenario.name, seconds=seconds, rate=rate))
        return [delay for one in done for delay in one.start_delays]

    def timed(
        self,
        scenario: Scenario,
        *,
        seconds: float,
        rate: float | None = None,
        seed: int | None = None,
    ) -> list[Done]:
        """Return the results of each process, with the duration of each operation.

        Args:
            scenario: the operations.
            seconds: length of the turn.
            rate: operations per second over all processes; None for a closed loop.
            seed: of the order of the operations; None: a different one in each turn.

        Raises:
            LabError: when a process or an operation fails.
        """
        return self._do(
            Job(scenario=scenario.name, seconds=seconds, rate=rate, timed=True, seed=seed)
        )

    def profiled(self, scenario: Scenario, *, seconds: float) -> Done:
        """Return the stack samples of a closed loop of one thread, in the first process.

        Raises:
            LabError: when the process or an operation fails.
        """
        alone = Engine(self._workers[:1], warm=False)
        [done] = alone._do(Job(scenario=scenario.name, seconds=seconds, profiled=True))
        return done

    @property
    def resident_mb(self) -> float:
        """Resident memory of all processes, in MB."""
        return sum(psutil.Process(one.pid).memory_info().rss for one in self._workers) / 1e6

    def _do(self, job: Job) -> list[Done]:
        share = job if job.rate is None else replace(job, rate=job.rate / len(self._workers))
        for number, worker in enumerate(self._workers):
            assert worker.stdin
            if job.seed is not None:
                share = replace(share, seed=job.seed * len(self._workers) + number)
            worker.stdin.write(dumps(asdict(share)) + "\n")
            worker.stdin.flush()
        done = [_answer(worker) for worker in self._workers]
        if errors := sum(one.errors for one in done):
            raise LabError(
                f"{errors} operations of {job.scenario!r} failed: no comparison is possible."
            )
        return done


@contextmanager
def engine(
    settings: LabSettings,
    *,
    processes: int,
    connections: int,
    traced: bool = False,
    bare: bool = False,
    spans_to: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Engine]:
    """Start a load engine with `connections` threads over all its processes, for the duration of a block.

    Args:
        settings: the database, and the settings of the services.
        processes: their number.
        connections: number over all processes.
        traced: whether operations have spans.
        bare: whether operations use the driver alone.
        spans_to: URL of the spans' receiver; None: as in the caller's environment.
        environment: further settings of ddtrace.
    """
    variables = {
        **inherited(),
        **of_settings(settings, Settings.model_fields),
        "DD_TRACE_ENABLED": str(traced).lower(),
        **({"DD_TRACE_AGENT_URL": spans_to} if spans_to else {}),
        **(environment or {}),
    }
    command = [sys.executable, "-P", "-m", "lab.bench.load.worker", str(connections // processes)]
    if bare:
        command.append("bare")
    workers: list[subprocess.Popen[str]] = []
    try:
        while len(workers) < processes:
            workers.append(_start(command, variables))
        yield Engine(workers)
    finally:
        end_all(workers, within_s=END_S)
        for worker in workers:
            worker.communicate()


def _start(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C must reach only the benchmark, which ends them
    )


def _answer(worker: subprocess.Popen[str]) -> Done:
    assert worker.stdout
    line = worker.stdout.readline()
    if not line:
        with suppress(subprocess.TimeoutExpired):
            worker.wait(END_S)
        raise LabError(
            "A process of the load engine returned no result;"
            f" its exit status is {worker.poll()} (None: it was still running, and is ended)."
        )
    return Done(**loads(line))
