"""The blind-spot matrix as the drill commands print and write it."""

from pathlib import Path
from typing import Annotated

import typer

from lab.cli.views import drills as view
from lab.drills import report as reports
from lab.drills.matrix import Matrix
from lab.terminal.screen import print_result

DrillName = Annotated[
    str, typer.Argument(metavar="DRILL", help="A name or an alias, as in `./creditlab drill list`.")
]
Html = Annotated[
    Path | None, typer.Option(help="Write the report with its plot here.", metavar="FILE")
]


def show_matrix(found: Matrix, html: Path | None, *, as_json: bool) -> None:
    """Print a matrix, and write it as an HTML page if requested."""
    if html:
        html.write_text(reports.html(found), encoding="utf-8")
    print_result(found.to_json, lambda: view.matrix(found), as_json=as_json)
