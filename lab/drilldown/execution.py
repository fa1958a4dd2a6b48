"""The executions of one statement's span, with all that saw them: the records.

lab/drilldown/executions.py puts them together. An empty field has its reason in `absent`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from lab.drilldown.plans.tree import Tree


class PlanSource(StrEnum):
    """Where a plan comes from."""

    EXECUTED = "executed"  # auto_explain's, of this very execution
    ESTIMATED = "estimated"  # the planner's estimate, sampled by DBM
    NONE = "none"


@dataclass(frozen=True, kw_only=True, slots=True)
class ExecutionPlan:
    """The plan of an execution, or the nearest thing, or why there is none.

    Attributes:
        note: what an estimated plan was sampled from, or why there is no executed one; None beside one.
        shape: equal for plans with the same nodes, tables and indexes.
    """

    source: PlanSource
    worst_node: str | None = None
    tree: Tree | None = None
    note: str | None = None
    shape: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerExecution:
    """One execution of PostgreSQL's log below a span: most spans have one.

    Attributes:
        end: by the log, to the millisecond.
        server_ms: its own time: of a statement by log_min_duration_statement, of one of several in a message
            and of a cursor by auto_explain.
        queryid: in decimal text; None for one of which the log has no query id of its own.
        text: the statement, literals replaced by `?`; None when the log does not have it apart from others.
        note: how it belongs to the span, such as a FETCH of its cursor; None for the span's statement.
    """

    end: datetime
    server_ms: float
    queryid: str | None
    text: str | None
    note: str | None
    plan: ExecutionPlan


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """What its session waited for while it ran, in how many samples; `CPU` when it did not wait."""

    type: str
    event: str
    samples: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Blocker:
    """A session that held what this execution waited for.

    Attributes:
        samples: in how many samples of the activity it was seen blocking; 0 when only the log says so.
        state: of its session, such as `idle in transaction`; None when it was not sampled itself.
        statement, trace_id, span_id, queryid: of what it ran, or ran last.
    """

    pid: int
    samples: int
    state: str | None = None
    role: str | None = None
    application: str | None = None
    service: str | None = None
    statement: str | None = None
    queryid: str | None = None
    trace_id: str | None = None
    span_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class StatementExecution:
    """One span's statement, with all its executions; `plan` is that of the longest.

    Attributes:
        service: the calling service.
        queryid: in decimal text, as Prometheus labels it: JSON's numbers cannot hold it.
        statement: its name in workload/sql/.
        text: as the program wrote it, literals replaced by `?`.
        start: of the span.
        client_ms: the span's duration.
        server_ms: the duration in PostgreSQL's log, of all executions below the span; None when it has none.
        executions: each execution below the span that the log has, in their order: several for
            executemany, for several statements in one string, and for a cursor and its fetches.
        pid: of the backend.
        failure: PostgreSQL's message and SQLSTATE, out of its log.
        locked_ms: how long it waited for locks by PostgreSQL's log, which has waits from deadlock_timeout on.
        absent: why a field is empty, by its name.
    """

    trace_id: str
    span_id: str
    service: str
    operation: str
    queryid: str | None
    statement: str | None
    text: str
    start: datetime
    client_ms: float
    server_ms: float | None
    error: bool
    failure: str | None
    pid: int | None
    plan: ExecutionPlan
    executions: tuple[ServerExecution, ...]
    waits: tuple[Wait, ...]
    blocked_by: tuple[Blocker, ...]
    locked_ms: float | None
    absent: Mapping[str, str] = field(default_factory=dict)
