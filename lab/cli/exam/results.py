"""`exam list` and `exam report`: exams that are over."""

from pathlib import Path
from typing import Annotated

import typer

from lab.cli.views import exam as view
from lab.exam import ending, session
from lab.exam import report as reporting
from lab.exam.errors import ExamError
from lab.exam.place import Place
from lab.foundation.settings import LabSettings
from lab.stack.mode import running_settings
from lab.terminal.options import AsJson
from lab.terminal.screen import err, out


def list_all(as_json: AsJson = False) -> None:
    """Show the exams with their scores, newest first."""
    results = session.results(running_settings(LabSettings.load()))
    if as_json:
        out.print_json(data=[result.to_json() for result in results])
    elif results:
        out.print(view.results(results))
    else:
        err.print("  No exam was taken. Start one: ./creditlab exam start")


def report(
    exam: Annotated[str, typer.Argument(help="Its name; by default the last one.")] = "",
    html: Annotated[
        Path | None, typer.Option(help="Write a page with plots, to read or print.", metavar="FILE")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show an exam: truth, answer, score, requests."""
    place = Place(running_settings(LabSettings.load()))
    name = exam or next(iter(place.exams()), "")
    if not name:
        raise ExamError("No exam was taken.\nStart one: ./creditlab exam start")
    result = ending.read(place, name)
    if html is not None:
        html.write_text(reporting.page(result), encoding="utf-8")
        err.print(f"  Written: {html}")
    if as_json:
        out.print_json(data=result.to_json())
    elif html is None:
        out.print(view.result(result))
