"""`compare`: the same questions to both observers, beside the truth."""

import json
from pathlib import Path
from typing import Annotated

import typer

from lab.cli.drill import seconds
from lab.cli.options import AsJson


def compare(
    since: Annotated[
        float, typer.Option(help="The window, up to now.", parser=seconds, metavar="TIME")
    ] = 600.0,
    html: Annotated[
        Path | None, typer.Option(help="Write it as a page here.", metavar="FILE")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Ask both observers the same, and show how far they are from the truth; and what they cost.

    Exit status 1 when the truth or Prometheus could not be asked.
    """
    from dataclasses import asdict

    from lab.cli.screen import Screen, out
    from lab.compare import report
    from lab.compare.run import run
    from lab.compare.view import render
    from lab.drills.matrix import machine
    from lab.settings import LabSettings
    from lab.stack.mode import running_settings

    with Screen() as screen:
        screen.begin("compare", "asking")
        found = run(running_settings(LabSettings.load()), since_s=since)
    if html:
        html.write_text(report.html(found, machine()), encoding="utf-8")
    if as_json:
        out.print_json(json.dumps(asdict(found)))
    else:
        out.print(render(found))
    raise typer.Exit(1 if found.absent else 0)
