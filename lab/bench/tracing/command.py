"""The command and its tables."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lab.bench.load.engine import connections
from lab.bench.machine import publish, watched
from lab.bench.overhead.command import (
    CLAIM,
    Minutes,
    Rounds,
    Seconds,
    notes,
    run,
    table,
)
from lab.bench.overhead.figures import Turn
from lab.bench.overhead.measure import OverheadPlan, Result
from lab.bench.overhead.modes import Mode
from lab.bench.overhead.ratios import ratio
from lab.bench.scratch import Scale, postgres_version
from lab.bench.tracing.modes import FLOOR, FULL, MODES
from lab.foundation.settings import LabSettings
from lab.terminal.interruption import interruptible
from lab.terminal.options import AsJson

OF_FLOOR = 0.95


def tracing(
    *,
    seconds: Seconds = 3.0,
    rounds: Rounds = 1000,
    minutes: Minutes = 20.0,
    scale: Scale = 0.2,
    as_json: AsJson = False,
) -> None:
    """Measure spans, comment injection and sampling, for the driver as the services use it."""
    plan = OverheadPlan(
        seconds=seconds,
        rounds=rounds,
        minutes=minutes,
        rate=None,
        processes=1,
        connections=connections(len({mode.load for mode in MODES})),
    )
    with interruptible(), watched(CLAIM, postgres_version()) as watch:
        result = run(LabSettings.load(), plan, MODES, scale)
    publish(watch, document(result), lambda: tables(result), as_json=as_json)


def document(result: Result) -> dict[str, object]:
    """Return the document of --json."""
    return {**result.to_json(), "of_floor": of_floor(result)}


def of_floor(result: Result) -> float:
    """Return the rate of the traced engine divided by that of the traced driver alone."""
    pairs = zip(result.turns[FULL.name], result.turns[FLOOR.name], strict=True)
    return ratio([one.operations_per_s / floor.operations_per_s for one, floor in pairs]).value


def bytes_per_span(turn: Turn, statements: float) -> float:
    """Return the payload bytes of a span: an operation has one, and one for each statement."""
    return turn.sent_bytes / (1 + statements)


def tables(result: Result) -> RenderableType:
    """Return the figures of each mode, the profile, and notes."""
    found = of_floor(result)
    style = "green" if found >= OF_FLOOR else "bold red"
    floor = Text(f"full / driver, full: {found:.2f} of its rate", style=style)
    text = Text("\n".join(notes(result)), style="dim")
    return Group(_modes(result), Text(), _profile(result), Text(), floor, text)


def _modes(result: Result) -> Table:
    """Return the table of the modes: rates, CPU time per statement, and the database's side."""
    shown = table("tracing", "rate", "p99", "client, µs/statement", "95 % interval")
    for heading in ("server, µs/statement", "95 % interval", "bytes/span", "entries", "texts, kB"):
        shown.add_column(heading, justify="right")
    statements = result.typical(result.modes[0]).statements
    for mode in result.modes:
        turn = result.typical(mode)
        span = f"{bytes_per_span(turn, statements):,.0f}" if mode.tracing else ""
        shown.add_row(
            mode.name,
            *_compared(result, mode, turn, statements),
            *(span, f"{turn.entries:,.0f}", f"{turn.text_bytes / 1000:,.1f}"),
        )
    return shown


def _compared(result: Result, mode: Mode, turn: Turn, statements: float) -> list[str]:
    if mode is result.modes[0]:
        client, server = turn.client_us / statements, turn.server_us / statements
        return [
            *(f"{turn.operations_per_s:,.0f}/s", f"{turn.p99_ms:.1f} ms"),
            *(f"{client:,.0f}", "", f"{server:,.0f}", ""),
        ]
    cost = result.cost(mode)
    cells = [f"{cost.ratios[name].value:.2f}" for name in ("operations_per_s", "p99_ms")]
    for estimate in (cost.differences["client_us"], cost.server_us):
        low, high = ((end or 0.0) / statements for end in (estimate.low, estimate.high))
        cells += [f"{estimate.value / statements:+,.1f}", f"{low:+,.1f} to {high:+,.1f}"]
    return cells


def _profile(result: Result) -> Table:
    """Return the table of the client's CPU time by part."""
    shown = table("client, µs per operation, one thread", *result.profiles)
    parts = dict.fromkeys(part for profile in result.profiles.values() for part in profile)
    for part in parts:
        cells = (profile.get(part) for profile in result.profiles.values())
        shown.add_row(part, *("" if cell is None else f"{cell:,.0f}" for cell in cells))
    shown.add_row("all", *(f"{sum(p.values()):,.0f}" for p in result.profiles.values()))
    return shown
