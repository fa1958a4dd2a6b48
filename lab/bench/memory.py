"""`bench memory`: does the memory of the console or of the agent grow while the lab runs?

It samples the running lab, or one that it starts, and fits a straight line through the samples after the
warm-up, in which caches fill. A leak is a constant slope; an hour shows it.
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import linear_regression
from threading import Event
from time import monotonic
from typing import Annotated

import psutil
import typer
from rich.table import Table

from lab.bench.grid import grid
from lab.bench.machine import publish, watched
from lab.bench.own_lab import measured_lab
from lab.foundation.errors import LabError
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.stack.native import records
from lab.stack.native.records import Record
from lab.terminal.interruption import interruptible
from lab.terminal.options import AsJson, number
from lab.terminal.screen import Screen

COMPONENTS = ("console", "datadog")
EVERY_S = 10.0
# Memory does not depend on the load of the processors.
CLAIM = 0.5
WARM_UP = 0.25
MB = 1_000_000
S_PER_HOUR = 3600


@dataclass(frozen=True, kw_only=True, slots=True)
class Growth:
    """Resident memory of one component in megabytes; the slope is after the warm-up."""

    first_mb: float
    last_mb: float
    most_mb: float
    slope_mb_per_hour: float


def memory(
    minutes: Annotated[
        float, typer.Option(help="Duration.", parser=number(0.1, 10_080), metavar="N")
    ] = 60.0,
    samples: Annotated[
        Path | None, typer.Option(help="Also write each sample to this CSV file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure the memory growth of the running lab's console and agent."""
    with (
        interruptible(),
        measured_lab(LabSettings.load()) as settings,
        watched(CLAIM) as watch,
        Screen() as screen,
    ):
        watch.include(process for _, process in records.living(Paths.of(settings).run))
        processes = _running(Paths.of(settings))
        screen.begin("memory")
        seen = _watch(processes, minutes * 60, screen.wait)
    if samples:
        _write(samples, seen)
    found = {name: growth([(at, row[name]) for at, row in seen]) for name in processes}
    document = {"components": {name: asdict(one) for name, one in found.items()}}
    publish(watch, document, lambda: _table(found, minutes), as_json=as_json)


def growth(samples: Sequence[tuple[float, float]]) -> Growth:
    """Return the growth over samples of (seconds, bytes), at least eight of them.

    >>> growth([(360.0 * n, 50e6 if n < 2 else 60e6 + n * 1e5) for n in range(10)])
    Growth(first_mb=50.0, last_mb=60.9, most_mb=60.9, slope_mb_per_hour=1.0)
    """
    steady = samples[int(len(samples) * WARM_UP) :]
    slope = linear_regression([at for at, _ in steady], [used for _, used in steady]).slope
    return Growth(
        first_mb=samples[0][1] / MB,
        last_mb=samples[-1][1] / MB,
        most_mb=max(used for _, used in samples) / MB,
        slope_mb_per_hour=round(slope * S_PER_HOUR / MB, 3),
    )


def _running(paths: Paths) -> dict[str, psutil.Process]:
    records = {name: Record.read(paths.run, name) for name in COMPONENTS}
    found = {name: record.process() for name, record in records.items() if record}
    alive = {name: process for name, process in found.items() if process}
    if len(alive) < len(COMPONENTS):
        raise LabError(
            "The console and the agent must run natively to be measured: ./creditlab up --native"
        )
    return alive


def _watch(
    processes: Mapping[str, psutil.Process], seconds: float, say: Callable[[str], None]
) -> list[tuple[float, dict[str, float]]]:
    begun = monotonic()
    every = min(EVERY_S, seconds / 16)
    pause = Event()
    seen = []
    while (at := monotonic() - begun) < seconds:
        try:
            row = {name: float(p.memory_info().rss) for name, p in processes.items()}
        except psutil.NoSuchProcess as error:
            raise LabError(f"Process {error.pid} ended during the measurement.") from error
        seen.append((at, row))
        say(", ".join(f"{name} {used / MB:.1f} MB" for name, used in row.items()))
        pause.wait(every)
    return seen


def _write(file: Path, seen: Sequence[tuple[float, Mapping[str, float]]]) -> None:
    with file.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerow(["seconds", *COMPONENTS])
        writer.writerows([round(at, 1), *(row[name] for name in COMPONENTS)] for at, row in seen)


def _table(found: Mapping[str, Growth], minutes: float) -> Table:
    title = f"Resident memory over {minutes:g} minutes, MB"
    table = grid(title, "first", "last", "most", "growth per hour")
    for name, one in found.items():
        figures = (one.first_mb, one.last_mb, one.most_mb, one.slope_mb_per_hour)
        table.add_row(name, *(f"{figure:.1f}" for figure in figures))
    return table
