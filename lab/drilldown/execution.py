"""Records of the executions of one statement's span.

lab/drilldown/executions.py builds them. The reason for an empty field is in `absent`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from lab.drilldown.plans.tree import Tree


class PlanSource(StrEnum):
    """The source of a plan."""

    EXECUTED = "executed"  # by auto_explain, of this execution
    ESTIMATED = "estimated"  # the planner's estimate, sampled by DBM
    NONE = "none"


@dataclass(frozen=True, kw_only=True, slots=True)
class ExecutionPlan:
    """The plan of an execution, or a similar estimated plan, or the reason why there is none.

    Attributes:
        note: the origin of an estimated plan, or the reason why no plan was found; None for an executed plan.
        shape: equal for plans with the same nodes, tables and indexes.
    """

    source: PlanSource
    worst_node: str | None = None
    tree: Tree | None = None
    note: str | None = None
    shape: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerExecution:
    """One execution in PostgreSQL's log that belongs to a span: most spans have one.

    Attributes:
        end: by the log, in milliseconds.
        server_ms: its own time: of a statement by log_min_duration_statement, of one of several in a message
            and of a cursor by auto_explain.
        queryid: in decimal text; None when the log has no query id of this execution.
        text: the statement, literals replaced by `?`; None when the log has it only together with others.
        note: its relation to the span, such as a FETCH of its cursor; None for the span's statement.
    """

    end: datetime
    server_ms: float
    queryid: str | None
    text: str | None
    note: str | None
    plan: ExecutionPlan


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """A wait event of its session while it ran, and the number of samples; `CPU` when it did not wait."""

    type: str
    event: str
    samples: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Blocker:
    """A session that blocked this execution.

    Attributes:
        samples: the number of activity samples in which it was blocking; 0 when only the log has it.
        root: whether it is at the head of the chain: it waits for no other session itself.
        state: of its session, such as `idle in transaction`; None when it was not sampled itself.
        statement, trace_id, span_id, queryid: of its current or last statement.
    """

    pid: int
    samples: int
    root: bool = False
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
        text: as sent by the program, literals replaced by `?`.
        start: of the span.
        client_ms: the span's duration.
        server_ms: the duration in PostgreSQL's log, of all executions below the span; None when it has none.
        executions: the logged executions below the span, in order: several for executemany, for several
            statements in one string, and for a cursor and its fetches.
        pid: of the backend.
        failure: PostgreSQL's message and SQLSTATE, from its log.
        locked_ms: its lock wait time: by PostgreSQL's log, which has waits longer than deadlock_timeout, or
            between samples that wait for a lock, whichever is longer; at most `client_ms`.
        absent: the reason for each empty field, by its name.
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
