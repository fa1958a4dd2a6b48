"""A trace with each of its statements explained: one document, for programs and for the command line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from lab.drilldown.errors import NotFoundError
from lab.drilldown.execution import (
    Blocker,
    ExecutionPlan,
    ServerExecution,
    StatementExecution,
    Wait,
)
from lab.drilldown.links import Links
from lab.drilldown.trace import Trace


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportedStatement:
    """One statement of a trace; see StatementExecution for its fields.

    Attributes:
        offset_ms: since the trace's start.
    """

    span_id: str
    queryid: str | None
    statement: str | None
    text: str
    offset_ms: float
    client_ms: float
    server_ms: float | None
    error: bool
    failure: str | None
    plan: ExecutionPlan
    executions: tuple[ServerExecution, ...]
    waits: tuple[Wait, ...]
    blocked_by: tuple[Blocker, ...]
    absent: Mapping[str, str]
    locked_ms: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TraceReport:
    """What `./creditlab trace --json` prints.

    Attributes:
        database_ms: the time in which a span waited for the database: statements, connects, commits.
    """

    trace_id: str
    service: str
    operation: str
    start: datetime
    duration_ms: float
    error: bool
    statements: tuple[ReportedStatement, ...]
    links: Mapping[str, str]
    database_ms: float = 0.0

    @property
    def slowest(self) -> ReportedStatement | None:
        """The statement with the longest client time."""
        return max(self.statements, key=lambda each: each.client_ms, default=None)


def of(
    trace: Trace,
    executions: Sequence[StatementExecution],
    links: Links,
    *,
    span_id: str | None = None,
) -> TraceReport:
    """Build a trace's report; with `span_id`, of that statement only.

    Raises:
        NotFoundError: when the trace has no statement with that span.
    """
    chosen = [each for each in executions if span_id in (None, each.span_id)]
    if span_id and not chosen:
        raise NotFoundError(f"The trace {trace.trace_id} has no statement with the span {span_id}.")
    return TraceReport(
        trace_id=trace.trace_id,
        service=trace.service,
        operation=trace.operation,
        start=trace.start,
        duration_ms=trace.duration_ms,
        error=trace.error,
        statements=tuple(_statement(trace, each) for each in chosen),
        links=links.trace(trace.trace_id, start=trace.start, span_id=span_id),
        database_ms=trace.database_ms,
    )


def _statement(trace: Trace, execution: StatementExecution) -> ReportedStatement:
    offset_ms = round((execution.start - trace.start).total_seconds() * 1000, 3)
    names = {field.name for field in fields(ReportedStatement)} - {"offset_ms"}
    return ReportedStatement(
        offset_ms=offset_ms, **{name: getattr(execution, name) for name in names}
    )
