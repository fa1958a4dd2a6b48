"""The server-side executions of one span, each with its own time and its own plan."""

from collections.abc import Iterable, Iterator, Sequence

from lab.drilldown.evidence import Evidence
from lab.drilldown.execution import ExecutionPlan, PlanSource, ServerExecution
from lab.drilldown.messages import Message, is_several, statement_of
from lab.drilldown.plan_choice import executed
from lab.drilldown.plans.tree import Cause
from lab.drilldown.reasons import no_plan
from lab.drilldown.trace import TraceSpan
from lab.drilldown.waiting import locked_ms
from lab.foundation.timestamps import moment, ms
from lab.telemetry.store import Execution, Plan


def server_executions(
    evidence: Evidence, span: TraceSpan, found: Sequence[Message]
) -> tuple[ServerExecution, ...]:
    """Return the logged executions of a span, in the order of the log."""
    alone = len(found) == 1
    return tuple(each for message in found for each in _of(evidence, span, message, alone=alone))


def server_ms(found: Sequence[Message]) -> float | None:
    """Return the total time of all messages of a span; of a cursor, that of its plan or its fetches."""
    logged = [each.logged for each in found if each.logged]
    whole = sum(each.duration_ns for each in logged)
    alone = sum(plan.duration_ns or 0 for each in found if not each.logged for plan in each.plans)
    return ms(max(whole, alone)) if found else None


def _of(
    evidence: Evidence, span: TraceSpan, message: Message, *, alone: bool
) -> Iterator[ServerExecution]:
    logged, plans = message.logged, message.plans
    if logged is None:
        for plan in plans:
            yield _planned(plan, plan, message.note)
        return
    if is_several(message) and plans:
        for plan in plans:
            note = f"one of several statements in a message of {ms(logged.duration_ns):,.0f} ms"
            yield _planned(plan, plan, note)
        return
    known = _locks(evidence, span) if alone else ()
    own = executed(plans[0], ms(logged.duration_ns), known) if len(plans) == 1 else None
    yield _logged(evidence, span, message, own)
    if len(plans) > 1:
        for plan in plans:
            yield _planned(plan, plan, "a statement inside, by auto_explain")


def _logged(
    evidence: Evidence, span: TraceSpan, message: Message, own: ExecutionPlan | None
) -> ServerExecution:
    logged = message.logged
    assert logged is not None
    absent = ExecutionPlan(source=PlanSource.NONE, note=_without(evidence, span, message))
    return ServerExecution(
        end=moment(logged.at_ns),
        server_ms=ms(logged.duration_ns),
        queryid=None if logged.queryid is None else str(logged.queryid),
        text=_text(evidence, logged),
        note=message.note,
        plan=own or absent,
    )


def _without(evidence: Evidence, span: TraceSpan, message: Message) -> str:
    if message.note:
        return "its plan is the cursor's"
    if message.plans:
        return "each statement inside has its own"
    return no_plan(evidence, span, message.logged)


def _planned(plan: Plan, of: Plan, note: str | None) -> ServerExecution:
    text = statement_of(plan)
    several = text is not None and ";" in text.rstrip().rstrip(";")
    return ServerExecution(
        end=moment(of.at_ns),
        server_ms=ms(of.duration_ns or 0),
        queryid=None if of.queryid is None else str(of.queryid),
        text=None if several else text,
        note=note,
        plan=executed(plan, None),
    )


def _text(evidence: Evidence, logged: Execution) -> str | None:
    if logged.queryid is None:
        return None
    return evidence.texts([logged.queryid]).get(logged.queryid)


def _locks(evidence: Evidence, span: TraceSpan) -> Iterable[Cause]:
    waited = locked_ms(evidence.locks(span.span_id))
    return [Cause(what="lock wait", ms=waited)] if waited else ()
