"""The report of `doctor`, rendered for a terminal: all checks, then the fixes as statements to copy."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lab.doctor.check import Check, Fix, Report, Status, Then
from lab.foundation.outcome import Outcome

_MARKS = {
    Status.OK: Text("ok", style="green"),
    Status.MISSING: Text("missing", style="bold red"),
    Status.UNKNOWN: Text("unknown", style="yellow"),
}
_THEN = {
    Then.NOTHING: "",
    Then.RELOAD: "",
    Then.RECONNECT: "It applies to new sessions: restart the observer, or let it reconnect.",
    Then.RESTART: "Then restart PostgreSQL.",
}


def render(report: Report) -> RenderableType:
    """Return a table of all checks, then each that is not ok with its fix, then the verdict."""
    table = Table("", "what an observer needs", "found", box=None, pad_edge=False)
    for check in report.checks:
        table.add_row(_MARKS[check.status], check.title, Text(check.found, style="dim"))
    head = f"PostgreSQL {report.server_version}, database {report.database}, role {report.role}"
    if report.is_standby:
        head += ", a standby"
    titles = {check.name: check.title for check in report.checks}
    todo = [
        part for check in report.checks if check.fix for part in _advice(check, check.fix, titles)
    ]
    if todo:
        how = "To fix, as a superuser, in this database, statement by statement:"
        todo = [Text(), Text(how), *todo]
    return Group(Text(head, style="bold"), Text(), table, *todo, Text(), _verdict(report))


def _advice(check: Check, fix: Fix, titles: dict[str, str]) -> Iterator[RenderableType]:
    yield Text()
    yield Text.assemble(_MARKS[check.status], "  ", (check.title, "bold"))
    yield Padding(Text(f"What you lose without it: {check.impact}"), (0, 0, 0, 4))
    if fix.after:
        yield Padding(Text(f"First: {titles[fix.after]}"), (0, 0, 0, 4))
    for statement in fix.statements:
        # Not indented, and wrapped only between words: it can be copied.
        yield Text(f"{statement};", style="cyan", overflow="fold")
    if fix.conf:
        again = ", then SELECT pg_reload_conf()" if fix.then is Then.RELOAD else ""
        other = "Or without ALTER SYSTEM. " if fix.statements else ""
        line = f"{other}In postgresql.conf or a parameter group: {fix.conf}{again}"
        yield Padding(Text(line), (0, 0, 0, 4))
    for line in (_THEN[fix.then], fix.note):
        if line:
            yield Padding(Text(line), (0, 0, 0, 4))


def _verdict(report: Report) -> Text:
    unknown = sum(check.status is Status.UNKNOWN for check in report.checks)
    rest = f", {unknown} unknown" if unknown else ""
    if report.missing:
        return Text(
            f"{len(report.missing)} of {len(report.checks)} missing{rest}", style="bold red"
        )
    said = f"Nothing is missing in {len(report.checks)} checks{rest}"
    if report.outcome is Outcome.OK:
        return Text(said, style="bold green")
    return Text("\n  ".join([said, *report.why_unknown]), style="yellow")
