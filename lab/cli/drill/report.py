"""`drill report` and `drill quiet`: the verdicts on earlier runs, and false positives without a fault."""

import json
from typing import Annotated

import typer

from lab.cli.drill.showing import Html, show_matrix
from lab.cli.views import drills as view
from lab.drills import matrix
from lab.drills import report as reports
from lab.drills.quiet import watch
from lab.foundation.settings import LabSettings
from lab.stack.mode import running_settings
from lab.terminal.interruption import interruptible
from lab.terminal.options import AsJson, seconds
from lab.terminal.screen import Screen, out


def report(
    html: Html = None,
    again: Annotated[
        bool, typer.Option("--again", help="Judge again, from the data that the observers retain.")
    ] = False,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print a table of Markdown.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the blind-spot matrix of the latest run of each drill."""
    settings = running_settings(LabSettings.load())
    found = matrix.judged_again(settings) if again else matrix.latest(settings)
    if as_markdown:
        typer.echo(reports.markdown(found))
    else:
        show_matrix(found, html, as_json=as_json)


def quiet(
    lasts: Annotated[
        float, typer.Option("--for", help="Duration, in minutes.", parser=seconds, metavar="TIME")
    ] = 600.0,
    as_json: AsJson = False,
) -> None:
    """Watch a lab without a fault: every detection is a false positive.

    Exit status 1 when there is a false positive, 2 when there is none but an observer had no data.
    """
    settings = running_settings(LabSettings.load())
    with interruptible(), Screen() as screen:
        found = watch(settings, for_s=lasts, reporter=screen)
    if as_json:
        out.print_json(json.dumps(found.to_json()))
    else:
        out.print(view.quiet(found))
    raise typer.Exit(found.outcome.exit_status)
