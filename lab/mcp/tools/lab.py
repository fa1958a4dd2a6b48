"""Tools that join the sources: from a trace to its statements, executed plans, waits and blockers."""

from typing import Annotated, Any

import msgspec
from pydantic import Field

from lab.drilldown.execution import ExecutionPlan, StatementExecution
from lab.drilldown.ids import parse
from lab.drilldown.insight import sentence
from lab.drilldown.report import ReportedStatement, TraceReport
from lab.drilldown.sessions import BlockingNode, Session
from lab.exam.doors import Door
from lab.foundation.errors import DatabaseUnreachableError
from lab.mcp.answer import compact
from lab.mcp.inputs import MAX_TEXT, End, Service, SpanId, Start, TraceId
from lab.mcp.plan_lines import plan_lines
from lab.mcp.sources import Sources
from lab.mcp.tool import tool
from lab.mcp.window import DAY, HOUR, window

MAX_STATEMENTS = 40
MAX_SESSIONS = 60
MAX_EXECUTIONS, MAX_TREES = 20, 5
TEXT = 600
MAX_POINTS = 60


class LabTools:
    """Tools of the lab itself: each joins several observers, by traceparent and queryid."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    @tool("State of the lab", *Door)
    def lab_status(self) -> dict[str, Any]:
        """Return whether the lab runs, and the state, version and address of each component.

        Call it first, and when another tool reports that a source does not answer. It also has what the
        intake receives: spans, DBM events and log lines per second.
        """
        found = self._sources.backend.status()
        return {"mode": found.mode, **dict(compact(found.to_json()))}

    @tool("A trace with its statements explained", Door.LOG, Door.APM, Door.DATADOG, Door.SQL)
    def lab_trace(
        self,
        *,
        trace_id: Annotated[
            str,
            Field(
                max_length=80,
                description="slowest (of the last hour), a trace id, or a traceparent: one span of it.",
            ),
        ] = "slowest",
        service: Service = None,
    ) -> dict[str, Any]:
        """Explain one trace: each statement with client and server time, its plan, wait events and blockers.

        The first step for "why was this request slow": client_ms much above server_ms is network, pool
        or client; waits of type Lock lead to blocked_by. `insight` has where the time went. plan.source
        is executed (auto_explain, of exactly this execution), estimated (DBM) or none; `note` and
        `absent` have the true reason for what is missing. lab_execution returns all nodes of a plan.
        `service` applies to slowest only.
        """
        report = self._sources.remote_or_local().report(trace_id, service)
        return _report(report)

    @tool("One execution with its plan", Door.LOG, Door.APM, Door.DATADOG, Door.SQL)
    def lab_execution(self, trace_id: TraceId, span_id: SpanId) -> dict[str, Any]:
        """Return one execution of a statement, by its span: all plan nodes with rows, own time and blocks.

        The plan is the executed plan of this very execution, or the reason why PostgreSQL logged none.
        Server executions below one span (executemany, cursors) are listed each with its own plan.
        """
        trace = parse(trace_id).trace_id
        if not self._sources.has_store:
            key = f"00-{trace}-{span_id.lower()}-01"
            report = self._sources.remote_or_local().report(key)
            return _report(report, nodes=True)
        return _execution(self._sources.drilldown().execution(trace, span_id.lower()))

    @tool("One statement by both observers", Door.LOG, Door.DATADOG, Door.PROMETHEUS)
    def lab_statement(
        self,
        *,
        key: Annotated[
            str,
            Field(
                min_length=1,
                max_length=MAX_TEXT,
                description="A queryid, or a name such as customer_history.",
            ),
        ],
        start: Start = "-1h",
        end: End = None,
    ) -> dict[str, Any]:
        """Return one statement over a time range: text, callers, totals, plan changes, executions, tables.

        `both_observers` has calls and mean time by Prometheus and by DBM, and their difference. `plans`
        is the history of plan shapes with the time of each change. At most 24 hours.
        """
        if not self._sources.has_store:
            found = self._sources.remote_or_local().query(key)
        else:
            chosen = window(start, end, default=HOUR, most=DAY)
            found = self._sources.drilldown().query(key, since=chosen.since, until=chosen.until)
        document = msgspec.to_builtins(found)
        series = document.pop("series")
        points = [one for one in series.pop("points") if one.get("prometheus") or one.get("dbm")]
        series["points"] = points[-MAX_POINTS:]
        return dict(compact({**document, "both_observers": series}))

    @tool("Live sessions and the blocking tree", Door.SQL)
    def lab_sessions(self) -> dict[str, Any]:
        """Return PostgreSQL's sessions now (pg_stat_activity) and the blocking tree (pg_blocking_pids).

        Read as a role with pg_monitor, in a read-only transaction; statements without literals. Ages in
        s. The root of a tree is the session to end: blocked sessions only wait. Idle sessions are
        counted, not listed.
        """
        found = self._sources.remote_or_local().sessions()
        if reason := found.absent.get("sessions"):
            raise DatabaseUnreachableError(reason)
        blocking = {pid for tree in found.blocking for pid in _pids(tree)}
        listed = [one for one in found.sessions if one.state != "idle" or one.pid in blocking]
        document = {
            "at": found.at,
            "sessions_found": len(found.sessions),
            "idle": len(found.sessions) - len(listed),
            "blocking_trees": list(found.blocking),
            "longest_transactions": list(found.longest_transactions),
            "sessions": [_session(one) for one in listed[:MAX_SESSIONS]],
        }
        if len(listed) > MAX_SESSIONS:
            document["more"] = (
                f"{len(listed) - MAX_SESSIONS} further sessions with younger transactions"
            )
        return dict(compact(document))


def _report(report: TraceReport, *, nodes: bool = False) -> dict[str, Any]:
    slowest = sorted(report.statements, key=lambda one: -one.client_ms)[:MAX_STATEMENTS]
    ids = {one.span_id for one in slowest}
    document: dict[str, Any] = {
        "trace_id": report.trace_id,
        "service": report.service,
        "operation": report.operation,
        "start": report.start,
        "duration_ms": report.duration_ms,
        "error": report.error,
        "insight": sentence(report),
        "database_ms": report.database_ms,
        "statements_found": len(report.statements),
        "statements": [
            _statement(one, nodes=nodes) for one in report.statements if one.span_id in ids
        ],
        "links": dict(report.links),
    }
    if len(slowest) < len(report.statements):
        document["more"] = f"the {MAX_STATEMENTS} longest statements are shown"
    return dict(compact(document))


def _statement(one: ReportedStatement, *, nodes: bool) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(one)
    executions = document.pop("executions")
    document |= {"text": one.text[:TEXT], "plan": _plan(one.plan, nodes=nodes)}
    document["server_executions"] = len(executions) if len(executions) > 1 else None
    if not one.error:
        del document["error"]
    return document


def _execution(one: StatementExecution) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(one)
    document["plan"] = _plan(one.plan, nodes=True)
    document["executions"] = [
        {
            **msgspec.to_builtins(each),
            "text": (each.text or "")[:TEXT],
            "plan": _plan(each.plan, nodes=number < MAX_TREES),
        }
        for number, each in enumerate(one.executions[:MAX_EXECUTIONS])
    ]
    if len(one.executions) == 1:
        del document["executions"]
    document["text"] = one.text[: 4 * TEXT]
    return dict(compact(document))


def _plan(plan: ExecutionPlan, *, nodes: bool) -> dict[str, Any]:
    tree = plan.tree
    return {
        "source": plan.source.value,
        "slowest_node": plan.worst_node,
        "summary": tree.summary if tree else None,
        "note": plan.note,
        "shape": plan.shape,
        "outside_plan": tree.outside if tree else None,
        "nodes": plan_lines(tree) if tree and nodes else None,
    }


def _session(one: Session) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(one)
    document["text"] = one.text[:TEXT]
    return document


def _pids(tree: BlockingNode) -> set[int]:
    return {tree.pid, *(pid for below in tree.waiting for pid in _pids(below))}
