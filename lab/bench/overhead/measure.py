"""The rounds: each mode has a turn in each of them, compared with the unobserved turn of the same round.

A turn runs the lab's mix of operations in a closed loop, so the cost of an observer shows as throughput.
Latencies are of whole operations at that saturation, from an operation's start to its end.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, quantiles
from threading import Event

from lab.bench.load.engine import Engine, engine
from lab.bench.load.scenarios import MIX
from lab.bench.overhead.modes import ALWAYS_ON, MODES, SCRAPE_EVERY_S, UNOBSERVED, Mode, order
from lab.bench.overhead.observers import observed, observer, scraped, sink
from lab.bench.overhead.ratios import Estimate, difference, ratio
from lab.bench.overhead.server import set_auto_explain
from lab.bench.process import Process
from lab.foundation.settings import LabSettings

Progress = Callable[[str], None]
# Spans of the previous turn are sent within a second.
SETTLE_S = 0.5
# Warm-up: pools and caches fill.
WARM_UP_S = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class OverheadPlan:
    """Seconds of a turn, rounds, and the load: processes, and connections over all of them."""

    seconds: float
    rounds: int
    processes: int
    connections: int

    @property
    def turns(self) -> int:
        """The total number of turns."""
        return self.rounds * len(MODES)

    @property
    def scrape_every_s(self) -> float:
        """Seconds between scrapes: at least one scrape per turn, so more often than in the lab."""
        return min(SCRAPE_EVERY_S, self.seconds)


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """The load in one turn; the CPU time is the clients', without that of the database."""

    operations_per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    client_cpu_us_per_statement: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """One mode and the unobserved load: ratios, and additional microseconds of client CPU per statement."""

    operations_per_s: Estimate
    p50_ms: Estimate
    p95_ms: Estimate
    p99_ms: Estimate
    client_cpu_us_per_statement: Estimate


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """Every turn, by mode and in the order of the rounds."""

    plan: OverheadPlan
    turns: Mapping[str, Sequence[Turn]]

    def typical(self, mode: Mode) -> Turn:
        """Return the medians of a mode's turns."""
        turns = self.turns[mode.name]
        return Turn(**{name: median(getattr(turn, name) for turn in turns) for name in _FIGURES})

    def cost(self, mode: Mode) -> Cost:
        """Return the cost of a mode, from each of its turns and the unobserved turn of the same round."""
        pairs = list(zip(self.turns[mode.name], self.turns[UNOBSERVED.name], strict=True))

        def ratios(name: str) -> Estimate:
            return ratio(
                [getattr(with_it, name) / getattr(without, name) for with_it, without in pairs]
            )

        cpu = "client_cpu_us_per_statement"
        more = [getattr(with_it, cpu) - getattr(without, cpu) for with_it, without in pairs]
        return Cost(
            **{name: ratios(name) for name in _FIGURES if name != cpu},
            client_cpu_us_per_statement=difference(more),
        )

    def to_json(self) -> dict[str, object]:
        """Return the document of --json."""
        return {
            **asdict(self.plan),
            "scrape_every_s": self.plan.scrape_every_s,
            "always_on": ALWAYS_ON,
            "interval": "95 %, Student's t over the rounds; of ratios by their logarithms",
            "modes": {
                mode.name: {
                    "what": mode.what,
                    "median": asdict(self.typical(mode)),
                    "cost": None if mode is UNOBSERVED else asdict(self.cost(mode)),
                    "turns": [asdict(turn) for turn in self.turns[mode.name]],
                }
                for mode in MODES
            },
        }


_FIGURES = tuple(Turn.__dataclass_fields__)


def measure(settings: LabSettings, plan: OverheadPlan, state: Path, progress: Progress) -> Result:
    """Measure every mode on a seeded database of the benchmark's server.

    Raises:
        LabError: when an observer does not start, or it or an operation fails.
    """
    turns: dict[str, list[Turn]] = {mode.name: [] for mode in MODES}
    with ExitStack() as stack:
        progress("starting the observers and the load")
        site = _Site.open(settings, plan, state, stack)
        for number in range(plan.rounds):
            for mode in order(number):
                progress(f"round {number + 1} of {plan.rounds}: {mode.name}")
                turns[mode.name].append(site.turn(mode, plan))
    return Result(plan=plan, turns=turns)


@dataclass(frozen=True, kw_only=True)
class _Site:
    """The components of a run, ready for its turns; the agent is frozen in turns without it."""

    settings: LabSettings
    agent: Process
    exporter: Process
    untraced: Engine
    traced: Engine

    @classmethod
    def open(
        cls, settings: LabSettings, plan: OverheadPlan, state: Path, stack: ExitStack
    ) -> "_Site":
        port = stack.enter_context(sink())
        own = observed(settings, console_port=port)

        def load(*, traced: bool) -> Engine:
            return stack.enter_context(
                engine(
                    own,
                    processes=plan.processes,
                    connections=plan.connections,
                    traced=traced,
                    spans_to=f"http://127.0.0.1:{port}",
                )
            )

        exporter = stack.enter_context(observer("postgres_exporter", own, state))
        agent = stack.enter_context(observer("datadog", own, state))
        site = cls(
            settings=own,
            agent=agent,
            exporter=exporter,
            untraced=load(traced=False),
            traced=load(traced=True),
        )
        agent.freeze()
        for warming in (site.untraced, site.traced):
            warming.timed(MIX, seconds=WARM_UP_S)
        return site

    def turn(self, mode: Mode, plan: OverheadPlan) -> Turn:
        set_auto_explain(self.settings, on=mode.auto_explain)
        load = self.traced if mode.tracing else self.untraced
        Event().wait(SETTLE_S)
        with ExitStack() as stack:
            if mode.agent:
                self.agent.thaw()
                stack.callback(self.agent.freeze)
            if mode.exporter:
                stack.enter_context(scraped(self.settings, every_s=plan.scrape_every_s))
            done = load.timed(MIX, seconds=plan.seconds)
        self.agent.require()
        self.exporter.require()
        percentiles = quantiles((one for part in done for one in part.durations), n=100)
        return Turn(
            operations_per_s=sum(one.operations / one.seconds for one in done),
            p50_ms=percentiles[49] * 1000,
            p95_ms=percentiles[94] * 1000,
            p99_ms=percentiles[98] * 1000,
            client_cpu_us_per_statement=1e6
            * sum(one.cpu_seconds for one in done)
            / sum(one.statements for one in done),
        )
