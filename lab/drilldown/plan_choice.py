"""Selects the plan that is shown for an execution: its own, or the nearest that DBM sampled, or none.

An executed plan is never of another execution. A plan that DBM sampled from another execution of the same
queryid or signature is the only data in the drilldown that is not matched by traceparent. It is marked as
estimated.
"""

import json
from collections.abc import Iterable
from datetime import datetime

from lab.drilldown.evidence import Evidence
from lab.drilldown.execution import ExecutionPlan, PlanSource
from lab.drilldown.plans.reading import tree
from lab.drilldown.plans.tree import Cause
from lab.drilldown.queries import SQL, signatures_of
from lab.drilldown.trace import TraceSpan
from lab.foundation.timestamps import moment, ms, nanoseconds
from lab.telemetry.store import Plan, Reader

# The part of a message's time that auto_explain does not measure.
NOT_EXECUTING = "before and after execution (parsing, planning, locks, commit)"


def executed(plan: Plan, server_ms: float | None, known: Iterable[Cause] = ()) -> ExecutionPlan:
    """Return an executed plan.

    Args:
        plan: of this execution.
        server_ms: the execution's time; if None, auto_explain's time is used.
        known: causes of time outside the plan, from other sources.
    """
    executing_ms = None if plan.duration_ns is None else ms(plan.duration_ns)
    causes = [*known]
    if server_ms is not None and executing_ms is not None:
        rest = server_ms - executing_ms - sum(cause.ms for cause in causes)
        causes.append(Cause(what=NOT_EXECUTING, ms=rest))
    return _read(plan, PlanSource.EXECUTED, server_ms=server_ms or executing_ms, known=causes)


def fallback(evidence: Evidence, span: TraceSpan, queryid: int | None, why: str) -> ExecutionPlan:
    """Return an estimated plan, if any, for an execution without an executed plan, with the reason."""
    own = evidence.plans.get(span.span_id, ())
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
    signatures = sorted(signatures_of(reader, [queryid]))
    ids = reader.rows(
        SQL["nearest_estimates"],
        {"queryids": json.dumps([queryid]), "signatures": json.dumps(signatures), "at": at_ns},
    )
    around = reader.select(
        Plan, "id IN (SELECT value FROM json_each(?))", [json.dumps([one for (one,) in ids])]
    )
    return min(around, key=lambda plan: abs(plan.at_ns - at_ns), default=None)


def _read(
    plan: Plan,
    source: PlanSource,
    note: str | None = None,
    *,
    server_ms: float | None = None,
    known: Iterable[Cause] = (),
) -> ExecutionPlan:
    read = tree(plan.definition, server_ms=server_ms, known=known)
    return ExecutionPlan(
        source=source, worst_node=read.worst_node, tree=read, note=note, shape=plan.shape
    )
