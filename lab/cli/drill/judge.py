"""`drill judge`: the verdicts of a recording of an Agent's data, by the current rules."""

from pathlib import Path
from typing import Annotated

import typer

from lab.cli.drill.showing import Html, show_matrix
from lab.drills import matrix
from lab.drills.recording import replayed
from lab.terminal.options import AsJson


def judge(
    recording: Annotated[
        Path, typer.Option(help="Directory of the recording.", metavar="DIRECTORY")
    ],
    html: Html = None,
    as_json: AsJson = False,
) -> None:
    """Judge a recording of an Agent's data again.

    No lab needs to run. docs/drills.md describes the files of a recording.
    """
    with replayed(recording) as found:
        show_matrix(matrix.of_runs(found.assessments()), html, as_json=as_json)
