"""The rounds: each mode has a turn in each of them, compared with the unobserved turn of the same round.

A turn runs the lab's mix of operations, at a fixed arrival rate or in a closed loop. The measurement ends
when every interval is narrow enough, or when its time is over.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from threading import Event
from time import monotonic

from lab.bench.load.engine import Engine, engine
from lab.bench.load.job import Done
from lab.bench.load.scenarios import MIX
from lab.bench.overhead.figures import US, Cost, Turn, cost, turn_of, typical
from lab.bench.overhead.modes import ALWAYS_ON, SCRAPE_EVERY_S, Mode, order
from lab.bench.overhead.observers import Sink, observed, observer, scraped, sink
from lab.bench.overhead.ratios import ROUNDS_AT_LEAST
from lab.bench.overhead.server import set_auto_explain
from lab.bench.overhead.usage import usage
from lab.bench.process import Process
from lab.clients.database import Role, connect, dsn, rows
from lab.foundation.settings import LabSettings

Progress = Callable[[str], None]
# The server's processes finish the work of the previous turn.
SETTLE_S = 0.5
# Warm-up: pools and caches fill.
WARM_UP_S = 2.0
MINUTE_S = 60.0
# The length of a profile, in turns.
PROFILE_TURNS = 3
WRITER = "writer thread"


@dataclass(frozen=True, kw_only=True, slots=True)
class OverheadPlan:
    """The extent of a run, and its load.

    Attributes:
        seconds: length of a turn.
        rounds: the maximum number.
        minutes: no round begins later.
        rate: operations per second; None for a closed loop.
        processes, connections: of the load; connections over all processes.
    """

    seconds: float
    rounds: int
    minutes: float
    rate: float | None
    processes: int
    connections: int

    @property
    def scrape_every_s(self) -> float:
        """Seconds between scrapes: at least one scrape per turn, so more often than in the lab."""
        return min(SCRAPE_EVERY_S, self.seconds)


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """Every turn, by mode and in the order of the rounds; the first mode is the unobserved load.

    `profiles`: of profiled modes, the CPU time of one thread by part, in microseconds per operation.
    """

    plan: OverheadPlan
    modes: Sequence[Mode]
    turns: Mapping[str, Sequence[Turn]]
    profiles: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def typical(self, mode: Mode) -> Turn:
        """Return the medians of a mode's turns."""
        return typical(self.turns[mode.name])

    def cost(self, mode: Mode) -> Cost:
        """Return the cost of a mode, from each of its turns and the unobserved turn of the same round."""
        return cost(self.turns[mode.name], self.turns[self.modes[0].name])

    @property
    def rounds(self) -> int:
        """The number of complete rounds."""
        return len(self.turns[self.modes[0].name])

    @property
    def is_exact(self) -> bool:
        """Whether there are enough rounds, and every interval is narrow enough."""
        return self.rounds >= ROUNDS_AT_LEAST and all(
            self.cost(mode).is_exact for mode in self.modes[1:]
        )

    def to_json(self) -> dict[str, object]:
        """Return the document of --json."""
        return {
            **asdict(self.plan),
            "rounds": self.rounds,
            "is_exact": self.is_exact,
            "scrape_every_s": self.plan.scrape_every_s,
            "always_on": ALWAYS_ON,
            "interval": "95 %, of the trimmed mean over the rounds; of ratios by their logarithms",
            "profiles": self.profiles,
            "modes": {
                mode.name: {
                    "what": mode.what,
                    "median": asdict(self.typical(mode)),
                    "cost": None if mode is self.modes[0] else asdict(self.cost(mode)),
                    "turns": [asdict(turn) for turn in self.turns[mode.name]],
                }
                for mode in self.modes
            },
        }


def measure(
    settings: LabSettings,
    plan: OverheadPlan,
    modes: Sequence[Mode],
    state: Path,
    progress: Progress,
) -> Result:
    """Measure every mode on a seeded database of the benchmark's server.

    Raises:
        LabError: when an observer does not start, or it or an operation fails.
    """
    turns: dict[str, list[Turn]] = {mode.name: [] for mode in modes}
    result = Result(plan=plan, modes=modes, turns=turns)
    with ExitStack() as stack:
        progress("starting the observers and the load")
        site = _Site.open(settings, plan, modes, state, stack)
        ends = monotonic() + plan.minutes * MINUTE_S
        for number in range(plan.rounds):
            if number and (result.is_exact or monotonic() > ends):
                break
            for mode in order(number, modes):
                progress(f"round {number + 1}: {mode.name}")
                turns[mode.name].append(site.turn(mode, plan, number))
        profiles = {}
        for mode in (mode for mode in modes if mode.profiled):
            progress(f"profile: {mode.name}")
            profiles[mode.name] = _parts(
                site.loads[mode.load].profiled(MIX, seconds=PROFILE_TURNS * plan.seconds)
            )
    return replace(result, profiles=profiles)


def _parts(done: Done) -> Mapping[str, float]:
    """Return the CPU time per operation by part, in microseconds; ddtrace's own thread is one."""
    own_us = US * (done.cpu_seconds - done.other_cpu_seconds) / done.operations
    samples = max(1, sum(done.parts.values()))
    parts = {name: own_us * number / samples for name, number in sorted(done.parts.items())}
    return {**parts, WRITER: US * done.other_cpu_seconds / done.operations}


@dataclass(frozen=True, kw_only=True)
class _Site:
    """The components of a run, ready for its turns; the agent is frozen in turns without it."""

    settings: LabSettings
    sink: Sink
    agent: Process
    exporter: Process
    loads: Mapping[object, Engine]

    @classmethod
    def open(
        cls,
        settings: LabSettings,
        plan: OverheadPlan,
        modes: Sequence[Mode],
        state: Path,
        stack: ExitStack,
    ) -> "_Site":
        receiver = stack.enter_context(sink())
        own = observed(settings, console_port=receiver.port)
        start = partial(
            engine,
            own,
            processes=plan.processes,
            connections=plan.connections,
            spans_to=f"http://127.0.0.1:{receiver.port}",
        )
        exporter = stack.enter_context(observer("postgres_exporter", own, state))
        agent = stack.enter_context(observer("datadog", own, state))
        loads: dict[object, Engine] = {}
        for mode in modes:
            if mode.load not in loads:
                loads[mode.load] = stack.enter_context(
                    start(traced=mode.tracing, bare=mode.bare, environment=mode.environment)
                )
        agent.freeze()
        for load in loads.values():
            load.timed(MIX, seconds=WARM_UP_S)
        return cls(settings=own, sink=receiver, agent=agent, exporter=exporter, loads=loads)

    def turn(self, mode: Mode, plan: OverheadPlan, seed: int) -> Turn:
        # A report costs as much as hundreds of operations: the turns of a round have the same ones.
        set_auto_explain(self.settings, on=mode.auto_explain)
        load = self.loads[mode.load]
        Event().wait(SETTLE_S)
        _reset_statements(self.settings)
        pages: list[int] = []
        with ExitStack() as stack:
            if mode.agent:
                self.agent.thaw()
                stack.callback(self.agent.freeze)
            if mode.exporter:
                pages = stack.enter_context(scraped(self.settings, every_s=plan.scrape_every_s))
            sent, before = self.sink.received, usage(self.settings)
            done = load.timed(MIX, seconds=plan.seconds, rate=plan.rate, seed=seed)
            after = usage(self.settings)
        self.agent.require()
        self.exporter.require()
        return turn_of(
            done,
            before,
            after,
            sent_bytes=self.sink.received - sent + sum(pages),
            client_mb=load.resident_mb,
            scrapes=len(pages),
        )


def _reset_statements(settings: LabSettings) -> None:
    with connect(dsn(settings, Role.SUPERUSER)) as connection:
        rows(connection, "SELECT pg_stat_statements_reset()")
