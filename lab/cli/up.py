"""`up`: the lab comes up."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli.options import AsJson

if TYPE_CHECKING:
    from lab.cli.screen import Screen
    from lab.settings import LabSettings
    from lab.stack.memory import Memory
    from lab.stack.status import Status

NEXT = (
    ("./creditlab verify", "do the books and the counters agree with the database?"),
    ("./creditlab psql", "a session in the database under load"),
    ("./creditlab up --load 5", "five times the arrivals, while it runs"),
)


def up(
    *,
    native: Annotated[
        bool, typer.Option("--native", help="Run on this machine, without containers.")
    ] = False,
    docker: Annotated[bool, typer.Option("--docker", help="Run in containers.")] = False,
    scale: Annotated[
        float | None,
        typer.Option(help="How much data: 1 is 10,000 customers.", min=0.001, metavar="N"),
    ] = None,
    load: Annotated[
        float | None,
        typer.Option(
            help="Multiplies every arrival rate, also of a lab that runs.", min=0, metavar="X"
        ),
    ] = None,
    services: Annotated[
        str | None, typer.Option(help="Run only these of the five services.", metavar="A,B")
    ] = None,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Stay, show the logs; Ctrl-C stops the lab.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Start the lab, or what is missing of it."""
    from lab.errors import LabError
    from lab.stack.memory import Memory

    if docker and native:
        raise LabError("--native and --docker exclude each other.")
    if docker:
        raise LabError("Docker mode is not there yet. Run on this machine: ./creditlab up")
    if sys.platform != "linux":
        raise LabError("Native mode needs Linux. Use Docker here: docker compose up -d")
    names = None if services is None else tuple(s.strip() for s in services.split(",") if s.strip())
    asked = Memory(services=names, scale=scale, load=load)
    bring_up(asked, foreground=foreground, as_json=as_json)


def bring_up(asked: "Memory", *, foreground: bool = False, as_json: bool = False) -> None:
    """Start the lab with these options, and show what runs."""
    from lab.cli.dotenv import warn_of_unknown
    from lab.cli.interruption import interruptible
    from lab.cli.screen import Screen, out, warn
    from lab.settings import LabSettings
    from lab.stack import starting
    from lab.stack.status import examine

    settings = LabSettings.load()
    warn_of_unknown()
    with interruptible(), Screen() as screen:
        outcome = starting.up(
            settings, asked, reporter=screen, seed=lambda used: _seed(used, screen)
        )
    for note in outcome.notes:
        warn(note)
    status = examine(settings)
    if as_json:
        out.print_json(json.dumps(status.to_json()))
    else:
        _show(status, news=bool(outcome.started))
    if foreground:
        _stay(settings)


def _seed(settings: "LabSettings", screen: "Screen") -> str:
    from lab import seed

    if screen.is_live:
        with screen.stepped_aside() as console, seed.bar(console) as progress:
            report = seed.ensure(settings, progress=progress)
    else:
        report = seed.ensure(settings)
    if not report.loaded:
        return f"scale {report.scale:f}, kept from an earlier run"
    return f"scale {report.scale:f}, {report.rows:,} rows at {report.rows_per_second:,.0f} rows/s"


def _show(status: "Status", *, news: bool) -> None:
    from lab.cli.screen import out
    from lab.cli.show import next_steps, table

    addresses = {component.name: component.address for component in status.components}
    out.print()
    out.print(table(status))
    out.print()
    if not news:
        out.print("  The lab was up already; nothing had to be started.", style="green")
    out.print(f"  Prometheus  [link]{addresses['prometheus']}[/link]")
    out.print(f"  Exporter    [link]{addresses['postgres_exporter']}/metrics[/link]")
    out.print(next_steps(NEXT))


def _stay(settings: "LabSettings") -> None:
    from lab.cli.interruption import interruptible
    from lab.cli.logs import show_new_lines
    from lab.cli.screen import Screen, err
    from lab.stack.logs import names
    from lab.stack.stopping import down

    try:
        with interruptible():
            err.print("  Ctrl-C stops the lab.", style="bold")
            show_new_lines(names(), settings)
    except KeyboardInterrupt:
        err.print()
    with Screen() as screen:
        down(settings, wipe=False, reporter=screen)
