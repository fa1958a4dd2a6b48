"""`logs`: prints the components' logs."""

import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from typing import Annotated

import typer
from rich.text import Text

from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.stack import mode
from lab.stack.docker import lifecycle
from lab.stack.native.logs import Follower, file_of, names, tail
from lab.stack.native.supervision import Supervisor
from lab.terminal.options import Docker, Native
from lab.terminal.screen import out

LINES = 40
LINES_OF_EACH = 8
INTERVAL_S = 0.25
COLOURS = ("cyan", "green", "magenta", "blue", "yellow")


def logs(
    component: Annotated[
        str | None, typer.Argument(help="One component, or supervisord; default: all.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Continue with new lines; Ctrl-C ends it.")
    ] = False,
    docker: Docker = False,
    native: Native = False,
) -> None:
    """Show the last lines of the logs."""
    settings = LabSettings.load()
    chosen = mode.decide(settings, mode.requested(docker=docker, native=native))
    if chosen is mode.Mode.DOCKER:
        show_containers(component, follow=follow, tail=LINES if component else LINES_OF_EACH)
    else:
        _show_files(component, settings, follow=follow)


def show_containers(component: str | None, *, follow: bool, tail: int) -> None:
    """Show the logs of containers, with `follow` until interrupted or until the containers end."""
    for line in lifecycle.logs(component, follow=follow, tail=tail):
        # Compose writes the container's name at the start of each line.
        _show("", line, alone=True)


def _show_files(component: str | None, settings: LabSettings, *, follow: bool) -> None:

    paths = Paths.of(settings)
    chosen = [component] if component else names()
    files = {name: file_of(name, paths) for name in chosen}
    for name, file in files.items():
        for line in tail(file, LINES if component else LINES_OF_EACH):
            _show(name, line, alone=bool(component))
    if follow:
        show_new_lines(chosen, settings)


def show_new_lines(components: Sequence[str], settings: LabSettings) -> None:
    """Show new log lines, until interrupted or until supervisord ends."""
    paths = Paths.of(settings)
    supervisor = Supervisor(paths)
    with ExitStack() as files:
        followers = {
            name: files.enter_context(closing(Follower(name, paths))) for name in components
        }
        alive = True
        while alive:
            alive = supervisor.answers()
            for name, follower in followers.items():
                for line in follower.new_lines():
                    _show(name, line, alone=len(followers) == 1)
            time.sleep(INTERVAL_S)


def _show(component: str, line: str, *, alone: bool) -> None:

    if alone:
        out.print(Text(line), soft_wrap=True)
    else:
        colour = COLOURS[sum(map(ord, component)) % len(COLOURS)]
        out.print(Text.assemble((f"{component:<17} ", colour), line), soft_wrap=True)
