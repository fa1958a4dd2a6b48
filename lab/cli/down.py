"""`down`: the lab stops, and nothing of it stays behind but its files."""

from typing import Annotated

import typer


def down(
    wipe: Annotated[
        bool, typer.Option("--wipe", help="Also remove the data, the logs and the options.")
    ] = False,
) -> None:
    """Stop the lab."""
    from lab.cli.screen import Screen, err
    from lab.settings import LabSettings
    from lab.stack.stopping import down as stop

    with Screen() as screen:
        ran = stop(LabSettings.load(), wipe=wipe, reporter=screen)
    if not ran:
        err.print("  The lab was not running.")
