"""`/traces` and `/traces/{trace_id}`: search traces, and the waterfall of one trace."""

from collections.abc import Iterator
from datetime import timedelta

from starlette.requests import Request

from lab.console.pages import asking
from lab.console.pages.site import Page, Redirect
from lab.drilldown import Drilldown, ids, insight, report
from lab.drilldown.links import trace_path
from lab.drilldown.trace import Trace, TraceSpan
from lab.drilldown.traces import Order, Search
from lab.exam.doors import EXPLAINED, doors

LIMIT = 100
DEFAULT_WINDOW = "1h"
# More spans would make the page too large for a browser.
MAX_BARS = 500
# The least visible width of a bar, in percent.
LEAST_WIDTH = 0.25


def search(drilldown: Drilldown, request: Request) -> Page | Redirect:
    """List the traces that match the query parameters; a trace id redirects to that trace."""
    given = asking.word(request, "id")
    if given:
        found = ids.parse(given)
        return Redirect(path=trace_path(found.trace_id, found.span_id))
    window = asking.window(request, DEFAULT_WINDOW)
    service = asking.word(request, "service")
    wanted = Search(
        service=service,
        operation=asking.word(request, "operation"),
        min_duration_ms=asking.positive(request, "min_ms"),
        max_duration_ms=asking.positive(request, "max_ms"),
        error=True if request.query_params.get("error") else None,
        since=window.since,
        # With a margin for spans that begin during the search, by a clock that is ahead.
        until=window.until + timedelta(seconds=1),
        order=asking.choice(request, "order", Order.NEWEST),
        limit=LIMIT,
    )
    known = drilldown.services()
    found_traces = asking.attempt(lambda: drilldown.search(wanted))
    listed = found_traces.value or ()
    values = {
        **window.values(),
        "services": known,
        "operations": _operations(drilldown, service),
        "wanted": wanted,
        "orders": tuple(Order),
        "found": found_traces,
        "longest_ms": max((trace.duration_ms for trace in listed), default=1.0) or 1.0,
        "limit": LIMIT,
    }
    return Page(template="traces.html", values=values)


def one(drilldown: Drilldown, request: Request) -> Page:
    """Show one trace as a waterfall; in an exam without the doors of its executions, the spans only."""
    found = ids.parse(request.path_params["trace_id"])
    trace = drilldown.trace(found.trace_id)
    explained = doors(drilldown.settings).is_open(*EXPLAINED)
    values = {
        "trace": trace,
        "explained": explained,
        "where": insight.sentence(report.of(trace, drilldown.executions(trace), drilldown.links))
        if explained
        else "",
        "bars": list(_bars(trace)),
        "left_out": max(len(trace.spans) - MAX_BARS, 0),
        "database_ms": trace.database_ms,
        "slowest": max(trace.statements, key=lambda span: span.duration_ms, default=None),
        "trace_links": drilldown.links.trace(trace.trace_id, start=trace.start),
    }
    return Page(template="trace.html", values=values)


def _operations(drilldown: Drilldown, service: str | None) -> tuple[str, ...]:
    if service is None:
        return ()
    return asking.attempt(lambda: drilldown.operations(service)).value or ()


def _bars(trace: Trace) -> Iterator[tuple[TraceSpan, float, float]]:
    """Yield each span with the start and the width of its bar, in percent of the whole time."""
    begin = min(span.start_ms for span in trace.spans)
    whole = max(span.start_ms + span.duration_ms for span in trace.spans) - begin or 1.0
    for span in trace.spans[:MAX_BARS]:
        left = (span.start_ms - begin) / whole * 100
        width = span.duration_ms / whole * 100
        yield span, min(left, 100 - LEAST_WIDTH), max(width, LEAST_WIDTH)
