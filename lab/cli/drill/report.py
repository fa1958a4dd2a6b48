"""`drill report`: the verdicts on earlier runs."""

from typing import Annotated

import typer

from lab.cli.drill.showing import Html, show_matrix
from lab.drills import matrix
from lab.drills import report as reports
from lab.foundation.settings import LabSettings
from lab.stack.mode import running_settings
from lab.terminal.options import AsJson
from lab.terminal.screen import Screen


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
    found = _judged_again(settings) if again else matrix.latest(settings)
    if as_markdown:
        typer.echo(reports.markdown(found))
    else:
        show_matrix(found, html, as_json=as_json)


def _judged_again(settings: LabSettings) -> matrix.Matrix:
    with Screen() as screen:
        screen.begin("judge")
        return matrix.judged_again(settings, screen.wait)
