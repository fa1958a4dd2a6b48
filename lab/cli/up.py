"""`up`: starts the lab."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.text import Text

from lab import seed
from lab.cli import account
from lab.cli.dotenv import warn_of_unknown
from lab.cli.logs import show
from lab.cli.views.status import next_steps, table
from lab.drilldown.links import Links
from lab.drills.healing import heal_abandoned
from lab.exam import abandoned
from lab.exam.place import Place
from lab.foundation.settings import LabSettings
from lab.stack import mode
from lab.stack.backend import Backend, Mode, RequiredSettings
from lab.stack.status import Status
from lab.stack.up_options import UpOptions
from lab.terminal.interruption import interruptible
from lab.terminal.options import AsJson, Docker, Native, names, number
from lab.terminal.progress import bar
from lab.terminal.screen import Screen, err, out, warn
from workload.limits import MAX_LOAD, MAX_SCALE, MIN_SCALE

if TYPE_CHECKING:
    from lab.drilldown.client import DrilldownClient
    from lab.seed import SeedReport

# The pages printed at the end, for running components: component, heading, path.
PAGES = (
    ("console", "Console", ""),
    ("grafana", "Grafana", ""),
    ("shop", "Shop", ""),
    ("prometheus", "Prometheus", ""),
    ("postgres_exporter", "Exporter", "/metrics"),
)
NEXT = (
    ("./creditlab tour", "the lab in five steps, in English or Portuguese"),
    ("./creditlab trace", "the slowest trace, its statements, their plans as executed"),
    ("./creditlab queries", "the top statements of the database"),
    ("./creditlab verify", "do the totals and the counters match the database?"),
    ("./creditlab psql", "a session in the database under load"),
    ("./creditlab up --load 5", "five times the arrivals, while it runs"),
)


def up(
    *,
    docker: Docker = False,
    native: Native = False,
    scale: Annotated[
        float | None,
        typer.Option(
            help=f"Size of the data: 1 is 10,000 customers; {MIN_SCALE:g} to {MAX_SCALE:g}.",
            parser=number(MIN_SCALE, MAX_SCALE),
            metavar="N",
        ),
    ] = None,
    load: Annotated[
        float | None,
        typer.Option(
            help=f"Factor on every arrival rate, also of a running lab; 0 to {MAX_LOAD:g}.",
            parser=number(0, MAX_LOAD),
            metavar="X",
        ),
    ] = None,
    services: Annotated[
        str | None, typer.Option(help="Run only these of the five services.", metavar="A,B")
    ] = None,
    shop: Annotated[
        bool | None,
        typer.Option("--shop/--no-shop", help="Also run the shop, a web site on SHOP_PORT."),
    ] = None,
    foreground: Annotated[
        bool,
        typer.Option("--foreground", help="Keep running and show the logs; Ctrl-C stops the lab."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Start the lab, or its missing components: in containers if a Docker engine is available."""
    asked_mode = mode.requested(docker=docker, native=native)
    chosen = names(services, "--services", "service")
    asked = UpOptions(services=chosen, scale=scale, load=load, shop=shop)
    bring_up(asked, asked_mode=asked_mode, foreground=foreground, as_json=as_json)


def bring_up(
    asked: UpOptions,
    *,
    asked_mode: Mode | None,
    foreground: bool = False,
    as_json: bool = False,
) -> None:
    """Start the lab with these options, and print its status."""
    settings = LabSettings.load()
    chosen = mode.decide(settings, asked_mode)
    mode.require_alone(chosen, settings)
    warn_of_unknown()
    with interruptible(), Screen() as screen:
        news = _start(chosen, asked, screen)
        running = chosen.running_settings()
        heal_abandoned(running, screen)
        # One whose process died, for example with the machine.
        abandoned.recover(running, Place(settings))
    status = chosen.status()
    # Imported here: what the closing lines need, when the lab runs.
    from lab.cli import insight  # noqa: PLC0415
    from lab.cli.drilldown import drilldown_of  # noqa: PLC0415

    drilldown = drilldown_of(chosen)
    key = account.checked_key()
    if as_json:
        seen = insight.slow_trace(drilldown)
        report = {
            **status.to_json(),
            **account.as_json(key),
            "slow_trace": msgspec.to_builtins(seen) if seen else None,
        }
        out.print_json(data=report)
    else:
        install = account.install_command(key, status)
        links = Links.of(running)
        _show(status, links, news=news, notes=account.notes(key, status), install=install)
        _show_trace(drilldown, wait=news and settings.dd_trace_enabled and not foreground)
    if foreground:
        _stay(chosen)


def _start(backend: Backend, asked: UpOptions, screen: Screen) -> bool:
    """Start the lab; return whether anything had to be started."""
    result = backend.up(
        asked, reporter=screen, seed=lambda used, required: _seed(used, required, screen)
    )
    screen.close()
    for note in result.notes:
        warn(note)
    return bool(result.started)


def _seed(settings: LabSettings, required: RequiredSettings, screen: Screen) -> "SeedReport":

    if screen.is_live:
        with screen.suspended() as console, bar(console) as progress:
            return seed.ensure(settings, required=required, progress=progress)
    return seed.ensure(settings, required=required)


def _show(
    status: Status,
    links: Links,
    *,
    news: bool,
    notes: Sequence[Text],
    install: str | None = None,
) -> None:

    addresses = {component.name: component.address for component in status.components}
    out.print()
    out.print(table(status, notes))
    if install:
        out.print(f"  {install}", soft_wrap=True)
    out.print()
    if not news:
        out.print("  The lab was already up; no component was started.", style="green")
    if addresses.get("prometheus"):
        addresses["prometheus"] = links.prometheus_pages
    for name, heading, path in PAGES:
        if addresses.get(name):
            out.print(f"  {heading:<11} [link]{addresses[name]}{path}[/link]")
    out.print(next_steps(NEXT))


def _show_trace(drilldown: "DrilldownClient", *, wait: bool) -> None:
    """Print a slow trace; the lab is already up, so an interrupt ends only this wait."""
    from lab.cli import insight  # noqa: PLC0415
    from lab.cli.views.trace import in_brief  # noqa: PLC0415

    try:
        with Screen() as screen:
            report = insight.await_one(drilldown, screen) if wait else insight.slow_trace(drilldown)
    except KeyboardInterrupt:
        report = None
    if report:
        out.print(in_brief(report))
        # In one line: a wrapped address cannot be opened.
        out.print(f"    see        {report.links['console']}", soft_wrap=True)
    else:
        out.print("  No trace has reached the console yet. Later: ./creditlab trace", style="dim")


def _stay(backend: Backend) -> None:

    try:
        with interruptible():
            err.print("  Ctrl-C stops the lab.", style="bold")
            for line in backend.logs(None, follow=True, tail=0):
                show(line)
    except KeyboardInterrupt:
        err.print()
    with Screen() as screen:
        backend.down(wipe=False, reporter=screen)
