"""`logs`: prints the components' logs."""

from typing import Annotated

import typer
from rich.text import Text

from lab.foundation.settings import LabSettings
from lab.stack import mode
from lab.stack.backend import ComponentLine
from lab.terminal.options import Docker, Native
from lab.terminal.screen import out

LINES = 40
LINES_OF_EACH = 8
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
    found = False
    for line in chosen.logs(component, follow=follow, tail=LINES if component else LINES_OF_EACH):
        show(line, alone=component is not None)
        found = True
    if not found:
        of = f" of {component}" if component else ""
        out.print(f"  There is no log line{of} yet. `./creditlab status` shows what runs.")


def show(line: ComponentLine, *, alone: bool = False) -> None:
    """Print a line; the name of its component is omitted when it is the only one."""
    if alone or line.component is None:
        out.print(Text(line.text), soft_wrap=True)
    else:
        colour = COLOURS[sum(map(ord, line.component)) % len(COLOURS)]
        out.print(Text.assemble((f"{line.component:<17} ", colour), line.text), soft_wrap=True)
