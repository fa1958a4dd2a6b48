"""The conditions of a measurement: machine, versions, load, and whether the noise permits the claim.

Every benchmark measures within `watched`, and prints its result by `publish`. Three disturbances are
measured: steal time of the hypervisor, CPU time of other processes, and the spread of a fixed loop before and
after the measurement, which shows what else makes a processor slower (frequency, caches, preemption).
"""

import os
import platform
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles
from time import monotonic, perf_counter

import psutil
from rich.console import RenderableType
from rich.text import Text

from lab.foundation import clock, processors
from lab.foundation.processors import Shares
from lab.stack.native.process_cost import cost_of
from lab.terminal.screen import err, out
from workload import __version__

# Libraries on which the figures depend.
LIBRARIES = ("ddtrace", "psycopg2-binary")
LOOPS = 40
LOOP_STEPS = 20_000
PERCENT = 100
MB = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """The machine and the versions; `date` is the UTC time when the measurement ended."""

    date: str
    processors: int
    model: str
    memory_mb: int
    system: str
    versions: Mapping[str, str]

    @classmethod
    def current(cls, programs: Mapping[str, str]) -> "Machine":
        """Return this machine; `programs` adds the versions of programs that the benchmark starts."""
        versions = {"lab": __version__, "python": platform.python_version()}
        versions |= {name: version(name) for name in LIBRARIES}
        return cls(
            date=f"{clock.now():%Y-%m-%d %H:%M} UTC",
            processors=len(os.sched_getaffinity(0)),
            model=_model(),
            memory_mb=psutil.virtual_memory().total // MB,
            system=f"{platform.system()} {platform.release()}",
            versions=versions | {"sqlite": sqlite3.sqlite_version} | dict(programs),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """The load of the machine during the measurement; shares are of all processors, 0 to 1.

    Attributes:
        seconds: length of the measurement.
        busy, stolen: as in `Shares`.
        others: CPU time of processes that do not belong to the benchmark.
        load_average: of one minute, before and after.
        loop_spread: interquartile range of the fixed loop's times divided by their median.
        loop_drift: the loop's median after the measurement divided by that before, minus 1.
    """

    seconds: float
    busy: float
    stolen: float
    others: float
    load_average: tuple[float, float]
    loop_spread: float
    loop_drift: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Conditions:
    """Machine, load and claim: `claim` is the relative error that the benchmark promises, such as 0.05."""

    machine: Machine
    load: Load
    claim: float

    @property
    def noise(self) -> tuple[str, ...]:
        """The disturbances that exceed the claim; empty when none does."""
        return tuple(reasons(self.load, self.claim))

    def to_json(self) -> dict[str, object]:
        """Return the document `machine` of --json."""
        return {
            **asdict(self.machine),
            "load": asdict(self.load),
            "claim": self.claim,
            "noise": list(self.noise),
        }

    def lines(self) -> Sequence[str]:
        """Return the text below a benchmark's tables, without the warning."""
        machine, load = self.machine, self.load
        versions = ", ".join(f"{name} {number}" for name, number in machine.versions.items())
        before, after = load.load_average
        during = (
            f"during {load.seconds:.0f} s: busy {load.busy:.0%}, other processes {load.others:.1%}, stolen"
            f" {load.stolen:.1%}; load average {before:.1f} and {after:.1f};"
            f" fixed loop: spread {load.loop_spread:.1%}, drift {load.loop_drift:+.1%}"
        )
        host = (
            f"{machine.date}: {machine.processors} processors ({machine.model}),"
            f" {machine.memory_mb:,} MB, {machine.system}"
        )
        return host, versions, during

    def warning(self) -> str | None:
        """Return the sentence about noise; None on an idle machine."""
        if not self.noise:
            return None
        return (
            f"The machine is too noisy for figures to {self.claim:.0%}: {'; '.join(self.noise)}."
            " Repeat the measurement on an idle machine."
        )


def reasons(load: Load, claim: float) -> Iterator[str]:
    """Yield each disturbance that exceeds the claim.

    >>> quiet = dict(seconds=9.0, busy=0.9, load_average=(0.1, 2.0), loop_drift=0.0)
    >>> list(reasons(Load(stolen=0.0, others=0.01, loop_spread=0.02, **quiet), 0.05))
    []
    >>> list(reasons(Load(stolen=0.08, others=0.01, loop_spread=0.02, **quiet), 0.05))
    ['the hypervisor took 8.0 % (steal time)']
    """
    for what, share in (
        ("the hypervisor took {:.1f} % (steal time)", load.stolen),
        ("other processes took {:.1f} % of the processors", load.others),
        ("the times of a fixed loop have a spread of {:.1f} %", load.loop_spread),
        ("a fixed loop drifted by {:.1f} %", abs(load.loop_drift)),
    ):
        if share > claim:
            yield what.format(share * PERCENT)


def loop_figures(before: Sequence[float], after: Sequence[float]) -> tuple[float, float]:
    """Return spread and drift of the fixed loop's times, in any unit; the larger of the two spreads.

    >>> loop_figures([1.0, 1.0, 1.0, 1.0], [2.0, 2.0, 2.0, 2.0])
    (0.0, 1.0)
    """
    spread = max(_spread(before), _spread(after))
    return spread, median(after) / median(before) - 1


def _spread(times: Sequence[float]) -> float:
    low, middle, high = quantiles(times, n=4)
    return (high - low) / middle


def others_share(
    shares: Shares, own_cpu_s: float, *, seconds: float, processors_total: int
) -> float:
    """Return the share of all processors that other processes took: busy time without the benchmark's own.

    >>> others_share(Shares(busy=0.75, stolen=0.0), 10.0, seconds=10.0, processors_total=2)
    0.25
    """
    return max(0.0, shares.busy - own_cpu_s / (seconds * processors_total))


@dataclass(kw_only=True)
class Watch:
    """A measurement under way; `conditions` is complete when its block has ended."""

    claim: float
    programs: dict[str, str]
    conditions: Conditions | None = None
    _roots: list[tuple[psutil.Process, float]] = field(default_factory=list)

    def include(self, processes: Iterable[psutil.Process]) -> None:
        """Count processes with their descendants as the benchmark's own: a lab that it measures."""
        self._roots += [(process, cost_of(process).cpu_s) for process in processes]

    def own_cpu_s(self) -> float:
        """Return the CPU time of the benchmark's own processes since they were included."""
        return sum(max(0.0, cost_of(process).cpu_s - before) for process, before in self._roots)


@contextmanager
def watched(claim: float, programs: Mapping[str, str] | None = None) -> Iterator[Watch]:
    """Measure the conditions while the block runs.

    Args:
        claim: the relative error that the benchmark promises, such as 0.05.
        programs: versions of programs that it starts, by name.
    """
    watch = Watch(claim=claim, programs=dict(programs or {}))
    loops, load_before = _loops(), os.getloadavg()[0]
    watch.include([psutil.Process()])
    times, begun = processors.now(), monotonic()
    yield watch
    seconds = max(monotonic() - begun, 1e-6)
    shares = processors.between(times, processors.now())
    own_cpu_s = watch.own_cpu_s()
    spread, drift = loop_figures(loops, _loops())
    watch.conditions = Conditions(
        machine=Machine.current(watch.programs),
        claim=claim,
        load=Load(
            seconds=seconds,
            busy=shares.busy,
            stolen=shares.stolen,
            others=others_share(
                shares, own_cpu_s, seconds=seconds, processors_total=psutil.cpu_count() or 1
            ),
            load_average=(load_before, os.getloadavg()[0]),
            loop_spread=spread,
            loop_drift=drift,
        ),
    )


def publish(
    watch: Watch,
    document: Mapping[str, object],
    view: Callable[[], RenderableType],
    *,
    as_json: bool,
) -> None:
    """Print the result: the document with the key `machine`, or the view with the conditions below it."""
    conditions = watch.conditions
    assert conditions, "the block of `watched` has ended"
    if as_json:
        out.print_json(data={**document, "machine": conditions.to_json()})
    else:
        out.print(view())
        out.print(Text("\n".join(conditions.lines()), style="dim"), soft_wrap=True)
    if warning := conditions.warning():
        err.print(Text(f"  ! {warning}", style="yellow"), soft_wrap=True)


def _loops() -> list[float]:
    """Return the times of a fixed loop, in seconds."""
    times = []
    for _ in range(LOOPS):
        begun = perf_counter()
        for _ in range(LOOP_STEPS):
            pass
        times.append(perf_counter() - begun)
    return times


def _model() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine() or "unknown"
