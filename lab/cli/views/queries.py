"""Statements, rendered for a terminal: the list, and one statement in detail."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from lab.cli.views import figures
from lab.foundation.plural import plural
from lab.telemetry.store import Source
from lab.telemetry.store.senders import DEFAULT_ACTIVITY_S, label_of_all

if TYPE_CHECKING:
    from lab.drilldown.queries import By, QuerySummary
    from lab.drilldown.query import Query
    from lab.drilldown.series import StatementSeries

LISTED = 20
SHOWN = 8
TEXT_WIDTH = 44

BYTES_PER_MB = 1_000_000


def render(
    listed: Sequence["QuerySummary"], by: "By", *, activity_s: float = DEFAULT_ACTIVITY_S
) -> RenderableType:
    """Return the list, in the given order."""
    if not listed:
        text = "DBM reported no call in the last hour. `./creditlab status` shows whether events arrive."
        return Padding(Text(text), (0, 2))
    columns: dict[str, Callable[[QuerySummary], str]] = {
        "time": lambda q: figures.ms(q.total_ms),
        "share": lambda q: figures.share(q.share),
        "calls": lambda q: figures.count(q.calls),
        "mean": lambda q: figures.ms(q.mean_ms),
        "rows": lambda q: figures.count(q.rows),
        "io": lambda q: figures.ms(q.io_ms),
        "service": lambda q: q.owner or "",
        "cached": lambda q: figures.share(q.hit_ratio),
        "queryid": lambda q: q.queryid or "",
    }
    # The sorted column first; a narrow terminal drops the last columns.
    ordered = sorted(columns, key=lambda name: name != by)
    table = figures.grid(
        "statement", *ordered, right=tuple(columns.keys() - {"service", "queryid"})
    )
    for query in listed[:LISTED]:
        name = Text(query.statement or figures.shortened(query.text, TEXT_WIDTH), style="bold")
        table.add_row(name, *(columns[column](query) for column in ordered))
    heading = Text.assemble(("Statements of the last hour", "bold"), f", by {by}")
    more = len(listed) - LISTED
    notes = [Text(f"and {more} more; --json gives all", style="dim")] if more > 0 else []
    return Padding(
        Group(
            heading,
            Text(),
            figures.Fitting(table),
            *notes,
            Text(),
            *_source_note({q.source for q in listed}, activity_s),
        ),
        (0, 2),
    )


def render_one(query: "Query", *, activity_s: float = DEFAULT_ACTIVITY_S) -> RenderableType:
    """Return one statement: text, totals, both observers, plans, slowest executions, tables."""
    name = query.statement or "unnamed"
    parts: list[RenderableType] = [
        Text.assemble(
            (name, "bold"),
            ("  queryid " if query.queryids else "", "dim"),
            ", ".join(query.queryids[:4]),
        ),
        Padding(_text(query), (0, 0, 0, 2)),
        Text(),
        *_totals(query),
        *_observers(query.series, activity_s),
        *_plans(query),
        *_slowest(query),
        *_tables(query),
        *_advice(query),
    ]
    return Padding(Group(*parts), (0, 2), expand=False)


def _text(query: "Query") -> Text:
    if reason := query.absent.get("text"):
        return Text(f"{reason}.", style="dim")
    return Text(query.text, style="cyan")


def _totals(query: "Query") -> Iterator[RenderableType]:
    calls = sum(each.calls for each in query.totals)
    total_ms = sum(each.total_ms for each in query.totals)
    if calls:
        mean = figures.ms(total_ms / calls)
        totals = f"{mean} each, {figures.ms(total_ms)} in total"
        calls_line = f"{plural(calls, 'call')} in the last hour, {totals}"
    else:
        calls_line = "No call in the last hour"
    who = f"; seen from {', '.join(query.services)}" if query.services else ""
    yield Text(f"{calls_line}{who}.")


def _observers(series: "StatementSeries", activity_s: float) -> Iterator[RenderableType]:
    yield Text()
    yield Text("Both observers, over the steps with data in Prometheus", style="bold")
    table = figures.grid("observer", "calls", "mean", right=("calls", "mean"))
    for name, counted in (("Prometheus", series.prometheus), ("DBM", series.dbm)):
        if counted:
            table.add_row(name, figures.count(counted.calls), figures.ms(counted.mean_ms))
    if series.calls_difference is not None:
        share, mean = series.calls_difference_share, series.mean_difference_ms
        calls = figures.signed(series.calls_difference, ",.0f")
        table.add_row(
            "difference",
            calls if share is None else f"{calls} ({figures.signed(100 * share, '.2f', ' %')})",
            "" if mean is None else figures.signed(mean, ".3f", " ms"),
        )
    yield table
    for reason in series.absent.values():
        yield Text(f"{reason}.", style="dim")
    yield from _source_note({Source(series.dbm_source)} if series.dbm_source else set(), activity_s)


def _plans(query: "Query") -> Iterator[RenderableType]:
    yield Text()
    yield Text("Plans", style="bold")
    if reason := query.absent.get("plans"):
        yield Text(f"{reason}.", style="dim")
        return
    table = figures.grid(
        "since",
        "",
        "executed",
        "estimated",
        "mean",
        "plan",
        right=("executed", "estimated", "mean"),
        wraps="plan",
    )
    for period in query.plans[-SHOWN:]:
        table.add_row(
            f"{period.since:%H:%M:%S}",
            Text("changed" if period.changed else "", style="bold yellow"),
            figures.count(period.executed),
            figures.count(period.estimated),
            figures.ms(period.mean_ms),
            period.summary,
        )
    yield table
    yield Text(query.plans[-1].worst_node, style="dim")


def _slowest(query: "Query") -> Iterator[RenderableType]:
    yield Text()
    yield Text("Slowest executions", style="bold")
    if reason := query.absent.get("slowest"):
        yield Text(f"{reason}.", style="dim")
        return
    table = figures.grid("ended", "server", "plan", "service", "trace", right=("server",))
    for each in query.slowest[:SHOWN]:
        table.add_row(
            f"{each.end:%H:%M:%S}",
            figures.ms(each.server_ms),
            "executed" if each.has_plan else "",
            each.service or "",
            Text(each.trace_id or "", style="" if each.has_trace else "dim"),
        )
    yield table


def _tables(query: "Query") -> Iterator[RenderableType]:
    if not query.tables:
        return
    yield Text()
    yield Text("Tables", style="bold")
    numbers = ("cached here", "cached for all")
    table = figures.grid("table", *numbers, "access", right=numbers, wraps="access")
    for each in query.tables:
        table.add_row(
            each.name,
            figures.share(each.hit_ratio),
            figures.share(each.table_hit_ratio),
            "; ".join(each.access),
        )
    yield table
    if reason := query.absent.get("table_hit_ratio"):
        yield Text(f"{reason.splitlines()[0]}", style="dim")


def _advice(query: "Query") -> Iterator[RenderableType]:
    if query.advice is None:
        return
    yield Text()
    yield Text("Index advice", style="bold")
    for index in query.advice.indexes:
        yield Text(f"{index.sentence}; {index.size_bytes / BYTES_PER_MB:,.1f} MB")
    if query.advice.reason:
        yield Text(f"{query.advice.reason}.", style="dim")


def _source_note(sources: set[Source], activity_s: float) -> Iterator[RenderableType]:
    if {Source.EMBEDDED, Source.CHECK} & sources:
        yield Text(f"Source of DBM's data: {label_of_all(sources, activity_s)}.", style="dim")
