"""The command and its table."""

import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress
from rich.table import Table
from rich.text import Text

from lab import seed as seeding
from lab.bench.machine import publish, watched
from lab.bench.overhead.measure import OverheadPlan, Result, measure
from lab.bench.overhead.modes import ALWAYS_ON, MODES, SCRAPE_EVERY_S, UNOBSERVED
from lab.bench.overhead.ratios import ROUNDS_AT_LEAST, Estimate, Verdict
from lab.bench.own_server import own_server
from lab.bench.scratch import checkpoint, postgres_version
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.stack.native import records
from lab.terminal.interruption import interruptible
from lab.terminal.options import AsJson, number
from lab.terminal.progress import bar
from lab.terminal.screen import err, warn
from workload.limits import MAX_SCALE

CONNECTIONS_PER_CORE = 4
CLAIM = 0.05
STYLES = {
    Verdict.UNKNOWN: "yellow",
    Verdict.SAME: "dim",
    Verdict.LOWER: "bold",
    Verdict.HIGHER: "bold",
}
FIGURES = {
    "operations_per_s": "operations/s",
    "p50_ms": "p50, ms",
    "p95_ms": "p95, ms",
    "p99_ms": "p99, ms",
    "client_cpu_us_per_statement": "CPU/statement, µs",
}


def overhead(
    seconds: Annotated[
        float, typer.Option(help="Seconds of each turn.", parser=number(1, 3600), metavar="S")
    ] = 10.0,
    rounds: Annotated[
        int,
        typer.Option(
            help=f"Rounds; fewer than {ROUNDS_AT_LEAST} give no verdict.", min=1, max=1000
        ),
    ] = 4,
    scale: Annotated[
        float,
        typer.Option(
            help="Size of the data: 1 is 10,000 customers.",
            parser=number(0.01, MAX_SCALE),
            metavar="N",
        ),
    ] = 0.2,
    as_json: AsJson = False,
) -> None:
    """Measure the cost of exporter, agent, tracing, auto_explain and all of them for the load."""
    settings = LabSettings.load()
    if any(records.living(Paths.of(settings).run)):
        warn("The lab runs on the same processors. Stop it first for reliable figures.")
    plan = OverheadPlan(
        seconds=seconds,
        rounds=rounds,
        processes=os.cpu_count() or 1,
        connections=CONNECTIONS_PER_CORE * (os.cpu_count() or 1),
    )
    with interruptible(), watched(CLAIM, postgres_version()) as watch:
        result = run(settings, plan, scale)
    publish(watch, result.to_json(), lambda: tables(result), as_json=as_json)


def run(settings: LabSettings, plan: OverheadPlan, scale: float) -> Result:
    """Measure on a temporary server of the benchmark.

    Raises:
        LabError: when a component does not start, or fails.
    """
    columns = (
        TextColumn("{task.description:<40}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    parent = Paths.of(settings).state
    parent.mkdir(parents=True, exist_ok=True)
    with (
        # On the lab's disk: /tmp may be in memory, where a commit is too fast.
        tempfile.TemporaryDirectory(prefix="bench-", dir=parent) as directory,
        own_server(settings, Path(directory)) as own,
    ):
        with bar(err) as progress:
            seeding.ensure(own.model_copy(update={"seed_scale": scale}), progress=progress)
        checkpoint(own)
        with RichProgress(*columns, console=err, transient=True) as shown:
            task = shown.add_task("", total=plan.turns, completed=-2)
            return measure(
                own,
                plan,
                Path(directory),
                lambda turn: shown.update(task, description=turn, advance=1),
            )


def tables(result: Result) -> RenderableType:
    """Return the figures of each mode and of the unobserved load, with notes."""
    plan = result.plan
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("observed by", no_wrap=True)
    for heading in ("unobserved", "with it", "ratio", "95 % interval"):
        table.add_column(heading, justify="right")
    table.add_column("", no_wrap=True)
    unobserved = result.typical(UNOBSERVED)
    for mode in (mode for mode in MODES if mode is not UNOBSERVED):
        typical, cost = result.typical(mode), result.cost(mode)
        table.add_row(Text(mode.name, style="bold"))
        for name, words in FIGURES.items():
            estimate: Estimate = getattr(cost, name)
            sign = "+" if name.startswith("client") else ""
            digits = 0 if sign else 2
            table.add_row(
                f"  {words}",
                f"{getattr(unobserved, name):,.1f}",
                f"{getattr(typical, name):,.1f}",
                f"{estimate.value:{sign}.{digits}f}",
                _interval(estimate, f"{sign}.{digits}f"),
                Text(estimate.verdict, style=STYLES[estimate.verdict]),
            )
    return Group(table, Text("\n".join(_notes(plan)), style="dim"))


def _interval(estimate: Estimate, form: str) -> str:
    if estimate.low is None or estimate.high is None:
        return "-"
    return f"{estimate.low:{form}} to {estimate.high:{form}}"


def _notes(plan: OverheadPlan) -> list[str]:
    turns = f"Rounds: {plan.rounds}, of {plan.seconds:g} s a turn"
    interval = (
        "geometric mean, with Student's interval of the logarithms; for CPU it is the difference"
    )
    notes = [f"{mode.name}: {mode.what}" for mode in MODES]
    notes += [
        f"Always on: {ALWAYS_ON}.",
        f"{turns}, {plan.connections} connections at saturation; unobserved and with it are medians.",
        f"A ratio is to the unobserved turn of the same round: {interval}.",
        "One interval in twenty does not contain the true value.",
        "CPU/statement is the clients' CPU time, without that of the database.",
        "The payloads of agent and tracers are received and discarded, on the same machine.",
    ]
    if plan.scrape_every_s < SCRAPE_EVERY_S:
        notes.append(f"Turns are short: the exporter is scraped every {plan.scrape_every_s:g} s.")
    return notes
