"""The command and its table."""

import os
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lab.bench.load.engine import connections
from lab.bench.machine import publish, watched
from lab.bench.overhead.figures import Cost, Turn
from lab.bench.overhead.measure import OverheadPlan, Result, measure
from lab.bench.overhead.modes import ALWAYS_ON, MODES, SCRAPE_EVERY_S, Mode
from lab.bench.overhead.ratios import ROUNDS_AT_LEAST, Estimate
from lab.bench.scratch import Scale, postgres_version, seeded, temporary_server
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.stack.native import records
from lab.terminal.interruption import interruptible
from lab.terminal.options import AsJson, number
from lab.terminal.progress import turns
from lab.terminal.screen import err, warn
from workload.limits import MAX_ARRIVALS_PER_S

CLAIM = 0.01
BYTES = {
    "wal_bytes": "WAL, bytes/op",
    "log_bytes": "log, bytes/op",
    "sent_bytes": "sent, bytes/op",
    "server_mb": "server, MB",
    "client_mb": "application, MB",
}
Minutes = Annotated[
    float,
    typer.Option(
        help="Time limit; the run ends earlier when every interval is narrower than 1 %.",
        parser=number(0.01, 10_000),
        metavar="M",
    ),
]
Rounds = Annotated[
    int,
    typer.Option(
        help=f"Maximum number of rounds; fewer than {ROUNDS_AT_LEAST} give no verdict.",
        min=1,
        max=1000,
    ),
]
Seconds = Annotated[
    float, typer.Option(help="Seconds of each turn.", parser=number(1, 3600), metavar="S")
]


def overhead(
    *,
    seconds: Seconds = 10.0,
    rounds: Rounds = 1000,
    minutes: Minutes = 20.0,
    rate: Annotated[
        float,
        typer.Option(
            help="Operations per second, over all processes of the load.",
            parser=number(1, MAX_ARRIVALS_PER_S),
            metavar="N",
        ),
    ] = 200.0,
    scale: Scale = 0.2,
    as_json: AsJson = False,
) -> None:
    """Measure the cost of exporter, agent, tracing, auto_explain and all of them for the load."""
    settings = LabSettings.load()
    if any(records.living(Paths.of(settings).run)):
        warn("The lab runs on the same processors. Stop it first for reliable figures.")
    plan = OverheadPlan(
        seconds=seconds,
        rounds=rounds,
        minutes=minutes,
        rate=rate,
        processes=os.cpu_count() or 1,
        connections=connections(len({mode.load for mode in MODES})),
    )
    with interruptible(), watched(CLAIM, postgres_version()) as watch:
        result = run(settings, plan, MODES, scale)
    publish(watch, result.to_json(), lambda: tables(result), as_json=as_json)


def run(settings: LabSettings, plan: OverheadPlan, modes: Sequence[Mode], scale: float) -> Result:
    """Measure the modes on a temporary server of the benchmark.

    Raises:
        LabError: when a component does not start, or fails.
    """
    with temporary_server(settings) as own:
        seeded(own, scale)
        with turns(err, "turns", None) as begun:
            return measure(own, plan, modes, own.lab_state_dir, begun)


def tables(result: Result) -> RenderableType:
    """Return the cost of each mode, the figures of the unobserved load, and notes."""
    return Group(
        costs(result),
        Text(),
        bytes_and_memory(result),
        Text("\n".join(notes(result)), style="dim"),
    )


def costs(result: Result) -> Table:
    """Return the table of the CPU time: what each observer costs the database and the application."""
    shown = table("observed by", "server, %", "95 % interval", "server, µs", "application, µs")
    for heading in ("µs/statement", "µs/scrape", "all, %", "95 % interval", "p99, ratio"):
        shown.add_column(heading, justify="right")
    unobserved = result.typical(result.modes[0])
    shown.add_row(
        result.modes[0].name,
        *("", "", f"{unobserved.server_us:,.0f}", f"{unobserved.client_us:,.0f}"),
        *(f"{unobserved.cpu_us / unobserved.statements:,.0f}", "", "", ""),
        f"{unobserved.p99_ms:.1f} ms",
    )
    for mode in result.modes[1:]:
        cost, turn = result.cost(mode), result.typical(mode)
        shown.add_row(
            mode.name,
            f"{cost.server_share.value:+.1%}",
            _interval(cost.server_share, "+.1%"),
            f"{cost.server_us.value:+,.1f}",
            f"{cost.differences['client_us'].value:+,.1f}",
            f"{cost.cpu_us.value / unobserved.statements:+,.1f}",
            _per_scrape(result, cost, turn) if mode.is_exporter_alone else "",
            f"{cost.cpu_share.value:+.1%}",
            Text(_interval(cost.cpu_share, "+.1%"), style="" if cost.is_exact else "yellow"),
            f"{cost.ratios['p99_ms'].value:.2f}",
        )
    return shown


def bytes_and_memory(result: Result) -> Table:
    """Return the table of bytes on disk and wire, per operation, and of memory."""
    shown = table("observed by", *BYTES.values())
    for mode in result.modes:
        turn = result.typical(mode)
        shown.add_row(mode.name, *(f"{getattr(turn, name):,.0f}" for name in BYTES))
    return shown


def table(first: str, *headings: str) -> Table:
    """Return a table with left-aligned names and right-aligned figures."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(first, no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right")
    return table


def _per_scrape(result: Result, cost: Cost, turn: Turn) -> str:
    """Return the server's CPU time of a scrape; empty when none was made."""
    if not turn.scrapes or not cost.differences["scrapes"].value:
        return ""
    operations = turn.operations_per_s * result.plan.seconds
    return f"{cost.server_us.value * operations / turn.scrapes:,.0f}"


def _interval(estimate: Estimate, form: str) -> str:
    if estimate.low is None or estimate.high is None:
        return "-"
    return f"{estimate.low:{form}} to {estimate.high:{form}}"


def notes(result: Result) -> list[str]:
    """Return the conditions and the definitions of the figures."""
    plan = result.plan
    load = "at saturation" if plan.rate is None else f"at {plan.rate:g} operations/s of the mix"
    notes = [f"{mode.name}: {mode.what}" for mode in result.modes]
    notes += [
        f"Always on: {ALWAYS_ON}.",
        f"Rounds: {result.rounds}, of {plan.seconds:g} s a turn, {plan.connections} connections, {load}.",
        "Additional CPU time per operation, compared with the unobserved turn of the same round: mean of the",
        "rounds without the lowest and the highest fifth; in % of the unobserved load's CPU time.",
        "server: backends, also the observers', checkpointer, WAL writer, logger and autovacuum;",
        "application: the processes of the load, tracing included; all: both.",
        "One interval in twenty does not contain the true value.",
        "The payloads of agent and tracers are received and discarded, on the same machine.",
    ]
    if not result.is_exact:
        notes.append(
            "Not every interval of all CPU time is narrower than 1 % (yellow): measure longer (--minutes)"
            " or on an idle machine."
        )
    if plan.scrape_every_s < SCRAPE_EVERY_S:
        notes.append(f"Turns are short: the exporter is scraped every {plan.scrape_every_s:g} s.")
    return notes
