"""The rounds of the measurement: the order of the contestants, and the medians and ratios.

Contestants take short turns within a round, so that other load on the machine affects all of them.
A figure is the median over the rounds, and a ratio the median of the rounds' ratios.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from statistics import median, quantiles

from lab.bench.load.engine import Engine, engine
from lab.bench.load.job import Saturated
from lab.bench.load.pgbench import Pgbench
from lab.bench.load.scenarios import MIX, SCENARIOS
from lab.bench.load.services import RateRun, run_at_rate
from lab.foundation.settings import LabSettings

Progress = Callable[[str], None]

PGBENCH = "pgbench"
# Threads of one process, and of one process for each core.
THREADS = "threads"
PROCESSES = "processes"
# As PROCESSES, with spans.
TRACED = "traced"
SERVICES_S = 30.0
ARRANGEMENTS = (THREADS, PROCESSES)
ENGINES = (*ARRANGEMENTS, TRACED)
# The same operations on psycopg2 alone: the upper bound for each of them.
FLOOR = {name: f"driver, {name}" for name in ENGINES}
CONTESTANTS = (PGBENCH, *(one for name in ENGINES for one in (FLOOR[name], name)))


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadPlan:
    """The extent of a run: seconds of a turn, rounds, connections of each contestant."""

    seconds: float
    rounds: int
    connections: int
    rate: float

    @property
    def processes(self) -> int:
        """The number of processes of the load engine: one per core."""
        return min(os.cpu_count() or 1, self.connections)

    @property
    def turns(self) -> int:
        """The total number of turns."""
        return self.rounds * (len(CONTESTANTS) * len(SCENARIOS) + 2) + 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Saturation:
    """Operations at saturation, by contestant.

    Attributes:
        tps: operations per second.
        ratios: to pgbench.
        of_driver: of each engine to the bare driver in the same arrangement.
        cpu_us: CPU time of the client per operation, in microseconds; pgbench's is unknown.
    """

    tps: Mapping[str, float]
    ratios: Mapping[str, float]
    of_driver: Mapping[str, float]
    cpu_us: Mapping[str, float]

    @property
    def best(self) -> str:
        """The faster arrangement of the load engine: the server may need the other cores."""
        return max(ARRANGEMENTS, key=self.ratios.__getitem__)


@dataclass(frozen=True, kw_only=True, slots=True)
class StartDelays:
    """Start delays in milliseconds by contestant; `ratio` is the load engine's p99 divided by pgbench's."""

    p50_ms: Mapping[str, float]
    p99_ms: Mapping[str, float]
    ratio: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """The result of one run."""

    plan: LoadPlan
    saturation: Mapping[str, Saturation]
    start_delays: StartDelays
    services: RateRun

    def to_json(self) -> dict[str, object]:
        """Return the document of --json; its top-level figures are those of the mix."""
        mix = self.saturation[MIX.name]
        return {
            "engine": mix.best,
            "engine_tps": mix.tps[mix.best],
            "pgbench_tps": mix.tps[PGBENCH],
            "ratio": mix.ratios[mix.best],
            "driver_ratio": mix.ratios[FLOOR[mix.best]],
            "engine_of_driver": mix.of_driver[mix.best],
            "traced_of_driver": mix.of_driver[TRACED],
            "engine_traced_tps": mix.tps[TRACED],
            "lateness_p99_ms": self.start_delays.p99_ms[PROCESSES],
            "pgbench_lateness_p99_ms": self.start_delays.p99_ms[PGBENCH],
            "lateness_ratio": self.start_delays.ratio,
            **asdict(self.plan),
            "processes": self.plan.processes,
            "scenarios": {name: asdict(one) for name, one in self.saturation.items()},
            "services": asdict(self.services),
        }


def measure(settings: LabSettings, plan: LoadPlan, progress: Progress) -> Result:
    """Measure everything on a seeded database.

    Raises:
        LabError: when a contestant fails.
    """
    turns: defaultdict[str, list[dict[str, Saturated]]] = defaultdict(list)
    delays_of_rounds: list[dict[str, tuple[float, float]]] = []
    # First, while the data is unchanged: the other turns submit tens of thousands of proposals.
    progress(f"the five services at {plan.rate:g} operations/s")
    services = run_at_rate(settings, rate=plan.rate, seconds=SERVICES_S)
    with ExitStack() as stack:
        progress("starting the processes of the load engine")
        contestants = _contestants(settings, plan, stack)
        for number in range(1, plan.rounds + 1):
            for scenario in SCENARIOS:
                turn = {}
                for name in CONTESTANTS:
                    progress(f"round {number}: {scenario.name}, {name}")
                    turn[name] = contestants[name].saturate(
                        scenario, seconds=plan.seconds * scenario.lengthened
                    )
                turns[scenario.name].append(turn)
            delays = {}
            for name in (PGBENCH, PROCESSES):
                progress(f"round {number}: {plan.rate:g} operations/s, {name}")
                delays[name] = _p50_and_p99_ms(
                    contestants[name].start_delays(MIX, seconds=plan.seconds, rate=plan.rate)
                )
            delays_of_rounds.append(delays)
    return Result(
        plan=plan,
        saturation={name: saturation(of_rounds) for name, of_rounds in turns.items()},
        start_delays=_start_delays(delays_of_rounds),
        services=services,
    )


def _contestants(
    settings: LabSettings, plan: LoadPlan, stack: ExitStack
) -> Mapping[str, Pgbench | Engine]:
    def our_engine(processes: int, *, traced: bool = False, bare: bool = False) -> Engine:
        return stack.enter_context(
            engine(
                settings,
                processes=processes,
                connections=plan.connections,
                traced=traced,
                bare=bare,
            )
        )

    return {
        PGBENCH: Pgbench(settings, connections=plan.connections),
        THREADS: our_engine(1),
        FLOOR[THREADS]: our_engine(1, bare=True),
        PROCESSES: our_engine(plan.processes),
        FLOOR[PROCESSES]: our_engine(plan.processes, bare=True),
        TRACED: our_engine(plan.processes, traced=True),
        FLOOR[TRACED]: our_engine(plan.processes, traced=True, bare=True),
    }


def saturation(turns: Sequence[Mapping[str, Saturated]]) -> Saturation:
    """Return the medians over the rounds, and of the rounds' ratios."""

    def ratio(name: str, other: str) -> float:
        return median(turn[name].tps / turn[other].tps for turn in turns)

    return Saturation(
        tps={name: median(turn[name].tps for turn in turns) for name in CONTESTANTS},
        ratios={name: ratio(name, PGBENCH) for name in CONTESTANTS},
        of_driver={name: ratio(name, FLOOR[name]) for name in ENGINES},
        cpu_us={
            name: median(turn[name].cpu_us for turn in turns)
            for name in CONTESTANTS
            if name != PGBENCH
        },
    )


def _start_delays(rounds: list[dict[str, tuple[float, float]]]) -> StartDelays:
    return StartDelays(
        p50_ms={name: median(one[name][0] for one in rounds) for name in (PGBENCH, PROCESSES)},
        p99_ms={name: median(one[name][1] for one in rounds) for name in (PGBENCH, PROCESSES)},
        ratio=median(one[PROCESSES][1] / one[PGBENCH][1] for one in rounds),
    )


def _p50_and_p99_ms(delays: list[float]) -> tuple[float, float]:
    percentiles = quantiles(delays, n=100)
    return percentiles[49] * 1000, percentiles[98] * 1000
