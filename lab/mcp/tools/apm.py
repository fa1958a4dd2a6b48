"""Tools on traces: operations with their latency, search, and a trace as a waterfall of spans."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from lab.drilldown import Order, Search
from lab.drilldown.ids import parse
from lab.drilldown.trace import TraceSpan
from lab.drilldown.traces import MAX_FOUND
from lab.exam.doors import Door
from lab.foundation.timestamps import ms
from lab.mcp.answer import Page, compact
from lab.mcp.inputs import Cursor, End, Limit, Service, Start, TraceId
from lab.mcp.selection import SQL, newest
from lab.mcp.sources import Sources
from lab.mcp.tool import tool

HALF = timedelta(minutes=30)
MAX_SPANS = 150
# Of one service, the latest ones.
MAX_TRACES = 100_000
RESOURCE = 200


class ApmTools:
    """Tools of the observer APM: the spans that tracers, or an Agent, have sent."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    @tool("Operations with rate, errors, duration", Door.APM)
    def apm_operations(
        self, *, start: Start = "-15m", end: End = None, limit: Limit = 50, cursor: Cursor = None
    ) -> dict[str, Any]:
        """Return rate, errors and duration (RED) of each operation of each service, the slowest p95 first.

        Of the stored traces: an Agent samples traces, and a client-side connection pool wait is part of
        the duration. Compare two time ranges to find the operation that changed, then use
        apm_search_traces.
        """
        page = Page.during({"start": start, "end": end}, limit, cursor, default=HALF)
        drilldown, chosen = self._sources.drilldown(), page.window
        durations: dict[tuple[str, str], list[int]] = {}
        errors: dict[tuple[str, str], int] = {}
        for service in drilldown.services():
            parameters = {
                "service": service,
                "since": chosen.since_ns,
                "until": chosen.until_ns,
                "limit": MAX_TRACES,
            }
            for operation, duration_ns, error in drilldown.reader.rows(SQL["roots"], parameters):
                durations.setdefault((service, operation), []).append(duration_ns)
                errors[service, operation] = errors.get((service, operation), 0) + error
        rows: list[dict[str, Any]] = [
            {
                "service": service,
                "operation": operation,
                "traces": len(found),
                "per_s": len(found) / chosen.seconds,
                "errors": errors[service, operation],
                **_quantiles(found),
            }
            for (service, operation), found in durations.items()
        ]
        rows.sort(key=lambda row: -row["p95_ms"])
        cut = sum(len(found) for found in durations.values()) >= MAX_TRACES
        note = f"of the latest {MAX_TRACES:,} traces of each service" if cut else None
        return page.answer(rows, newest_data=newest(drilldown.reader, Door.APM), note=note)

    @tool("Search traces", Door.APM)
    def apm_search_traces(
        self,
        *,
        start: Start = "-15m",
        end: End = None,
        order: Annotated[Order, Field(description="The order of the traces.")] = Order.SLOWEST,
        service: Service = None,
        operation: Annotated[
            str | None,
            Field(max_length=200, description="The root span's resource, such as lookup."),
        ] = None,
        min_duration_ms: Annotated[
            float | None, Field(ge=0, le=1e12, description="Minimum duration in ms.")
        ] = None,
        status: Annotated[
            Literal["any", "ok", "error"], Field(description="Status of the root span.")
        ] = "any",
        limit: Limit = 20,
        cursor: Cursor = None,
    ) -> dict[str, Any]:
        """Find traces by service, operation, duration and status; the slowest first by default.

        `database_ms` is the sum over all spans that wait for the database: if it is near duration_ms,
        continue in the database with the trace_id (lab_trace, log_executions); if not, in the service
        or its pool.
        """
        arguments = {
            "start": start, "end": end, "order": order, "service": service, "operation": operation,
            "min_duration_ms": min_duration_ms, "status": status,
        }  # fmt: skip
        # One more than `most` is read, and the search returns no more than this.
        page = Page.during(arguments, limit, cursor, default=HALF, most=MAX_FOUND - 1)
        wanted = Search(
            service=service,
            operation=operation,
            min_duration_ms=min_duration_ms,
            error=None if status == "any" else status == "error",
            since=page.window.since,
            until=page.window.until,
            order=order,
            limit=page.wanted,
        )
        drilldown = self._sources.drilldown()
        found = drilldown.search(wanted)
        return page.answer(found, newest_data=newest(drilldown.reader, Door.APM))

    @tool("Spans of a trace", Door.APM)
    def apm_trace(
        self,
        *,
        trace_id: TraceId,
        include_tags: Annotated[
            bool, Field(description="Whether to return the spans' tags.")
        ] = False,
    ) -> dict[str, Any]:
        """Return the spans of one trace as a waterfall: offsets and durations in ms, parents before children.

        `self_ms` is the part of the duration without child spans. Statement spans (layer statement)
        have the name of the statement. Only spans: for server time, plans and waits use lab_trace.
        """
        found = self._sources.drilldown().trace(parse(trace_id).trace_id)
        spans = [_span(one, include_tags=include_tags) for one in _chosen(found.spans)]
        answer: dict[str, Any] = {
            "trace_id": found.trace_id,
            "service": found.service,
            "operation": found.operation,
            "start": found.start,
            "duration_ms": found.duration_ms,
            "database_ms": found.database_ms,
            "error": found.error,
            "spans_found": len(found.spans),
            "spans": spans,
        }
        if len(spans) < len(found.spans):
            answer["more"] = f"the {MAX_SPANS} longest spans are shown"
        return dict(compact(answer))


def _quantiles(durations_ns: list[int]) -> dict[str, float]:
    durations_ns.sort()

    def quantile(share: float) -> float:
        return ms(durations_ns[min(int(share * len(durations_ns)), len(durations_ns) - 1)])

    mean_ms = ms(sum(durations_ns) // len(durations_ns))
    return {
        "mean_ms": mean_ms,
        "p50_ms": quantile(0.5),
        "p95_ms": quantile(0.95),
        "p99_ms": quantile(0.99),
        "max_ms": ms(durations_ns[-1]),
    }


def _chosen(spans: Sequence[TraceSpan]) -> list[TraceSpan]:
    """Return the longest spans, in the order of the waterfall."""
    longest = sorted(spans, key=lambda span: span.duration_ms, reverse=True)[:MAX_SPANS]
    ids = {span.span_id for span in longest}
    return [span for span in spans if span.span_id in ids]


def _span(span: TraceSpan, *, include_tags: bool) -> dict[str, Any]:
    return {
        "span_id": span.span_id,
        "parent_id": span.parent_id,
        "depth": span.depth,
        "layer": span.layer.value,
        "service": span.service,
        "name": span.name,
        "statement": span.statement,
        "resource": None if span.statement else span.resource[:RESOURCE],
        "start_ms": span.start_ms,
        "duration_ms": span.duration_ms,
        "self_ms": span.self_ms,
        "error": True if span.error else None,
        "tags": dict(span.tags) if include_tags else None,
    }
