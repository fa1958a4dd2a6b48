"""The command and its table."""

from collections.abc import Iterator
from dataclasses import asdict
from threading import Event
from typing import Annotated

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from lab.bench.cost.figures import Cost, between
from lab.bench.cost.reading import STORE_S, Reading, bytes_of_spans, read
from lab.bench.grid import grid
from lab.bench.machine import publish, watched
from lab.bench.own_lab import measured_lab
from lab.bench.scratch import postgres_version
from lab.foundation.errors import LabError
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.stack.native import records
from lab.telemetry.store import Reader
from lab.terminal.interruption import interruptible
from lab.terminal.options import AsJson, number
from lab.terminal.screen import Screen
from workload.limits import MAX_SECONDS

CLAIM = 0.1
TOO_SHORT = (
    "The window has no operation, no span or no sample.\n"
    "Check that the lab is under load (./creditlab status), or use a longer window: --seconds 120"
)


def cost(
    seconds: Annotated[
        float,
        typer.Option(
            help="Length of the window; Prometheus scrapes every 10 s.",
            parser=number(15, MAX_SECONDS),
            metavar="S",
        ),
    ] = 120.0,
    as_json: AsJson = False,
) -> None:
    """Measure the unit costs of an operation, a span and a series, in CPU time and bytes."""
    with (
        interruptible(),
        measured_lab(LabSettings.load()) as settings,
        watched(CLAIM, postgres_version()) as watch,
        Screen() as screen,
    ):
        watch.include(process for _, process in records.living(Paths.of(settings).run))
        screen.begin("cost", f"measuring the processes of the lab for {seconds:g} s")
        found = measure(settings, seconds)
    publish(watch, asdict(found), lambda: Group(*_tables(found)), as_json=as_json)


def measure(settings: LabSettings, seconds: float) -> Cost:
    """Read the counters of the running lab twice, and return the costs between the readings.

    Raises:
        LabError: when a component does not answer or was restarted, or when nothing was counted.
    """
    first = read(settings)
    Event().wait(seconds)
    last = read(settings)
    if not _same(first, last):
        raise LabError("A component was started or ended during the measurement. Measure again.")
    try:
        return between(first, last, span_bytes=bytes_of_spans(_store(settings)))
    except ZeroDivisionError:
        raise LabError(TOO_SHORT) from None


def _store(settings: LabSettings) -> Reader:
    return Reader(Paths.of(settings).store, timeout_s=STORE_S)


def _same(first: Reading, last: Reading) -> bool:
    """Whether no process was restarted: its CPU time would start at zero."""
    return first.processes.keys() == last.processes.keys() and all(
        process.cpu_s >= first.processes[name].cpu_s for name, process in last.processes.items()
    )


def _tables(found: Cost) -> Iterator[Table | Text]:
    services = grid(
        f"CPU of each service over {found.seconds:.0f} s", "operations/s", "ms/operation", "MB"
    )
    for name, one in found.services.items():
        each = "-" if one.cpu_ms is None else f"{one.cpu_ms:.2f}"
        services.add_row(name, f"{one.operations_per_s:.2f}", each, f"{one.resident_mb:.0f}")
    services.add_row(
        "all", f"{found.operations_per_s:.2f}", f"{found.application_ms:.2f}", "", style="bold"
    )
    yield services
    yield Text()
    costs = grid("Other costs", "")
    span_bytes = "unknown" if found.span_bytes is None else f"{found.span_bytes:,.0f} bytes"
    for what, figure in {
        "statements per operation": f"{found.statements_per_operation:.2f}",
        "spans per operation": f"{found.spans_per_operation:.2f}",
        "CPU of PostgreSQL per operation": f"{found.postgres_ms:.2f} ms",
        **{
            f"execution for {role}": f"{spent:.1f} ms/s"
            for role, spent in found.execution_ms_per_s.items()
        },
        "CPU of the console per span": f"{found.console_us_per_span:.0f} µs",
        "a span in the store": span_bytes,
        "lines of PostgreSQL's log": f"{found.log_lines_per_s:.1f}/s",
        "series in Prometheus": f"{found.series:,.0f}",
        "memory of Prometheus per series": f"{found.series_bytes / 1e3:.1f} kB",
        "samples": f"{found.samples_per_s:,.0f}/s",
        "CPU of Prometheus per sample": f"{found.prometheus_us_per_sample:.1f} µs",
        "CPU of Prometheus per series": f"{found.series_us_per_s:.2f} µs/s",
        **{f"core taken by {name}": f"{share:.2%}" for name, share in found.cpu_share.items()},
    }.items():
        costs.add_row(what, figure)
    yield costs
