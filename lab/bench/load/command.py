"""The command and its tables."""

from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lab.bench.load.engine import connections
from lab.bench.load.measure import (
    CONTESTANTS,
    PGBENCH,
    PROCESSES,
    TRACED,
    LoadPlan,
    Result,
    Saturation,
    measure,
)
from lab.bench.load.scenarios import MIX, SCENARIOS
from lab.bench.machine import publish, watched
from lab.bench.scratch import Scale, postgres_version, scratch_database, seeded
from lab.foundation.processors import MAX_STOLEN
from lab.foundation.settings import LabSettings
from lab.terminal.interruption import interruptible
from lab.terminal.options import AsJson, number
from lab.terminal.progress import turns
from lab.terminal.screen import err
from workload.limits import MAX_ARRIVALS_PER_S

DATABASE = "creditlab_bench_load"
# Ratios are paired within a round.
CLAIM = 0.05
# The targets of this benchmark: of the bare driver's rate, and of pgbench's start delay.
DRIVER_RATIO = 0.95
START_DELAY_RATIO = 1.0
START_DELAY_P99_MS = 50.0
# The highest load at which operations start without delay.
KEPT_UP = 0.95


def load(
    seconds: Annotated[int, typer.Option(help="Seconds of each turn.", min=1, max=3600)] = 1,
    rounds: Annotated[int, typer.Option(help="Rounds; figures are medians.", min=1, max=1000)] = 9,
    rate: Annotated[
        float,
        typer.Option(
            help="Target rate in operations per second, at which the start delay is measured.",
            parser=number(1, MAX_ARRIVALS_PER_S),
            metavar="N",
        ),
    ] = 500.0,
    scale: Scale = 1.0,
    as_json: AsJson = False,
) -> None:
    """Compare the load engine with pgbench, with the same SQL and number of connections."""
    settings = LabSettings.load()
    plan = LoadPlan(
        seconds=seconds,
        rounds=rounds,
        connections=connections(len(CONTESTANTS)),
        rate=rate,
    )
    with (
        interruptible(),
        watched(CLAIM, postgres_version()) as watch,
        scratch_database(settings, DATABASE) as scratch,
    ):
        seeded(scratch, scale)
        result = _measure(scratch, plan)
    publish(watch, result.to_json(), lambda: _tables(result), as_json=as_json)


def _measure(settings: LabSettings, plan: LoadPlan) -> Result:
    with turns(err, "load", plan.turns) as begun:
        return measure(settings, plan, begun)


def _tables(result: Result) -> RenderableType:
    plan = result.plan
    notes = [f"{scenario.name}: {scenario.what}" for scenario in SCENARIOS]
    notes.append(
        f"{plan.connections} connections each; medians of {plan.rounds} rounds, turns of"
        f" {plan.seconds:g} s, of the mix {plan.seconds * MIX.lengthened:g} s"
    )
    notes.append(
        "threads: the load engine in one process; processes: in one process per core; traced: the same"
        " with spans; driver: the same operations on psycopg2 alone, without pool, metrics and retries"
    )
    notes.append(
        "ratio: to pgbench; of driver: the load engine's rate divided by the bare driver's;"
        " CPU: of the client per operation"
    )
    notes.append(
        "busy, stolen: processor time of all processes of this machine, and steal time of the host"
    )
    parts = (_saturation(result), _start_delays(result), _services(result))
    return Group(
        *(part for table in parts for part in (table, Text())), Text("\n".join(notes), "dim")
    )


def _saturation(result: Result) -> Table:
    table = _table("At saturation, operations per second")
    for scenario in SCENARIOS:
        for heading in (scenario.name, "ratio", "of driver", "CPU, µs"):
            table.add_column(heading, justify="right")
    for name in CONTESTANTS:
        cells = (_cells(result.saturation[one.name], name) for one in SCENARIOS)
        table.add_row(name, *(cell for group in cells for cell in group))
    return table


def _cells(one: Saturation, name: str) -> tuple[RenderableType, ...]:
    """Return the cells of a scenario; the better arrangement and the traced engine are judged."""
    of_driver = f"{one.of_driver[name]:.2f}" if name in one.of_driver else ""
    is_judged = name in {one.best, TRACED}
    return (
        f"{one.tps[name]:,.0f}",
        f"{one.ratios[name]:.2f}",
        _judged(of_driver, good=one.of_driver[name] >= DRIVER_RATIO) if is_judged else of_driver,
        f"{one.cpu_us[name]:,.0f}" if name in one.cpu_us else "",
    )


def _start_delays(result: Result) -> Table:
    delays = result.start_delays
    table = _table(f"At {result.plan.rate:g} operations/s of the mix, start delay in ms")
    for column in ("pgbench -R", "load engine", "ratio"):
        table.add_column(column, justify="right")
    table.add_row("p50", f"{delays.p50_ms[PGBENCH]:.2f}", f"{delays.p50_ms[PROCESSES]:.2f}", "")
    table.add_row(
        "p99",
        f"{delays.p99_ms[PGBENCH]:.2f}",
        f"{delays.p99_ms[PROCESSES]:.2f}",
        _judged(f"{delays.ratio:.2f}", good=delays.ratio <= START_DELAY_RATIO),
    )
    return table


def _services(result: Result) -> Table:
    services = result.services
    delay = services.start_delay_p99 * 1000
    kept_up = services.operation_rate >= KEPT_UP * services.asked_rate and not services.dropped
    table = _table(f"The five services at {services.asked_rate:g} operations/s")
    for column in ("finished/s", "dropped", "errors", "start delay p99, ms", "busy", "stolen"):
        table.add_column(column, justify="right")
    table.add_row(
        "",
        _judged(f"{services.operation_rate:.0f}", good=kept_up),
        str(services.dropped),
        str(services.errors),
        _judged(f"{delay:.1f}", good=delay < START_DELAY_P99_MS),
        f"{services.processors.busy:.0%}",
        _judged(f"{services.processors.stolen:.0%}", good=services.processors.stolen < MAX_STOLEN),
    )
    return table


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", min_width=len(title))
    table.add_column("")
    return table


def _judged(figure: str, *, good: bool) -> Text:
    return Text(figure, style="green" if good else "bold red")
