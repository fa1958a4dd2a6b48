"""The report of `verify`, rendered for a terminal: grouped by subject, with details of failed checks only."""

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from lab.verify.report import Check, Report

TITLES = {
    "": "Money and people",
    "attempted_rows": "Rows attempted, services = PostgreSQL",
    "acknowledged": "Operations acknowledged = audit rows",
}
MARKS = {
    True: Text("✓", style="green"),
    False: Text("✗", style="bold red"),
    None: Text("?", style="yellow"),
}


def render(report: "Report") -> RenderableType:
    """Return a table for each group of checks, and the verdict beneath."""
    parts: list[RenderableType] = []
    for group, checks in groupby(report.checks, key=_group):
        parts += [_table(TITLES.get(group, group), list(checks)), Text()]
    return Padding(Group(*parts, _verdict(report)), (0, 2), expand=False)


def _group(check: "Check") -> str:
    """Return the part of a name before its dot, if that is a group."""
    group = check.name.partition(".")[0]
    return group if group in TITLES else ""


def _table(title: str, checks: Sequence["Check"]) -> Table:
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        header_style="dim",
    )
    table.add_column("")
    table.add_column("check", no_wrap=True)
    table.add_column("expected", justify="right", no_wrap=True)
    table.add_column("actual", justify="right", no_wrap=True)
    table.add_column("")
    for check in checks:
        actual = Text(check.actual, style="bold red" if check.ok is False else "")
        # The name of a passed check is enough.
        detail = "" if check.ok else check.detail
        name = check.name.removeprefix(f"{_group(check)}.")
        table.add_row(MARKS[check.ok], name, check.expected, actual, Text(detail, style="dim"))
    return table


def _verdict(report: "Report") -> Text:
    failed = sum(check.ok is False for check in report.checks)
    unknown = sum(check.ok is None for check in report.checks)
    if failed:
        return Text(f"{failed} of {len(report.checks)} checks fail", style="bold red")
    if unknown or not report.checks:
        # Never truncated, unlike a cell of the table: it is the reason for the exit status.
        said = f"Unknown: no check failed, but {unknown} of {len(report.checks)} checks had no data"
        return Text("\n  ".join([said, *report.why_unknown]), style="yellow")
    return Text(f"All {len(report.checks)} checks pass", style="bold green")
