"""Builds a statement's execution from all sources that have data of this execution."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from lab.drilldown.errors import NotFoundError, PendingTraceError
from lab.drilldown.evidence import Evidence
from lab.drilldown.execution import (
    ExecutionPlan,
    PlanSource,
    ServerExecution,
    StatementExecution,
)
from lab.drilldown.messages import messages
from lab.drilldown.plan_choice import fallback
from lab.drilldown.queries import queryids_of
from lab.drilldown.reasons import executions_missing, no_plan, no_time
from lab.drilldown.server_side import server_executions, server_ms
from lab.drilldown.trace import Layer, Trace, TraceSpan, is_pending, trace
from lab.drilldown.waiting import blockers, locked_ms, waits
from lab.telemetry.pglog.events import Kind
from lab.telemetry.store import ActivitySample, Event, Execution, Plan, Reader

NO_QUERYID = "no log line, plan or sample of this execution has a queryid"
T = TypeVar("T")


def executions(reader: Reader, of: Trace | str) -> tuple[StatementExecution, ...]:
    """Return each statement execution of a trace, or of the trace with this id, in the order of their starts.

    Raises:
        NotFoundError: when the store does not have the trace.
    """
    found = of if isinstance(of, Trace) else trace(reader, of)
    evidence = Evidence.of(reader, found.trace_id)
    return tuple(_execution(evidence, found, span) for span in found.statements)


def execution(reader: Reader, of: Trace | str, span_id: str) -> StatementExecution:
    """Return the execution that belongs to a span of a trace, or of the trace with this id.

    Raises:
        PendingTraceError: when the trace began in the last minutes, and the span has not arrived yet.
        NotFoundError: when the store does not have it, or when the span is not of a statement.
    """
    found = of if isinstance(of, Trace) else trace(reader, of)
    span = next((span for span in found.spans if span.span_id == span_id), None)
    if span is None and is_pending(found.trace_id):
        raise PendingTraceError(
            f"The span {span_id} of the trace {found.trace_id} has not arrived yet.\n"
            "Each process sends its part of a trace about a second after that part has ended."
        )
    if span is None:
        raise NotFoundError(f"The trace {found.trace_id} has no span {span_id}.")
    if span.layer is not Layer.STATEMENT:
        raise NotFoundError(f"The span {span_id} ({span.name}) is not of a statement.")
    return _execution(Evidence.of(reader, found.trace_id), found, span)


def _execution(evidence: Evidence, found: Trace, span: TraceSpan) -> StatementExecution:
    logged = evidence.logged.get(span.span_id, ())
    samples = list(evidence.while_it_ran(span))
    events = evidence.events.get(span.span_id, ())
    locks = evidence.locks(span.span_id)
    logged_messages = messages(evidence, span)
    on_server = server_executions(evidence, span, logged_messages)
    known: list[Execution | Plan | ActivitySample] = [
        *logged, *evidence.plans.get(span.span_id, ()), *samples,
    ]  # fmt: skip
    statement = span.statement or _first(record.statement for record in known)
    queryid = _queryid(known) or _of_signature(evidence, known) or evidence.queryid_of(statement)
    absent: dict[str, str] = {}
    if not on_server:
        absent["server_ms"] = no_time(evidence, span)
    if on_server and (missing := executions_missing(evidence, span)):
        absent["executions"] = missing
    if queryid is None:
        several = len({each.queryid for each in on_server}) > 1
        absent["queryid"] = "it has several statements" if several else NO_QUERYID
    if not samples:
        absent["waits"] = "no sample of its session was taken while it ran"
    return StatementExecution(
        trace_id=found.trace_id,
        span_id=span.span_id,
        service=_first(record.service for record in known) or found.service,
        operation=found.operation,
        queryid=None if queryid is None else str(queryid),
        statement=statement,
        text=span.resource,
        start=span.start,
        client_ms=span.duration_ms,
        server_ms=server_ms(logged_messages),
        error=span.error,
        failure=_first(_failure(event) for event in events),
        pid=_first(record.pid for record in known),
        plan=_plan(evidence, span, on_server, queryid),
        executions=on_server,
        waits=waits(samples),
        blocked_by=tuple(blockers(evidence.reader, samples, locks)),
        locked_ms=locked_ms(locks, samples, span.duration_ms),
        absent=absent,
    )


def _plan(
    evidence: Evidence,
    span: TraceSpan,
    on_server: Sequence[ServerExecution],
    queryid: int | None,
) -> ExecutionPlan:
    """Return the plan of the longest execution that has one; else an estimated plan or the reason."""
    planned = [each for each in on_server if each.plan.source is PlanSource.EXECUTED]
    if planned:
        return max(planned, key=lambda each: each.server_ms).plan
    longest = max(on_server, key=lambda each: each.server_ms, default=None)
    why = longest.plan.note if longest else None
    return fallback(evidence, span, queryid, why or no_plan(evidence, span, None))


def _queryid(known: Iterable[Execution | Plan | ActivitySample]) -> int | None:
    """Return the query id that all records of a span have; None when they have several."""
    found = {record.queryid for record in known if record.queryid is not None}
    return found.pop() if len(found) == 1 else None


def _of_signature(
    evidence: Evidence, known: Iterable[Execution | Plan | ActivitySample]
) -> int | None:
    """Return the queryid of an Agent's signatures; None when they have none, or several."""
    signatures = {
        record.signature
        for record in known
        if not isinstance(record, Execution) and record.signature is not None
    }
    found = queryids_of(evidence.reader, signatures)
    return found.pop() if len(found) == 1 else None


def _first(values: Iterable[T | None]) -> T | None:
    return next((value for value in values if value is not None), None)


def _failure(event: Event) -> str | None:
    return f"{event.message} ({event.sqlstate})" if event.kind == Kind.ERROR else None
