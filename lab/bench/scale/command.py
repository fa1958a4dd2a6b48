"""The command, its budget, and its tables. Seconds are CPU time, which other load hardly changes."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from time import monotonic
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lab.bench import pages
from lab.bench.machine import publish, watched
from lab.bench.scale import server
from lab.bench.scale.growth import Growth, expected_s, grown
from lab.bench.scratch import postgres_version
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.terminal.interruption import interruptible
from lab.terminal.options import AsJson, number, numbers
from lab.terminal.screen import Screen
from workload.limits import MAX_SCALE, MIN_SCALE

# Times of different sizes are compared, tens of seconds apart.
CLAIM = 0.2
MB = 1_000_000
# Bytes on disk of scale 1 with its write-ahead log, and of a span in the console's store.
BYTES = {"scale": 250 * MB, "spans": 350}
# A size is skipped when it would take more than this share of the free space.
MOST_OF_DISK = 0.5
# A day of the default load.
DAY = 8_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """One kind of size: bytes and seconds by size, and the sizes that were skipped, with the reason."""

    stored_bytes: Mapping[float, int]
    growths: Sequence[Growth]
    skipped: Mapping[float, str]


@dataclass(kw_only=True)
class Budget:
    """Time and disk that are left; `used` has the seconds of each size of an axis."""

    settings: LabSettings
    until_s: float

    def refusal(self, kind: str, size: float, used: Mapping[float, float]) -> str | None:
        """Return why a size does not fit; the first size of an axis always fits in time."""
        expected, left = expected_s(used, size), self.until_s - monotonic()
        if expected > left:
            return f"expected {expected:,.0f} s, {max(left, 0):,.0f} s of the budget are left"
        state = Paths.of(self.settings).state
        state.mkdir(parents=True, exist_ok=True)
        free, needed = shutil.disk_usage(state).free, size * BYTES[kind]
        if needed > MOST_OF_DISK * free:
            return f"about {needed / MB:,.0f} MB, more than half of the free {free / MB:,.0f} MB"
        return None


def scale(
    scales: Annotated[
        str,
        typer.Option(
            help="Seed scales; 1 is 10,000 customers.",
            parser=numbers(MIN_SCALE, MAX_SCALE),
            metavar="A,B",
        ),
    ] = "1,10,100",
    spans: Annotated[
        str,
        typer.Option(
            help="Numbers of spans in the console's store; 8,000,000 is a day of the default load.",
            parser=numbers(1_000, 100_000_000),
            metavar="A,B",
        ),
    ] = f"100000,1000000,{DAY}",
    times: Annotated[
        int, typer.Option(help="Runs of each figure, which is their mean.", min=1, max=100)
    ] = 3,
    minutes: Annotated[
        float,
        typer.Option(
            help="Time budget; sizes that do not fit are skipped.",
            parser=number(0.1, 10_080),
            metavar="N",
        ),
    ] = 60.0,
    as_json: AsJson = False,
) -> None:
    """Measure pages, verify, scrape and collection against the size of the data, with exponents."""
    settings = LabSettings.load()
    budget = Budget(settings=settings, until_s=monotonic() + minutes * 60)
    with interruptible(), watched(CLAIM, postgres_version()) as watch, Screen() as screen:
        screen.begin("scale")

        def of_store(size: float) -> tuple[int, dict[str, float]]:
            found = pages.measure(round(size), times)
            return found.store_bytes, {one.label: one.cpu_s for one in found.pages}

        axes = {
            "spans": _axis("spans", spans, budget, screen.wait, of_store),
            "scale": _axis(
                "scale", scales, budget, screen.wait,
                lambda size: server.measure(settings, size, times),
            ),
        }  # fmt: skip
    publish(watch, to_json(axes), lambda: tables(axes), as_json=as_json)


def _axis(
    kind: str,
    sizes: Sequence[float] | str,
    budget: Budget,
    say: Callable[[str], None],
    measure: Callable[[float], tuple[int, dict[str, float]]],
) -> Axis:
    stored: dict[float, int] = {}
    measured: dict[float, dict[str, float]] = {}
    used: dict[float, float] = {}
    skipped: dict[float, str] = {}
    for size in sorted(map(float, sizes)):
        if why := budget.refusal(kind, size, used):
            skipped[size] = why
            continue
        say(f"{kind} {size:,g}")
        begun = monotonic()
        stored[size], measured[size] = measure(size)
        used[size] = monotonic() - begun
    return Axis(stored_bytes=stored, growths=grown(measured), skipped=skipped)


def to_json(axes: Mapping[str, Axis]) -> dict[str, object]:
    """Return the document of --json: by axis bytes, seconds and exponents, and what grows faster."""
    return {
        **{name: asdict(axis) for name, axis in axes.items()},
        "faster_than_the_data": [
            one.what for axis in axes.values() for one in axis.growths if one.faster
        ],
    }


def tables(axes: Mapping[str, Axis]) -> RenderableType:
    """Return a table for each axis, and what grows faster than the data."""
    faster = [one.what for axis in axes.values() for one in axis.growths if one.faster]
    notes = [
        "CPU seconds of all processes that take part; exponent: 0 is constant, 1 in proportion to the size",
        f"grows faster than the data: {', '.join(faster) or 'nothing'}",
        *(
            f"skipped {name} {size:,g}: {why}"
            for name, axis in axes.items()
            for size, why in axis.skipped.items()
        ),
    ]
    parts = [_table(name, axis) for name, axis in axes.items() if axis.growths]
    return Group(*parts, Text("\n".join(notes), style="dim"))


def _table(name: str, axis: Axis) -> Table:
    table = Table(title=f"CPU seconds by {name}", title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    for size in axis.stored_bytes:
        table.add_column(f"{size:,g}", justify="right")
    table.add_column("exponent", justify="right")
    table.add_row("size, MB", *(f"{used / MB:,.0f}" for used in axis.stored_bytes.values()), "")
    for one in axis.growths:
        exponent = "-" if one.exponent is None else f"{one.exponent:.2f}"
        style = "bold red" if one.faster else ""
        table.add_row(
            one.what, *(f"{s:.3f}" for s in one.seconds.values()), Text(exponent, style=style)
        )
    return table
