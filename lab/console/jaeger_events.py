"""What the drilldown knows of a statement's span, as Jaeger's logs (events) and references.

Grafana shows logs in the span's details, and a FOLLOWS_FROM reference as a link to the trace that blocked it.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from lab.drilldown.execution import PlanSource, StatementExecution
from lab.drilldown.plans.tree import Node
from lab.foundation.timestamps import EPOCH

# Nodes of a plan that are shown; the console has all of them.
MAX_NODES = 60
Document = dict[str, object]


def logs(execution: StatementExecution) -> list[Document]:
    """Return the events of a statement's span: waits and blockers, failure, executed plan."""
    end = execution.start + timedelta(milliseconds=execution.client_ms)
    return [_log(at, **fields) for at, fields in _events(execution, end)]


def references(execution: StatementExecution) -> list[Document]:
    """Return a reference to the span of each session that blocked it and whose span is known."""
    found = dict.fromkeys(
        (b.trace_id, b.span_id) for b in execution.blocked_by if b.trace_id and b.span_id
    )
    return [
        {"refType": "FOLLOWS_FROM", "traceID": trace_id, "spanID": span_id}
        for trace_id, span_id in found
    ]


def _events(
    execution: StatementExecution, end: datetime
) -> Iterator[tuple[datetime, dict[str, str]]]:
    for wait in execution.waits:
        yield (
            execution.start,
            {
                "event": "waits",
                "wait_event": f"{wait.type}/{wait.event}",
                "samples": str(wait.samples),
            },
        )
    for blocker in execution.blocked_by:
        named = {
            "pid": str(blocker.pid),
            "state": blocker.state,
            "role": blocker.role,
            "application": blocker.application,
            "statement": blocker.statement,
            "queryid": blocker.queryid,
            "trace_id": blocker.trace_id,
        }
        known = {key: value for key, value in named.items() if value}
        yield execution.start, {"event": "blocked by", **known}
    if execution.failure:
        yield end, {"event": "error", "message": execution.failure}
    plan = execution.plan
    if plan.source is PlanSource.EXECUTED and plan.tree:
        yield end, {"event": "executed plan", "plan": plan_text(plan.tree.root)}


def plan_text(root: Node) -> str:
    """Return a plan as indented lines: own and total time, actual and estimated rows of each node."""
    lines: list[str] = []
    pending = [(root, 0)]
    while pending and len(lines) < MAX_NODES:
        node, depth = pending.pop()
        lines.append(f"{'  ' * depth}{node.label}{_figures(node)}")
        pending += [(child, depth + 1) for child in reversed(node.children)]
    if pending:
        lines.append(f"... {len(pending)} more branches in the console")
    return "\n".join(lines)


def _figures(node: Node) -> str:
    own = ""
    if node.self_ms is not None and node.total_ms is not None:
        own = f"  {node.self_ms:,.3f} ms of {node.total_ms:,.3f} ms"
    rows = "" if node.rows is None else f"  rows {node.rows:,.0f}"
    loops = f" x {node.loops:,.0f} loops" if node.loops and node.loops > 1 else ""
    return f"{own}{rows} (estimated {node.estimated_rows:,.0f}){loops}"


def _log(at: datetime, **fields: str) -> Document:
    return {
        "timestamp": (at - EPOCH) // timedelta(microseconds=1),
        "fields": [{"key": key, "type": "string", "value": value} for key, value in fields.items()],
    }
