"""Which plan stands beside an execution: its own, or the nearest that DBM sampled, or none.

An executed plan is never one of another execution. One that DBM sampled from another execution of the same
queryid is the only thing in the drilldown that is not matched by traceparent; it is called estimated.
"""

from datetime import datetime

from lab.drilldown.evidence import PLAN_THRESHOLD, Evidence
from lab.drilldown.execution import ExecutionPlan, PlanSource
from lab.drilldown.moments import moment, nanoseconds
from lab.drilldown.plan_reading import tree
from lab.drilldown.trace import TraceSpan
from lab.store import Plan, Reader


def plan_of(evidence: Evidence, span: TraceSpan, queryid: int | None) -> ExecutionPlan:
    """Return the plan of a span's execution, or the nearest thing, with the reason why it is no more."""
    own = evidence.plans.get(span.span_id, ())
    executed = next((plan for plan in own if plan.executed), None)
    if executed:
        return _read(executed, PlanSource.EXECUTED)
    why = evidence.not_logged(PLAN_THRESHOLD, span)
    sampled = next((plan for plan in own if not plan.executed), None)
    if sampled:
        note = f"estimated for this execution by DBM; no executed plan: {why}"
        return _read(sampled, PlanSource.ESTIMATED, note)
    nearest = (
        _nearest_estimate(evidence.reader, queryid, span.start) if queryid is not None else None
    )
    if nearest:
        distance = (moment(nearest.at_ns) - span.start).total_seconds()
        when = f"{abs(distance):,.0f} s {'after' if distance > 0 else 'before'}"
        note = f"estimated by DBM for another execution, {when}; no executed plan: {why}"
        return _read(nearest, PlanSource.ESTIMATED, note)
    return ExecutionPlan(
        source=PlanSource.NONE, note=f"no executed plan: {why}; DBM sampled none of its queryid"
    )


def _nearest_estimate(reader: Reader, queryid: int, at: datetime) -> Plan | None:
    at_ns = nanoseconds(at)
    estimated = "queryid = ? AND NOT executed"
    around = [
        *reader.select(
            Plan, f"{estimated} AND at_ns <= ?", [queryid, at_ns], order="at_ns DESC", limit=1
        ),
        *reader.select(
            Plan, f"{estimated} AND at_ns > ?", [queryid, at_ns], order="at_ns", limit=1
        ),
    ]
    return min(around, key=lambda plan: abs(plan.at_ns - at_ns), default=None)


def _read(plan: Plan, source: PlanSource, note: str | None = None) -> ExecutionPlan:
    read = tree(plan.definition)
    return ExecutionPlan(
        source=source, worst_node=read.worst_node, tree=read, note=note, shape=plan.shape
    )
