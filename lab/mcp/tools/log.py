"""Tools on PostgreSQL's log: events, logged executions, and the plans of auto_explain."""

from typing import Annotated, Any

from pydantic import Field

from lab.drilldown.ids import parse
from lab.drilldown.plans.reading import tree
from lab.exam.doors import Door
from lab.foundation.timestamps import NS_PER_MS, ms
from lab.mcp.answer import MAX_PLANS, Page, at
from lab.mcp.inputs import Cursor, End, Limit, QueryId, Service, Start, Statement
from lab.mcp.plan_lines import plan_lines
from lab.mcp.selection import Selection, newest, queryids_of
from lab.mcp.sources import Sources
from lab.mcp.tool import tool
from lab.telemetry.pglog.events import Kind
from lab.telemetry.store import Event, Execution, Plan, Source

Trace = Annotated[
    str | None,
    Field(
        max_length=80, description="Only of this trace: a trace id or a traceparent. Default: all."
    ),
]
MinMs = Annotated[
    float,
    Field(ge=0, le=1e12, description="Minimum duration in ms. Default 0: all that were logged."),
]


class LogTools:
    """Tools of the observer log: PostgreSQL's server log in JSON, literals removed."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    @tool("Events of PostgreSQL's log", Door.LOG)
    def log_events(
        self,
        *,
        kinds: Annotated[
            list[Kind] | None,
            Field(min_length=1, max_length=len(Kind), description="Kinds of events. Default: all."),
        ] = None,
        start: Start = "-1h",
        end: End = None,
        trace_id: Trace = None,
        pid: Annotated[int | None, Field(ge=0, le=2**31, description="Backend process id.")] = None,
        limit: Limit = 30,
        cursor: Cursor = None,
    ) -> dict[str, Any]:
        """List events of PostgreSQL's server log, newest first, literals removed.

        deadlock (with its participants), lock_wait and lock_acquired (log_lock_waits), temp_file
        (size_bytes), checkpoint, autovacuum and autoanalyze (figures), error (SQLSTATE), server (start,
        stop, reload, crash), plan_rejected. Errors of the role datadog with SQLSTATE 42P02 or 42501 are
        EXPLAINs of DBM.
        """
        arguments = {"kinds": kinds, "start": start, "end": end, "trace_id": trace_id, "pid": pid}
        page = Page.during(arguments, limit, cursor)
        chosen = Selection.during(page.window).equal(trace_id=_trace(trace_id), pid=pid)
        if kinds:
            chosen.one_of("kind", [kind.value for kind in kinds])
        reader = self._sources.reader()
        found = chosen.rows(reader, Event, limit=page.wanted)
        rows = [_event(one) for one in found]
        return page.answer(rows, newest_data=newest(reader, Door.LOG))

    @tool("Logged executions of statements", Door.LOG)
    def log_executions(
        self,
        *,
        start: Start = "-15m",
        end: End = None,
        queryid: QueryId = None,
        statement: Statement = None,
        service: Service = None,
        trace_id: Trace = None,
        min_duration_ms: MinMs = 0.0,
        slowest_first: Annotated[
            bool, Field(description="Whether to order by duration; false: newest first.")
        ] = True,
        limit: Limit = 30,
        cursor: Cursor = None,
    ) -> dict[str, Any]:
        """List single executions that PostgreSQL logged with their duration (log_min_duration_statement).

        Faster executions are not in the log: dbm_settings has the threshold. `at` is the end. server_ms
        does not include network and driver. With trace_id and span_id: lab_execution, or log_plans for
        the plan.
        """
        arguments = {
            "start": start, "end": end, "queryid": queryid, "statement": statement, "service": service,
            "trace_id": trace_id, "min_duration_ms": min_duration_ms, "slowest_first": slowest_first,
        }  # fmt: skip
        page = Page.during(arguments, limit, cursor)
        reader = self._sources.reader()
        chosen = Selection.during(page.window).equal(
            source=Source.LOG.value, service=service, trace_id=_trace(trace_id)
        )
        if (queryids := queryids_of(reader, queryid, statement)) is not None:
            chosen.one_of("queryid", queryids)
        if min_duration_ms:
            chosen.where("duration_ns >= ?", round(min_duration_ms * NS_PER_MS))
        order = "duration_ns DESC, id DESC" if slowest_first else "at_ns DESC, id DESC"
        found = chosen.rows(reader, Execution, order=order, limit=page.wanted)
        rows = [_execution(one) for one in found]
        return page.answer(rows, newest_data=newest(reader, Door.LOG))

    @tool("Executed plans of auto_explain", Door.LOG)
    def log_plans(
        self,
        *,
        start: Start = "-1h",
        end: End = None,
        queryid: QueryId = None,
        statement: Statement = None,
        trace_id: Trace = None,
        span_id: Annotated[
            str | None,
            Field(pattern=r"^[0-9a-fA-F]{16}$", description="Only of this span. Default: all."),
        ] = None,
        include_plan: Annotated[
            bool,
            Field(description="Whether to return the nodes of each plan, as EXPLAIN prints them."),
        ] = False,
        limit: Limit = 10,
        cursor: Cursor = None,
    ) -> dict[str, Any]:
        """List executed plans that auto_explain logged, slowest first: actual rows, times, blocks per node.

        `slowest_node` names the node with the largest own time. `shape` is equal for plans with the
        same nodes, tables and indexes: several shapes of one queryid are a plan change. Executions
        below auto_explain.log_min_duration have no plan here.
        """
        arguments = {
            "start": start, "end": end, "queryid": queryid, "statement": statement, "trace_id": trace_id,
            "span_id": span_id, "include_plan": include_plan,
        }  # fmt: skip
        page = Page.during(arguments, limit, cursor, most=MAX_PLANS)
        reader = self._sources.reader()
        chosen = Selection.during(page.window).where("executed")
        chosen.equal(trace_id=_trace(trace_id), span_id=span_id.lower() if span_id else None)
        if (queryids := queryids_of(reader, queryid, statement)) is not None:
            chosen.one_of("queryid", queryids)
        found = chosen.rows(reader, Plan, order="duration_ns DESC, id DESC", limit=page.wanted)
        rows = [_plan(one, include_plan=include_plan) for one in found]
        return page.answer(rows, newest_data=newest(reader, Door.LOG))


def _trace(given: str | None) -> str | None:
    return None if given is None else parse(given).trace_id


def _event(event: Event) -> dict[str, Any]:
    return {
        "at": at(event.at_ns),
        "kind": event.kind,
        "severity": event.severity,
        "sqlstate": event.sqlstate,
        "message": event.message,
        "pid": event.pid,
        "role": event.role,
        "application": event.application,
        "service": event.service,
        "statement": event.statement,
        "queryid": None if event.queryid is None else str(event.queryid),
        "trace_id": event.trace_id,
        "span_id": event.span_id,
        "relation": event.relation,
        "duration_ms": None if event.duration_ns is None else ms(event.duration_ns),
        "size_bytes": event.size_bytes,
        "figures": dict(event.figures),
        "participants": list(event.participants),
    }


def _execution(one: Execution) -> dict[str, Any]:
    return {
        "at": at(one.at_ns),
        "server_ms": ms(one.duration_ns),
        "queryid": None if one.queryid is None else str(one.queryid),
        "statement": one.statement,
        "service": one.service,
        "application": one.application,
        "role": one.role,
        "pid": one.pid,
        "trace_id": one.trace_id,
        "span_id": one.span_id,
    }


def _plan(plan: Plan, *, include_plan: bool) -> dict[str, Any]:
    executed_ms = None if plan.duration_ns is None else ms(plan.duration_ns)
    read = tree(plan.definition, server_ms=executed_ms)
    return {
        "at": at(plan.at_ns),
        "execution_ms": executed_ms,
        "queryid": None if plan.queryid is None else str(plan.queryid),
        "statement": plan.statement,
        "service": plan.service,
        "pid": plan.pid,
        "trace_id": plan.trace_id,
        "span_id": plan.span_id,
        "shape": plan.shape,
        "summary": read.summary,
        "slowest_node": read.worst_node,
        "plan": plan_lines(read) if include_plan else None,
    }
