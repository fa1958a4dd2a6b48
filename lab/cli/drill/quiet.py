"""`drill quiet`: false positives of the observers without a fault."""

from typing import Annotated

import typer

from lab.cli.views import drills as view
from lab.drills.quiet import watch
from lab.foundation.settings import LabSettings
from lab.stack.mode import running_settings
from lab.terminal.interruption import interruptible
from lab.terminal.options import AsJson, seconds
from lab.terminal.screen import Screen, print_result


def quiet(
    lasts: Annotated[
        float,
        typer.Option(
            "--for",
            help="Duration: 10m, 1h.",
            parser=seconds,
            metavar="TIME",
            show_default="10m",
        ),
    ] = 600.0,
    as_json: AsJson = False,
) -> None:
    """Watch a lab without a fault: every detection is a false positive.

    Exit status 1 when there is a false positive, 2 when there is none but an observer had no data.
    """
    settings = running_settings(LabSettings.load())
    with interruptible(), Screen() as screen:
        found = watch(settings, for_s=lasts, reporter=screen)
    print_result(found.to_json, lambda: view.quiet(found), as_json=as_json)
    raise typer.Exit(found.outcome.exit_status)
