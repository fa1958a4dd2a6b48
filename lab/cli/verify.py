"""`verify`: do the books, the counters and the database agree?"""

import json
from typing import TYPE_CHECKING

import typer

from lab.cli.options import AsJson

if TYPE_CHECKING:
    from rich.console import RenderableType

    from lab.verify import Report


def verify(as_json: AsJson = False) -> None:
    """Check every invariant, and the counters of the services against the database."""
    from lab.cli.screen import Screen, out
    from lab.settings import LabSettings
    from lab.stack.memory import running_settings
    from lab.verify import run

    settings = running_settings(LabSettings.load())
    with Screen() as screen:
        screen.begin("verify")
        report = run(settings, progress=screen.wait)
    if as_json:
        out.print_json(json.dumps(report.to_json()))
    else:
        out.print(_table(report))
    raise typer.Exit(1 if report.ok is False else 0)


def _table(report: "Report") -> "RenderableType":
    from rich.console import Group
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    marks = {True: ("✓", "green"), False: ("✗", "bold red"), None: ("?", "yellow")}
    lines = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("", "check", "expected", "actual"):
        lines.add_column(heading, no_wrap=True)
    lines.add_column()
    for check in report.checks:
        mark, style = marks[check.ok]
        actual = Text(check.actual, style="bold red" if check.ok is False else "")
        # What holds explains itself; the words are for what does not.
        detail = "" if check.ok else check.detail
        lines.add_row(
            Text(mark, style=style), check.name, check.expected, actual, Text(detail, "dim")
        )
    verdicts = {
        True: Text(f"All {len(report.checks)} checks hold", style="bold green"),
        False: Text("A check does not hold", style="bold red"),
        None: Text("Nothing contradicts, but some checks had no data", style="yellow"),
    }
    return Padding(Group(lines, Text(), verdicts[report.ok]), (0, 2), expand=False)
