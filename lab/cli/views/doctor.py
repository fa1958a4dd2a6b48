"""The report of `doctor`, rendered for a terminal: the verdict, all checks, then the fixes to copy."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lab.doctor.check import Check, Fix, Need, Report, Status, Then
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
    """Return the verdict, a table of all checks by need, then each that is not ok with its fix."""
    head = f"PostgreSQL {report.server_version}, database {report.database}, role {report.role}"
    if report.is_standby:
        head += ", a standby"
    table = Table("", "requirement", "found", box=None, pad_edge=False, header_style="dim")
    for need in Need:
        table.add_row("", Text(need.value, style="bold"))
        for check in report.checks:
            if check.need is need:
                table.add_row(_MARKS[check.status], check.title, Text(check.found, style="dim"))
    titles = {check.name: check.title for check in report.checks}
    todo = [
        part for check in report.checks if check.fix for part in _advice(check, check.fix, titles)
    ]
    if todo:
        how = "To fix, as a superuser, in this database, statement by statement:"
        todo = [Text(), Text(how), *todo]
    return Group(Text(head, style="bold"), _verdict(report), Text(), table, *todo)


def _advice(check: Check, fix: Fix, titles: dict[str, str]) -> Iterator[RenderableType]:
    yield Text()
    yield Text.assemble(_MARKS[check.status], "  ", (check.title, "bold"))
    yield Padding(Text(f"What you lose without it: {check.impact}"), (0, 0, 0, 4))
    if check.cost:
        yield Padding(Text(f"What it costs in production: {check.cost}.", "yellow"), (0, 0, 0, 4))
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
        required = sum(check.need is Need.REQUIRED for check in report.missing)
        parts = f"{required} required, {len(report.missing) - required} recommended"
        text = f"{len(report.missing)} of {len(report.checks)} missing ({parts}){rest}"
        return Text(text, style="bold red" if required else "bold yellow")
    said = f"Nothing is missing in {len(report.checks)} checks{rest}"
    if report.outcome is Outcome.OK:
        return Text(said, style="bold green")
    return Text("\n  ".join([said, *report.why_unknown]), style="yellow")
