"""One execution of one statement, from every source that saw that very execution.

The key is the traceparent in its comment: the span's own id, in PostgreSQL's log, in its plan and in each
sample of its session. Nothing here is matched by text or by likeness. The one exception, a plan that DBM
sampled from another execution of the same queryid, is called estimated wherever it stands.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

import msgspec

from lab.drilldown.errors import NotFoundError
from lab.drilldown.moments import moment, ms, nanoseconds
from lab.drilldown.plan import Tree, tree
from lab.drilldown.traces import Layer, Trace, TraceSpan, trace
from lab.pglog.events import Kind
from lab.store import ActivitySample, Event, Execution, Plan, Reader, Snapshot

# A line of the log and a payload of DBM tell their time to the millisecond.
CLOCK = timedelta(milliseconds=1)
LOG_THRESHOLD = "log_min_duration_statement"
PLAN_THRESHOLD = "auto_explain.log_min_duration"
CPU = "CPU"
PLANNED = re.compile(
    r"\s*\(*\s*(?:select|insert|update|delete|merge|with|values|table)\b", re.IGNORECASE
)
T = TypeVar("T")
R = TypeVar("R", Plan, ActivitySample, Event)
PAYLOAD: msgspec.json.Decoder[dict[str, str]] = msgspec.json.Decoder(dict[str, str])


class PlanSource(StrEnum):
    """Where a plan comes from."""

    EXECUTED = "executed"  # auto_explain's, of this very execution
    ESTIMATED = "estimated"  # the planner's guess, sampled by DBM
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
    """One execution.

    Attributes:
        service: the calling service.
        queryid: in decimal text, as Prometheus labels it: JSON's numbers cannot hold it.
        statement: its name in workload/sql/.
        text: as the program wrote it, literals replaced by `?`.
        start: of the span.
        client_ms: the span's duration.
        server_ms: the duration in PostgreSQL's log; None below its threshold.
        pid: of the backend.
        failure: PostgreSQL's message and SQLSTATE, out of its log.
        locked_ms: how long PostgreSQL's log says that it waited for locks, of waits that were told.
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
    waits: tuple[Wait, ...]
    blocked_by: tuple[Blocker, ...]
    locked_ms: float | None
    absent: Mapping[str, str] = field(default_factory=dict)


def executions(reader: Reader, trace_id: str) -> tuple[StatementExecution, ...]:
    """Return every statement execution of a trace, in the order of their starts.

    Raises:
        NotFoundError: when the store does not hold the trace.
    """
    found = trace(reader, trace_id)
    evidence = _Evidence.of(reader, trace_id)
    return tuple(evidence.execution(found, span) for span in found.statements)


def execution(reader: Reader, trace_id: str, span_id: str) -> StatementExecution:
    """Return the execution that belongs to a span.

    Raises:
        NotFoundError: when the store does not hold it, or when the span is no statement's.
    """
    found = trace(reader, trace_id)
    span = next((span for span in found.spans if span.span_id == span_id), None)
    if span is None:
        raise NotFoundError(f"The trace {trace_id} has no span {span_id}.")
    if span.layer is not Layer.STATEMENT:
        raise NotFoundError(f"The span {span_id} ({span.name}) is not one of a statement.")
    return _Evidence.of(reader, trace_id).execution(found, span)


@dataclass(frozen=True, kw_only=True)
class _Evidence:
    """All that the store holds of a trace besides its spans, by span id."""

    reader: Reader
    logged: Mapping[str, Execution]
    plans: Mapping[str, Sequence[Plan]]
    samples: Mapping[str, Sequence[ActivitySample]]
    events: Mapping[str, Sequence[Event]]
    settings: Mapping[str, str]
    read_until_ns: int

    @classmethod
    def of(cls, reader: Reader, trace_id: str) -> "_Evidence":
        samples = reader.select(ActivitySample, "trace_id = ?", [trace_id], order="at_ns")
        events = reader.select(Event, "trace_id = ?", [trace_id], order="at_ns")
        settings = reader.select(Snapshot, "kind = 'pg_settings'", order="at_ns DESC", limit=1)
        [(read_until_ns,)] = reader.rows("SELECT coalesce(max(at_ns), 0) FROM executions")
        return cls(
            reader=reader,
            logged={e.span_id: e for e in reader.executions_of(trace_id) if e.span_id},
            plans=_by_span(reader.plans_of(trace_id)),
            samples=_by_span(samples),
            events=_by_span(events),
            settings=PAYLOAD.decode(settings[0].payload) if settings else {},
            read_until_ns=read_until_ns,
        )

    def execution(self, trace: Trace, span: TraceSpan) -> StatementExecution:
        logged = self.logged.get(span.span_id)
        samples = list(self._while_it_ran(span))
        events = self.events.get(span.span_id, ())
        locks = [e for e in events if e.kind in (Kind.LOCK_WAIT, Kind.LOCK_ACQUIRED)]
        known: list[Execution | Plan | ActivitySample] = [
            *([logged] if logged else []), *self.plans.get(span.span_id, ()), *samples,
        ]  # fmt: skip
        statement = span.statement or _first(record.statement for record in known)
        queryid = _first(record.queryid for record in known) or self._queryid_of(statement)
        absent: dict[str, str] = {}
        if logged is None:
            absent["server_ms"] = self._not_logged(LOG_THRESHOLD, span)
        if queryid is None:
            absent["queryid"] = "nothing that knows its queryid saw this execution"
        if not samples:
            absent["waits"] = "no sample of its session was taken while it ran"
        return StatementExecution(
            trace_id=trace.trace_id,
            span_id=span.span_id,
            service=_first(record.service for record in known) or trace.service,
            operation=trace.operation,
            queryid=None if queryid is None else str(queryid),
            statement=statement,
            text=span.resource,
            start=span.start,
            client_ms=span.duration_ms,
            server_ms=ms(logged.duration_ns) if logged else None,
            error=span.error,
            failure=_first(_failure(event) for event in events),
            pid=_first(record.pid for record in known),
            plan=self._plan(span, queryid),
            waits=_waits(samples),
            blocked_by=tuple(self._blockers(samples, locks)),
            locked_ms=_locked_ms(locks),
            absent=absent,
        )

    def _while_it_ran(self, span: TraceSpan) -> Iterator[ActivitySample]:
        """A session that is idle in its transaction still shows its last statement: that is left out."""
        end = span.start + timedelta(milliseconds=span.duration_ms)
        for sample in self.samples.get(span.span_id, ()):
            at = moment(sample.at_ns)
            if sample.state == "active" and span.start - CLOCK <= at <= end + CLOCK:
                yield sample

    def _queryid_of(self, statement: str | None) -> int | None:
        """A statement's name leads to its queryid where it has one only: lists make many."""
        sql = (
            "SELECT DISTINCT queryid FROM statements"
            " WHERE name = ? AND queryid IS NOT NULL AND text NOT LIKE 'EXPLAIN%' LIMIT 2"
        )
        found = self.reader.rows(sql, [statement]) if statement else []
        return int(found[0][0]) if len(found) == 1 else None

    def _plan(self, span: TraceSpan, queryid: int | None) -> ExecutionPlan:
        own = self.plans.get(span.span_id, ())
        executed = next((plan for plan in own if plan.executed), None)
        if executed:
            return _read(executed, PlanSource.EXECUTED)
        why = self._not_logged(PLAN_THRESHOLD, span)
        sampled = next((plan for plan in own if not plan.executed), None)
        if sampled:
            note = f"estimated for this execution by DBM; no executed plan: {why}"
            return _read(sampled, PlanSource.ESTIMATED, note)
        nearest = self._nearest_estimate(queryid, span.start) if queryid is not None else None
        if nearest:
            distance = (moment(nearest.at_ns) - span.start).total_seconds()
            when = f"{abs(distance):,.0f} s {'after' if distance > 0 else 'before'}"
            note = f"estimated by DBM for another execution, {when}; no executed plan: {why}"
            return _read(nearest, PlanSource.ESTIMATED, note)
        return ExecutionPlan(
            source=PlanSource.NONE, note=f"no executed plan: {why}; DBM sampled none of its queryid"
        )

    def _nearest_estimate(self, queryid: int, at: datetime) -> Plan | None:
        at_ns = nanoseconds(at)
        estimated = "queryid = ? AND NOT executed"
        around = [
            *self.reader.select(
                Plan, f"{estimated} AND at_ns <= ?", [queryid, at_ns], order="at_ns DESC", limit=1
            ),
            *self.reader.select(
                Plan, f"{estimated} AND at_ns > ?", [queryid, at_ns], order="at_ns", limit=1
            ),
        ]
        return min(around, key=lambda plan: abs(plan.at_ns - at_ns), default=None)

    def _not_logged(self, setting: str, span: TraceSpan) -> str:
        """Why PostgreSQL's log has nothing of an execution: mostly, because it was too fast."""
        threshold = self.settings.get(setting)
        limit = f"{setting} ({threshold} ms)" if threshold else setting
        if span.error:
            return "it failed, and of a failed statement PostgreSQL logs neither duration nor plan"
        end = span.start + timedelta(milliseconds=span.duration_ms)
        if setting == PLAN_THRESHOLD and not PLANNED.match(span.resource):
            return "PostgreSQL plans no statement of this kind"
        if threshold and span.duration_ms < float(threshold):
            return f"below {limit}"
        if setting == PLAN_THRESHOLD and span.span_id in self.logged:
            # auto_explain's clock starts when the plan is made and its tables are locked.
            return f"below {limit} once it was planned; what lasted was a lock or the planning"
        if self.read_until_ns < nanoseconds(end):
            return "PostgreSQL's log, as far as it has been read, does not hold it"
        return f"below {limit} on the server"

    def _blockers(
        self, samples: Sequence[ActivitySample], locks: Sequence[Event]
    ) -> Iterator[Blocker]:
        """Those whom the samples name, as they were in the same sample; then those only the log names."""
        seen = Counter(pid for sample in samples for pid in sample.blocking_pids)
        for pid, count in seen.most_common():
            at = [s for s in samples if pid in s.blocking_pids]
            session = _first(self._session(pid, sample) for sample in at)
            yield _blocker(pid, count, session)
        told = {pid for event in locks for who in event.participants for pid in who.blocked_by}
        for pid in sorted(told - seen.keys()):
            yield _blocker(pid, 0, _first(self._session(pid, sample) for sample in samples))

    def _session(self, pid: int, beside: ActivitySample) -> ActivitySample | None:
        found = self.reader.select(
            ActivitySample,
            "at_ns = ? AND source = ? AND pid = ?",
            [beside.at_ns, beside.source, pid],
            limit=1,
        )
        return found[0] if found else None


def _by_span(records: Iterable[R]) -> dict[str, list[R]]:
    found: dict[str, list[R]] = {}
    for record in records:
        if record.span_id is not None:
            found.setdefault(record.span_id, []).append(record)
    return found


def _first(values: Iterable[T | None]) -> T | None:
    return next((value for value in values if value is not None), None)


def _read(plan: Plan, source: PlanSource, note: str | None = None) -> ExecutionPlan:
    read = tree(plan.definition)
    return ExecutionPlan(
        source=source, worst_node=read.worst_node, tree=read, note=note, shape=plan.shape
    )


def _waits(samples: Iterable[ActivitySample]) -> tuple[Wait, ...]:
    counts = Counter((s.wait_event_type or CPU, s.wait_event or CPU) for s in samples)
    return tuple(
        Wait(type=kind, event=event, samples=count) for (kind, event), count in counts.most_common()
    )


def _failure(event: Event) -> str | None:
    return f"{event.message} ({event.sqlstate})" if event.kind == Kind.ERROR else None


def _locked_ms(locks: Iterable[Event]) -> float | None:
    """Each wait is told once when it lasts, and once more when it ends: the longest time counts."""
    longest: dict[str | None, int] = {}
    for event in locks:
        lock = event.participants[0].waits_for if event.participants else None
        longest[lock] = max(longest.get(lock, 0), event.duration_ns or 0)
    return ms(sum(longest.values())) if longest else None


def _blocker(pid: int, samples: int, session: ActivitySample | None) -> Blocker:
    if session is None:
        return Blocker(pid=pid, samples=samples)
    return Blocker(
        pid=pid,
        samples=samples,
        state=session.state,
        role=session.role,
        application=session.application,
        service=session.service,
        statement=session.statement,
        queryid=None if session.queryid is None else str(session.queryid),
        trace_id=session.trace_id,
        span_id=session.span_id,
    )
