"""A trace, rendered for a terminal: its statements on one time axis, and the slowest one in detail."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lab.cli.views import figures, plan
from lab.drilldown import insight
from lab.drilldown.execution import Blocker, PlanSource
from lab.foundation.plural import plural

if TYPE_CHECKING:
    from lab.drilldown.report import ReportedStatement, TraceReport

# Of missing values that have no name of their own.
ABSENT = {"server_ms": "Server time not logged"}
NAMES = {"console": "Console", "grafana": "Grafana", "datadog": "Datadog"}
SOURCES = {
    PlanSource.EXECUTED: "Plan, as executed",
    PlanSource.ESTIMATED: "Plan, estimated",
    PlanSource.NONE: "Plan",
}


def render(report: "TraceReport") -> RenderableType:
    """Return the trace, with its slowest statement in detail."""
    where = Text(insight.sentence(report))
    parts: list[RenderableType] = [_heading(report), where, Text(), _statements(report)]
    if report.slowest:
        parts += [Text(), *_explained(report.slowest, alone=len(report.statements) == 1)]
    parts += [Text(), *_links(report)]
    return Padding(Group(*parts), (0, 2), expand=False)


def in_brief(report: "TraceReport") -> RenderableType:
    """Return the trace, where its time went and its slowest statement, wrapped beside their labels."""
    what = f"{report.service} {report.operation}, {figures.ms(report.duration_ms)}"
    lines = Table.grid(padding=(0, 2, 0, 0))
    lines.add_column(style="dim", no_wrap=True)
    lines.add_column(overflow="fold")
    lines.add_row("time", insight.sentence(report))
    if report.slowest:
        lines.add_row("statement", _statement_line(report.slowest))
    heading = Text.assemble(("A slow trace  ", "bold"), what)
    return Padding(Group(heading, Padding(lines, (0, 2))), (0, 2), expand=False)


def _heading(report: "TraceReport") -> Text:
    return Text.assemble(
        (f"{report.service} {report.operation}", "bold"),
        f"  {figures.ms(report.duration_ms)}",
        ("  error" if report.error else "", "bold red"),
        (f"  {report.start:%Y-%m-%d %H:%M:%S} UTC  {report.trace_id}", "dim"),
    )


def _statements(report: "TraceReport") -> RenderableType:
    if not report.statements:
        return Text("No statement was executed in this trace.", style="dim")
    numbers = ("client", "server")
    columns = ("statement", "client", "server", "", "plan", "waits")
    table = figures.grid(*columns, right=numbers, wraps="waits")
    for each in report.statements:
        waits = ", ".join(f"{wait.type} {wait.samples}" for wait in each.waits)
        table.add_row(
            Text(each.statement or each.text.partition("\n")[0][:40], "red" if each.error else ""),
            figures.ms(each.client_ms),
            figures.ms(each.server_ms),
            figures.bar(each.offset_ms, each.client_ms, report.duration_ms),
            Text(each.plan.source.value, "" if each.plan.source is PlanSource.EXECUTED else "dim"),
            Text(waits, "yellow" if each.blocked_by else "dim"),
        )
    return table


def _explained(statement: "ReportedStatement", *, alone: bool) -> Iterator[RenderableType]:
    heading = "The statement" if alone else "The slowest statement"
    name = statement.statement or "unnamed"
    yield Text.assemble((heading, "bold"), f"  {name}", (f"  queryid {statement.queryid}", "dim"))
    yield Padding(Text(statement.text, style="cyan"), (0, 0, 0, 2))
    times = f"Client {figures.ms(statement.client_ms)}"
    if statement.server_ms is not None:
        times += f", server {figures.ms(statement.server_ms)}"
    yield Text(f"{times}.")
    if statement.locked_ms:
        yield Text(insight.of_statement(statement), style="yellow")
    if statement.error:
        yield Text(
            f"It failed: {statement.failure or 'the reason is not in the log'}.", style="bold red"
        )
    for field, reason in statement.absent.items():
        yield Text(f"{ABSENT.get(field, f'No {field}')}: {reason}.", style="dim")
    if statement.waits:
        waits = ", ".join(f"{w.type}/{w.event} {w.samples}x" for w in statement.waits)
        yield Text(f"Sampled while it ran: {waits}.")
    for blocker in statement.blocked_by:
        head = ", at the head of the chain" if blocker.root else ""
        yield Text(f"Blocked by {_who(blocker)}{head}.", style="yellow")
    yield from _executions(statement)
    yield Text()
    yield Text.assemble(
        (SOURCES[statement.plan.source], "bold"), f"  {statement.plan.worst_node or ''}"
    )
    if statement.plan.note:
        yield Text(f"{statement.plan.note}.", style="dim")
    if statement.plan.tree:
        yield Padding(plan.render(statement.plan.tree), (0, 0, 0, 2))


def _executions(statement: "ReportedStatement") -> Iterator[RenderableType]:
    """Yield the executions below one span, if there are several or another statement than the span's."""
    found = statement.executions
    if len(found) == 1 and found[0].note is None:
        return
    if found:
        yield Text()
        yield Text(
            f"{plural(len(found), 'execution')} in PostgreSQL's log; the plan is of the longest",
            "bold",
        )
    for each in found:
        what = ", ".join(part for part in (each.note, each.text) if part) or "the same statement"
        yield Text(f"  {each.end:%H:%M:%S.%f}"[:-3] + f"  {figures.ms(each.server_ms)}  {what}")
        yield Text(f"      {each.plan.worst_node or each.plan.note}", style="dim")


def _who(blocker: Blocker) -> str:
    who = blocker.service or blocker.application or blocker.role
    parts = [f"pid {blocker.pid}" + (f" ({who})" if who else "")]
    if blocker.state:
        parts.append(blocker.state)
    if blocker.statement:
        parts.append(f"last statement {blocker.statement}")
    if blocker.trace_id:
        parts.append(f"trace {blocker.trace_id}")
    return ", ".join(parts)


def _statement_line(statement: "ReportedStatement") -> str:
    server = f", server {figures.ms(statement.server_ms)}" if statement.server_ms else ""
    name = statement.statement or statement.text.partition("\n")[0][:60]
    queryid = f", queryid {statement.queryid}" if statement.queryid else ""
    return f"{name}{queryid}: client {figures.ms(statement.client_ms)}{server}"


def _links(report: "TraceReport") -> Iterator[RenderableType]:
    for who, address in report.links.items():
        yield Text.assemble((f"{NAMES.get(who, who):<9}", "dim"), address)
