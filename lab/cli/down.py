"""`down`: stops all processes or containers of the lab; its files stay."""

from typing import Annotated

import typer

from lab.exam.closing import stop_before_down
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
    """Stop the running lab; --docker or --native selects one.

    Natively it ends within five minutes: components that do not stop by themselves are killed.
    """
    settings = LabSettings.load()
    asked = mode.requested(docker=docker, native=native)
    chosen = [mode.decide(settings, asked)] if asked else mode.to_stop(settings)
    with Screen() as screen:
        stop_before_down(mode.running_settings(settings), screen)
        ran = [each.down(wipe=wipe, reporter=screen) for each in chosen]
    if not any(ran):
        err.print("  The lab was not running.")
