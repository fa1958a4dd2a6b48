"""`up`: starts the lab."""

import json
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.text import Text

from lab import seed
from lab.cli import account, insight
from lab.cli.dotenv import warn_of_unknown
from lab.cli.drilldown import drilldown_in
from lab.cli.logs import show_containers, show_new_lines
from lab.cli.views.status import next_steps, table
from lab.cli.views.trace import in_brief
from lab.drilldown import to_json
from lab.drilldown.links import Links
from lab.drilldown.remote import DrilldownClient
from lab.drills.healing import heal_abandoned
from lab.exam import ending
from lab.exam.place import Place
from lab.foundation.errors import LabError
from lab.foundation.settings import LabSettings
from lab.seed import SeedReport
from lab.stack import mode
from lab.stack.docker import lifecycle
from lab.stack.mode import Mode
from lab.stack.native import logs as native_logs
from lab.stack.native import starting
from lab.stack.native.starting import RequiredSettings
from lab.stack.status import Status
from lab.stack.up_options import UpOptions
from lab.terminal.interruption import interruptible
from lab.terminal.options import AsJson, Docker, Native, names, number
from lab.terminal.progress import bar
from lab.terminal.screen import Screen, err, out, warn
from workload.limits import MAX_LOAD, MAX_SCALE, MIN_SCALE

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
    start = _in_containers if chosen is mode.Mode.DOCKER else _natively
    with interruptible(), Screen() as screen:
        news = start(settings, asked, screen)
        heal_abandoned(mode.running_settings(settings), screen)
        # One whose process died, for example with the machine.
        ending.recover(mode.running_settings(settings), Place(settings))
    status = mode.status(chosen, settings)
    drilldown = drilldown_in(chosen, settings)
    key = account.checked_key()
    if as_json:
        seen = insight.slow_trace(drilldown)
        report = {
            **status.to_json(),
            **account.as_json(key),
            "slow_trace": to_json(seen) if seen else None,
        }
        out.print_json(json.dumps(report))
    else:
        install = account.install_command(key, status)
        links = Links.of(mode.running_settings(settings))
        _show(status, links, news=news, notes=account.notes(key, status), install=install)
        _show_trace(drilldown, wait=news and settings.dd_trace_enabled and not foreground)
    if foreground:
        _stay(chosen, settings)


def _in_containers(settings: LabSettings, asked: UpOptions, screen: Screen) -> bool:
    """Start the lab; return True, as Compose does not report whether anything was started."""
    lifecycle.up(settings, asked, reporter=screen)
    return True


def _natively(settings: LabSettings, asked: UpOptions, screen: Screen) -> bool:
    """Start the lab; return whether anything had to be started."""
    if sys.platform != "linux":
        raise LabError("Without Docker the lab needs Linux. Start Docker: ./creditlab up --docker")
    outcome = starting.up(
        settings,
        asked,
        reporter=screen,
        seed=lambda used, required: _seed(used, required, screen),
    )
    screen.close()
    for note in outcome.notes:
        warn(note)
    return bool(outcome.started)


def _seed(settings: LabSettings, required: RequiredSettings, screen: Screen) -> SeedReport:

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


def _show_trace(drilldown: DrilldownClient, *, wait: bool) -> None:
    """Print a slow trace; the lab is already up, so an interrupt ends only this wait."""
    try:
        with Screen() as screen:
            report = insight.await_one(drilldown, screen) if wait else insight.slow_trace(drilldown)
    except KeyboardInterrupt:
        report = None
    if report:
        out.print(in_brief(report), soft_wrap=True)
    else:
        out.print("  No trace has reached the console yet. Later: ./creditlab trace", style="dim")


def _stay(chosen: Mode, settings: LabSettings) -> None:

    try:
        with interruptible():
            err.print("  Ctrl-C stops the lab.", style="bold")
            if chosen is mode.Mode.DOCKER:
                show_containers(None, follow=True, tail=0)
            else:
                show_new_lines(native_logs.names(), settings)
    except KeyboardInterrupt:
        err.print()
    with Screen() as screen:
        mode.down(chosen, settings, wipe=False, reporter=screen)
