"""The five services as processes at a target rate: achieved rate, dropped operations, start delay.

They are traced as in a native lab; observers of the server stay active. The delays are read from their
histogram, with the precision of its buckets.
"""

import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import TypeAlias

from lab.bench.load.ending import end_all
from lab.bench.own_console import free_port
from lab.clients.services import Sample, ServiceClient, ServiceUnreachableError, clients
from lab.foundation import processors
from lab.foundation.processors import Shares
from lab.foundation.readiness import await_state
from lab.foundation.settings import LabSettings
from lab.stack.native import commands
from lab.stack.native.commands import Command, Launch
from workload.services import SERVICES

START_S = 60
END_S = 30
# Warm-up: pools open, reference data is read, caches fill.
SETTLE_S = 3.0
DELAY = "credit_start_delay_seconds_bucket"

# By metric, and by outcome or bucket.
Counts: TypeAlias = Counter[tuple[str, str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class RateRun:
    """The services at a target rate; rates per second, delay in seconds.

    `processors` is the use of the machine's processors meanwhile.
    """

    asked_rate: float
    arrival_rate: float
    operation_rate: float
    dropped: int
    errors: int
    start_delay_p99: float
    processors: Shares


def run_at_rate(settings: LabSettings, *, rate: float, seconds: float) -> RateRun:
    """Run the five services at a total of `rate` operations per second.

    Raises:
        LabError: when a service does not start.
    """
    default = sum(o.rate(settings) for service in SERVICES.values() for o in service.operations)
    with running(idle(settings)) as services:
        for service in services:
            service.set_load(rate / default)
        Event().wait(SETTLE_S)
        start, before = counted(services), processors.now()
        Event().wait(seconds)
        end, after = counted(services), processors.now()
    counts = Counter({key: value - start[key] for key, value in end.items()})
    totals: Counter[str] = Counter()
    for (name, _), value in counts.items():
        totals[name] += value
    return RateRun(
        asked_rate=rate,
        arrival_rate=totals["credit_arrivals_total"] / seconds,
        operation_rate=totals["credit_operations_total"] / seconds,
        dropped=round(totals["credit_arrivals_dropped_total"]),
        errors=round(counts["credit_operations_total", "error"]),
        start_delay_p99=quantile(
            0.99, {float(le): value for (name, le), value in counts.items() if name == DELAY}
        ),
        processors=processors.between(before, after),
    )


def idle(settings: LabSettings) -> LabSettings:
    """Return settings with free ports and without load."""
    ports = {f"{name}_port": free_port() for name in SERVICES}
    return settings.model_copy(update={"workload_load": 0.0, **ports})


def quantile(share: float, buckets: dict[float, float]) -> float:
    """Return a quantile of cumulative buckets by upper bound, as PromQL's histogram_quantile does.

    >>> quantile(0.5, {0.1: 5.0, 0.2: 10.0, float("inf"): 10.0})
    0.1
    >>> quantile(0.99, {0.1: 0.0, 0.2: 50.0, float("inf"): 100.0})
    0.2
    """
    bounds = sorted(buckets)
    rank = share * buckets[bounds[-1]]
    below, lower = 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= rank and bound != float("inf"):
            within = (rank - below) / (buckets[bound] - below) if buckets[bound] > below else 0.0
            return lower + (bound - lower) * within
        below, lower = buckets[bound], bound if bound != float("inf") else lower
    return lower


@contextmanager
def running(settings: LabSettings) -> Iterator[list[ServiceClient]]:
    """Run the five services as processes, with the ports and the load of these settings.

    Raises:
        LabError: when one does not start.
    """
    launch = Launch(settings=settings, services=tuple(SERVICES))
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for name in SERVICES:
            processes.append(_start(commands.service(name, launch)))  # noqa: PERF401 - one that started must be stopped
        services = clients(settings)
        for service in services:
            await_state(
                f"credit-{service.name} answers", partial(_not_ready, service), within_s=START_S
            )
        yield services
    finally:
        end_all(processes, within_s=END_S)


def _start(command: Command) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command.argv, env=command.environment, stdout=subprocess.DEVNULL)


def _not_ready(service: ServiceClient) -> str | None:
    try:
        service.health()
    except ServiceUnreachableError as error:
        return str(error)
    return None


def counted(services: Sequence[ServiceClient]) -> Counts:
    """Return the sums of the services' counters, by metric and by outcome or bucket."""
    counts: Counts = Counter()
    for sample in (sample for service in services for sample in service.samples()):
        counts[sample.name, _part(sample)] += sample.value  # type: ignore[assignment]
    return counts


def _part(sample: Sample) -> str:
    return sample.labels.get("outcome") or sample.labels.get("le") or ""
