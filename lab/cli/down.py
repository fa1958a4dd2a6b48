"""`down`: the lab stops, and nothing of it stays behind but its files."""

from typing import Annotated

import typer

from lab.foundation.settings import LabSettings
from lab.stack import mode
from lab.terminal.options import Docker, Native
from lab.terminal.screen import Screen, err


def down(
    *,
    docker: Docker = False,
    native: Native = False,
    wipe: Annotated[
        bool, typer.Option("--wipe", help="Also remove the data, the logs and the options.")
    ] = False,
) -> None:
    """Stop the lab: what runs of it, unless --docker or --native says which.

    Natively it ends within five minutes: what does not stop in order is killed.
    """
    settings = LabSettings.load()
    asked = mode.requested(docker=docker, native=native)
    chosen = [mode.decide(settings, asked)] if asked else mode.to_stop(settings)
    with Screen() as screen:
        ran = [mode.down(each, settings, wipe=wipe, reporter=screen) for each in chosen]
    if not any(ran):
        err.print("  The lab was not running.")
