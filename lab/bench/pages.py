"""`bench pages`: response times of the console's pages on a store with a million spans.

The benchmark fills a store with about three hours of the default load, and starts a console on it, without
PostgreSQL and Prometheus: it measures the store and the rendering of the page. Pages are requested one
after the other, each over its own connection.
"""

import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from rich.table import Table

from lab.bench.grid import grid
from lab.bench.large_store import fill
from lab.bench.machine import publish, watched
from lab.bench.own_console import OwnConsole, own_console
from lab.clients import http
from lab.foundation.errors import LabError
from lab.foundation.paths import Paths
from lab.stack.native.process_cost import cost_of
from lab.telemetry.store import Execution
from lab.terminal.interruption import interruptible
from lab.terminal.options import AsJson
from lab.terminal.screen import Screen

ANSWER_S = 120
PAGES = (
    "/",
    "/?window=3h",
    "/traces",
    "/traces?window=3h&order=slowest",
    "/traces?window=3h&min_ms=900&service=credit-risk",
    "/traces/{trace}",
    "/traces/{trace}/{span}",
    "/queries",
    "/queries/{queryid}",
)
MB = 1_000_000
CLAIM = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """One page: seconds until its last byte, its size in bytes, and the console's CPU seconds per request.

    `label` is the page's path without the ids of its store.
    """

    page: str
    label: str
    cpu_s: float
    median_s: float
    slowest_s: float
    size_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """All pages; `store_bytes` is the file's size, `rss_mb` the console's memory afterwards."""

    spans: int
    store_bytes: int
    rss_mb: float
    pages: tuple[Timing, ...]


def pages(
    spans: Annotated[
        int, typer.Option(help="Number of spans in the store.", min=1_000, max=100_000_000)
    ] = 1_000_000,
    times: Annotated[
        int, typer.Option(help="Number of requests of each page.", min=1, max=1_000)
    ] = 5,
    as_json: AsJson = False,
) -> None:
    """Measure the console's pages on a large store."""
    with interruptible(), watched(CLAIM) as watch, Screen() as screen:
        screen.begin("store and pages")
        result = measure(spans, times)
    publish(watch, asdict(result), lambda: _table(result), as_json=as_json)


def measure(spans: int, times: int) -> Result:
    """Fill a store, and measure every page on it.

    Raises:
        LabError: when the status of a page is not 200.
    """
    with tempfile.TemporaryDirectory(prefix="creditlab-bench-") as directory:
        state = Path(directory)
        store = Paths(state=state).store
        known = fill(store, spans)
        (state / "log").mkdir()
        with own_console(state, log=state / "log") as console:
            timings = tuple(_time(console, page, known, times) for page in PAGES)
            return Result(
                spans=spans,
                store_bytes=store.stat().st_size,
                rss_mb=cost_of(console.process).resident / MB,
                pages=timings,
            )


def _time(console: OwnConsole, label: str, known: Execution, times: int) -> Timing:
    page = label.format(trace=known.trace_id, span=known.span_id, queryid=known.queryid)
    taken, size, cpu_s = [], 0, cost_of(console.process).cpu_s
    for _ in range(times):
        begun = time.monotonic()
        response = http.send("GET", "127.0.0.1", console.port, page, timeout_s=ANSWER_S)
        size = len(response.body)
        taken.append(time.monotonic() - begun)
        if not response.is_ok:
            raise LabError(f"The console answered {page} with status {response.status}.")
    return Timing(
        page=page,
        label=label,
        cpu_s=(cost_of(console.process).cpu_s - cpu_s) / times,
        median_s=median(taken),
        slowest_s=max(taken),
        size_bytes=size,
    )


def _table(result: Result) -> Table:
    title = (
        f"The console's pages on {result.spans:,} spans ({result.store_bytes / MB:,.0f} MB);"
        f" console {result.rss_mb:.0f} MB"
    )
    table = grid(title, "median, s", "slowest, s", "size, kB", names="page")
    for timing in result.pages:
        table.add_row(
            timing.page,
            f"{timing.median_s:.3f}",
            f"{timing.slowest_s:.3f}",
            f"{timing.size_bytes / 1000:,.0f}",
        )
    return table
