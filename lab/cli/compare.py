"""`compare`: the same questions to both observers, compared with the ground truth."""

from pathlib import Path
from typing import Annotated

import typer

from lab.cli.views.compare import render
from lab.compare import report
from lab.compare.answers import Group
from lab.compare.run import run
from lab.foundation.processors import machine
from lab.foundation.settings import DatadogSettings, LabSettings
from lab.stack.mode import running_settings
from lab.terminal.options import AsJson, seconds
from lab.terminal.screen import Screen, print_result

GROUPS = {group.name.lower(): group for group in Group}


def _group(text: str) -> Group:
    if text not in GROUPS:
        raise typer.BadParameter(f"{text} is no group of questions: {', '.join(GROUPS)}.")
    return GROUPS[text]


def compare(
    since: Annotated[
        float,
        typer.Option(
            help="The window, up to now.", parser=seconds, metavar="TIME", show_default="10 min"
        ),
    ] = 600.0,
    group: Annotated[
        Group | None,
        typer.Option(
            help=f"Print only the questions of one group: {', '.join(GROUPS)}.",
            parser=_group,
            metavar="GROUP",
        ),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write it as a page here.", metavar="FILE")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(help="Write the questions as CSV here.", metavar="FILE")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare the answers of both observers with the ground truth, and show what observing costs.

    With DD_API_KEY and DD_APP_KEY the answers of Datadog come from its API, unless only the embedded agent
    runs: it sends nothing there. Exit status 2 when an observer did not answer.
    """
    settings = running_settings(LabSettings.load())
    with Screen() as screen:
        screen.begin("compare", "querying")
        found = run(settings, since_s=since, keys=DatadogSettings.load())
    if html:
        html.write_text(report.html(found, machine()), encoding="utf-8")
    if csv:
        csv.write_text(report.csv(found), encoding="utf-8")
    print_result(found.to_json, lambda: render(found, only=group), as_json=as_json)
    raise typer.Exit(found.outcome.exit_status)
