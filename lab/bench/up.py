"""`bench up`: how long the lab takes to start, with an empty cluster and again, beside its libraries alone.

A start imports ddtrace for each service, and a web server for the console: nothing of the lab starts before
that. The floor is this work alone: the same number of Python processes at once, which import these
libraries and end. The time of PostgreSQL, the exporter, Prometheus and Alertmanager is not in the floor.
"""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Annotated

import psutil
import typer
from rich.console import Group
from rich.table import Table

from lab.bench.grid import grid
from lab.bench.machine import publish, watched
from lab.bench.own_lab import MODULE, OwnLab, own_lab
from lab.bench.start import FLOOR, cpu_s
from lab.foundation.errors import LabError
from lab.foundation.paths import Paths
from lab.foundation.settings import ROOT, LabSettings
from lab.stack.components import SERVICES
from lab.stack.native import alertmanager, binaries
from lab.stack.native.process_cost import cost_of
from lab.stack.native.records import living
from lab.stack.native.supervision import NAME
from lab.terminal.interruption import interruptible
from lab.terminal.options import AsJson
from lab.terminal.screen import Screen

CLAIM = 0.1
# `up` prints the table of components when all are ready, and then the slow trace.
READY = "\u25cf"
SERVICE = "import ddtrace, dotenv, prometheus_client, psycopg2, pydantic"
CONSOLE = (
    "import google.protobuf.descriptor_pb2, jinja2, msgspec, prometheus_client, psycopg2, pydantic,"
    " starlette.applications, uvicorn"
)
SUPERVISOR = "import supervisor.supervisord"
AGENT = "import msgspec, prometheus_client, psycopg2, pydantic"
LIBRARIES = {
    # supervisord ends its first process, whose CPU time is that of a child of `up`.
    "up": f"{FLOOR}; {SUPERVISOR}",
    **dict.fromkeys(SERVICES, SERVICE),
    "datadog": AGENT,
    "console": CONSOLE,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Up:
    """A start of the lab; times are seconds since the command began.

    Attributes:
        kind: `cold`: with an empty cluster, the programs being there; `warm`: with all its data.
        ready_s: until every component answers.
        drilldown_s: until the command ends, with a trace in its closing lines.
        cpu_s: CPU seconds of each component until then; of `up` itself, all.
    """

    kind: str
    ready_s: float
    drilldown_s: float
    cpu_s: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Floor:
    """CPU seconds of the libraries of each component, and the seconds of all imports at once."""

    cpu_s: Mapping[str, float]
    seconds: float


def up(
    times: Annotated[
        int, typer.Option(help="Warm starts; the median counts.", min=1, max=100, metavar="N")
    ] = 5,
    scale: Annotated[
        float, typer.Option(help="Seed scale.", min=0.01, max=100.0, metavar="X")
    ] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Measure how long `up` takes, with an empty cluster and again, beside its libraries alone."""
    with interruptible(), watched(CLAIM) as watch, Screen() as screen:
        screen.begin("up")
        with own_lab(LabSettings.load()) as lab:
            starts = list(measure(lab, times, f"{scale:g}", screen))
        floor = floor_of(LIBRARIES, times)
    document = {"starts": [asdict(each) for each in starts], "floor": asdict(floor)}
    publish(watch, document, lambda: tables(starts, floor), as_json=as_json)


def measure(lab: OwnLab, times: int, scale: str, screen: Screen) -> Iterator[Up]:
    """Yield one cold start and some warm ones; the programs are fetched before.

    Raises:
        LabError: when the lab does not start.
    """
    for find in (binaries.postgres_bin, binaries.exporter, binaries.prometheus, alertmanager.find):
        find(screen.wait)
    for number in range(times + 1):
        kind = "warm" if number else "cold"
        screen.wait(f"{kind} start {number or ''}")
        yield _started(lab, kind, scale)
        lab.call("down", "--native")


def _started(lab: OwnLab, kind: str, scale: str) -> Up:
    begun = time.perf_counter()
    with psutil.Popen(
        [*MODULE, "up", "--native", "--scale", scale],
        env=dict(lab.environment), cwd=ROOT, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        ready_s, used, printed = None, {}, []
        for line in process.stdout:
            printed.append(line)
            if ready_s is None and READY in line:
                ready_s = time.perf_counter() - begun
                used = {"up": cost_of(process).cpu_s, **_used(lab)}
    drilldown_s = time.perf_counter() - begun
    if process.returncode or ready_s is None:
        raise LabError("The benchmark's lab did not start (`up`):\n" + "".join(printed[-12:]))
    return Up(kind=kind, ready_s=ready_s, drilldown_s=drilldown_s, cpu_s=used)


def _used(lab: OwnLab) -> dict[str, float]:
    return {
        # The descendants of supervisord are the components.
        record.component: (
            sum(process.cpu_times()[:2]) if record.component == NAME else cost_of(process).cpu_s
        )
        for record, process in living(Paths.of(lab.settings).run)
    }


def floor_of(libraries: Mapping[str, str], times: int) -> Floor:
    """Return the floor: of each component alone the CPU time, of all at once the time; the fastest counts."""
    python = (sys.executable, "-P", "-c")
    fastest = {
        code: min(cpu_s([*python, code]) for _ in range(times)) for code in {*libraries.values()}
    }
    return Floor(
        cpu_s={name: fastest[code] for name, code in libraries.items()},
        seconds=min(
            _at_once([[*python, code] for code in libraries.values()]) for _ in range(times)
        ),
    )


def _at_once(commands: Sequence[Sequence[str]]) -> float:
    begun = time.perf_counter()
    processes = [subprocess.Popen(command, stdin=subprocess.DEVNULL) for command in commands]
    for process in processes:
        process.wait()
    return time.perf_counter() - begun


def tables(starts: Sequence[Up], floor: Floor) -> Group:
    """Return the times of the starts, and the CPU time of each component beside that of its libraries."""
    times = grid("Seconds since the command", "ready", "with a trace")
    warm = [each for each in starts if each.kind == "warm"]
    for kind, some in (("cold", [each for each in starts if each.kind == "cold"]), ("warm", warm)):
        times.add_row(
            kind,
            f"{median(each.ready_s for each in some):.1f}",
            f"{median(each.drilldown_s for each in some):.1f}",
        )
    times.add_row("floor: the imports, all at once", f"{floor.seconds:.1f}", "")
    return Group(times, _parts(warm, floor))


def _parts(warm: Sequence[Up], floor: Floor) -> Table:
    parts = grid("CPU seconds until ready, warm", "all", "libraries")
    names = sorted(
        warm[0].cpu_s, key=lambda name: -median(each.cpu_s.get(name, 0.0) for each in warm)
    )
    for name in names:
        used = median(each.cpu_s.get(name, 0.0) for each in warm)
        known = floor.cpu_s.get(name)
        parts.add_row(name, f"{used:.2f}", "" if known is None else f"{known:.2f}")
    total = median(sum(each.cpu_s.values()) for each in warm)
    parts.add_row("total", f"{total:.2f}", f"{sum(floor.cpu_s.values()):.2f}")
    return parts
