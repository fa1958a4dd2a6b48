"""`bench console`: the impact on the services of a console that is stopped, frozen, or has a full disk.

The console receives the services' spans, and must not slow them down. The benchmark starts five services
and a console, at a constant rate; each round has a turn of every state, so that other load on the machine
affects all states. Ratios are to the turn with the console in the same round.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from threading import Event
from typing import Annotated

import typer
from rich.table import Table

from lab.bench.grid import grid
from lab.bench.load.services import DELAY, Counts, counted, idle, quantile, running
from lab.bench.machine import publish, watched
from lab.bench.own_console import OwnConsole, own_console
from lab.bench.scratch import postgres_version, scratch_database, seeded
from lab.clients.services import ServiceClient
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.terminal.interruption import interruptible
from lab.terminal.options import AsJson, number
from lab.terminal.screen import Screen
from workload.limits import MAX_LOAD
from workload.services import SERVICES

DATABASE = "creditlab_bench_console"
# Rates are paired within a round.
CLAIM = 0.1
SCALE = 0.1
# Pools, caches and the tracers' queues settle after a change; a tracer's timeout is two seconds.
SETTLE_S = 3.0
ON = "on"
STATES: Mapping[str, Callable[[OwnConsole], None]] = {
    ON: OwnConsole.restore,
    "stopped": OwnConsole.stop,
    "killed": OwnConsole.kill,
    "frozen": OwnConsole.freeze,
    "disk full": OwnConsole.fill_disk,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """The services in one turn: rates per second, delays in seconds."""

    operation_rate: float
    start_delay_p50: float
    start_delay_p99: float
    dropped: int
    errors: int


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """A state of the console: medians over the rounds; sums of dropped and failed operations.

    `rate_ratio` and `p99_ratio` are medians of the rounds' ratios to the turn with the console.
    """

    typical: Turn
    rate_ratio: float
    p99_ratio: float


def console(
    seconds: Annotated[int, typer.Option(help="Seconds of each turn.", min=1, max=3600)] = 10,
    rounds: Annotated[int, typer.Option(help="Rounds; figures are medians.", min=1, max=1000)] = 5,
    load: Annotated[
        float,
        typer.Option(
            help="Multiplies the default rates of the services.",
            parser=number(0.1, MAX_LOAD),
            metavar="X",
        ),
    ] = 4.0,
    as_json: AsJson = False,
) -> None:
    """Measure the services with the console on, stopped, killed, frozen, and with a full disk."""
    settings = LabSettings.load()
    with (
        interruptible(),
        watched(CLAIM, postgres_version()) as watch,
        Screen() as screen,
        scratch_database(settings, DATABASE) as scratch,
    ):
        seeded(scratch, SCALE)
        screen.begin("rounds")
        states = measure(scratch, load, rounds=rounds, seconds=seconds, say=screen.wait)
    document = {"states": {name: asdict(state) for name, state in states.items()}}
    publish(watch, document, lambda: _table(states, load), as_json=as_json)


def measure(
    settings: LabSettings,
    load: float,
    *,
    rounds: int,
    seconds: float,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, State]:
    """Measure every state on a seeded database; its server's log is followed as in a lab.

    Raises:
        LabError: when a service or the console does not start.
    """
    log = settings.postgres_log_dir or Paths.of(settings).postgres / "data" / "log"
    turns: dict[str, list[Turn]] = {name: [] for name in STATES}
    with (
        tempfile.TemporaryDirectory(prefix="creditlab-bench-") as directory,
        own_console(Path(directory), log=log) as own,
        running(idle(settings.model_copy(update={"console_port": own.port}))) as services,
    ):
        for service in services:
            service.set_load(load)
        for number in range(1, rounds + 1):
            for name, bring_about in STATES.items():
                say(f"round {number} of {rounds}: console {name}")
                own.restore()
                bring_about(own)
                turns[name].append(_turn(services, seconds))
        own.restore()
    return {name: _state(of_state, turns[ON]) for name, of_state in turns.items()}


def _turn(services: Sequence[ServiceClient], seconds: float) -> Turn:
    Event().wait(SETTLE_S)
    start = counted(services)
    Event().wait(seconds)
    counts = counted(services)
    counts.subtract(start)
    delays: dict[float, float] = {
        float(le): count for (name, le), count in counts.items() if name == DELAY
    }
    return Turn(
        operation_rate=_total(counts, "credit_operations_total") / seconds,
        start_delay_p50=quantile(0.5, delays),
        start_delay_p99=quantile(0.99, delays),
        dropped=round(_total(counts, "credit_arrivals_dropped_total")),
        errors=round(counts["credit_operations_total", "error"]),
    )


def _total(counts: Counts, wanted: str) -> float:
    return sum(value for (name, _), value in counts.items() if name == wanted)


def _state(turns: Sequence[Turn], on: Sequence[Turn]) -> State:
    pairs = list(zip(turns, on, strict=True))
    return State(
        typical=Turn(
            operation_rate=median(turn.operation_rate for turn in turns),
            start_delay_p50=median(turn.start_delay_p50 for turn in turns),
            start_delay_p99=median(turn.start_delay_p99 for turn in turns),
            dropped=sum(turn.dropped for turn in turns),
            errors=sum(turn.errors for turn in turns),
        ),
        rate_ratio=median(a.operation_rate / b.operation_rate for a, b in pairs),
        p99_ratio=median(a.start_delay_p99 / b.start_delay_p99 for a, b in pairs),
    )


def _table(states: Mapping[str, State], load: float) -> Table:
    asked = load * sum(
        o.rate(LabSettings.model_construct()) for s in SERVICES.values() for o in s.operations
    )
    table = grid(
        f"The five services at {asked:.0f} operations/s, by state of the console",
        "finished/s", "ratio", "start delay p50, ms", "p99, ms", "ratio", "dropped", "errors",
        names="console",
    )  # fmt: skip
    for name, state in states.items():
        typical = state.typical
        table.add_row(
            name,
            f"{typical.operation_rate:.1f}",
            f"{state.rate_ratio:.3f}",
            f"{typical.start_delay_p50 * 1000:.2f}",
            f"{typical.start_delay_p99 * 1000:.1f}",
            f"{state.p99_ratio:.2f}",
            str(typical.dropped),
            str(typical.errors),
        )
    return table
