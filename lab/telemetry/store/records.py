"""The store's records, one class per table; a field is a column of the same name.

Times are nanoseconds since 1970 (UTC), durations nanoseconds, trace ids 32 and span ids 16 lower-case
hexadecimal digits, queryids PostgreSQL's signed 64-bit numbers. No field holds a literal of a statement.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from lab.telemetry.store.senders import Source


class MetricType(StrEnum):
    """The type of a series in Datadog's API: count per interval, rate per second, or gauge."""

    COUNT = "count"
    RATE = "rate"
    GAUGE = "gauge"


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """One span as a tracer sent it; `parent_id` is None for the root of a trace."""

    trace_id: str
    span_id: str
    parent_id: str | None
    service: str
    name: str
    resource: str
    kind: str
    start_ns: int
    duration_ns: int
    error: bool
    tags: Mapping[str, str | float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """A normalized statement, by queryid or, where the sender has none, by Datadog's signature.

    `key` is the queryid in decimal, else the signature. `name` and `owner` come from the workload's comment.
    """

    key: str
    queryid: int | None
    signature: str | None
    name: str | None
    owner: str | None
    text: str
    seen_ns: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Execution:
    """One execution that PostgreSQL logged; `at_ns` is its end. `service` is the caller (`ddps`)."""

    at_ns: int
    source: Source
    duration_ns: int
    queryid: int | None
    trace_id: str | None
    span_id: str | None
    service: str | None
    statement: str | None
    pid: int
    database: str | None
    role: str | None
    application: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A plan; `executed` is whether it is of one execution (with actual rows) or an estimate.

    `definition` is JSON with "Plan"; `shape` is equal for plans with the same nodes, relations, indexes.
    """

    at_ns: int
    source: Source
    executed: bool
    duration_ns: int | None
    queryid: int | None
    signature: str | None
    trace_id: str | None
    span_id: str | None
    service: str | None
    statement: str | None
    pid: int | None
    database: str | None
    shape: str
    definition: str


@dataclass(frozen=True, kw_only=True, slots=True)
class QueryMetrics:
    """Deltas of one statement and role in one collection interval; `*_ms` as in pg_stat_statements."""

    at_ns: int
    source: Source
    database: str
    role: str
    signature: str
    queryid: int | None
    calls: int
    rows: int
    exec_time_ms: float
    plan_time_ms: float
    blk_read_time_ms: float
    blk_write_time_ms: float
    shared_blks_hit: int
    shared_blks_read: int
    shared_blks_dirtied: int
    shared_blks_written: int
    temp_blks_read: int
    temp_blks_written: int
    wal_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ActivitySample:
    """One session in an activity sample; `blocking_pids` are the sessions that block it."""

    at_ns: int
    source: Source
    pid: int
    database: str | None
    role: str | None
    application: str | None
    backend_type: str | None
    state: str | None
    wait_event_type: str | None
    wait_event: str | None
    queryid: int | None
    signature: str | None
    trace_id: str | None
    span_id: str | None
    service: str | None
    statement: str | None
    query_start_ns: int | None
    xact_start_ns: int | None
    blocking_pids: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ActivityRound:
    """One activity sample of all sessions, also when none was active.

    Attributes:
        interval_s: the sampling interval that the sender states; None when it states none.
        sessions: number of sampled sessions.
    """

    at_ns: int
    source: Source
    interval_s: float | None
    sessions: int


@dataclass(frozen=True, kw_only=True, slots=True)
class TraceStats:
    """An Agent's statistics of one operation in one interval, computed before it samples traces."""

    at_ns: int
    interval_ns: int
    service: str
    name: str
    hits: int
    errors: int
    duration_ns: int


@dataclass(frozen=True, kw_only=True, slots=True)
class MetricSeries:
    """One series of the Agent's metrics; `key` is a hash of all fields but `seen_ns`, its newest point.

    `tags` are "key:value", sorted. `interval_s` is the sender's interval between two points.
    """

    key: int
    source: Source
    host: str
    name: str
    type: MetricType
    interval_s: float | None
    tags: tuple[str, ...]
    seen_ns: int


@dataclass(frozen=True, kw_only=True, slots=True)
class MetricPoint:
    """One point of a series, by its key."""

    series: int
    at_ns: int
    value: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceCheck:
    """One run of an Agent's service check; `status` is 0 ok, 1 warning, 2 critical, 3 unknown."""

    at_ns: int
    source: Source
    host: str
    name: str
    status: int
    tags: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Participant:
    """A session in a deadlock or a lock wait: the awaited lock, the blocking pids, the statement."""

    pid: int
    waits_for: str | None = None
    blocked_by: tuple[int, ...] = ()
    text: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    service: str | None = None
    statement: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """A database event: `kind` is one of lab/telemetry/pglog/events.py.

    `size_bytes` is of a temporary file; `figures` are the numbers of a checkpoint or an autovacuum.
    """

    at_ns: int
    kind: str
    pid: int
    message: str
    severity: str | None
    sqlstate: str | None
    database: str | None
    role: str | None
    application: str | None
    queryid: int | None
    trace_id: str | None
    span_id: str | None
    service: str | None
    statement: str | None
    text: str | None
    relation: str | None = None
    duration_ns: int | None = None
    size_bytes: int | None = None
    figures: Mapping[str, float] = field(default_factory=dict)
    participants: tuple[Participant, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """The latest settings or schema of an observer; `payload` is JSON."""

    kind: str
    host: str
    at_ns: int
    payload: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LogPosition:
    """The read position in a log file, committed together with the records read from it.

    `head` is the SHA-256 of the file's first `head_bytes` bytes: it distinguishes a file that was truncated
    and written again from one that has only grown.
    """

    file: str
    head: str
    head_bytes: int
    position: int
    at_ns: int


@dataclass(frozen=True, kw_only=True, slots=True)
class TruthReading:
    """One reading of counters by the lab itself: lab/telemetry/truth/readings.py has the payload's form.

    The values were read between `at_ns` and `at_ns + took_ns`.
    """

    at_ns: int
    kind: str
    took_ns: int
    payload: bytes


Record: TypeAlias = (
    Span
    | Statement
    | Execution
    | Plan
    | QueryMetrics
    | ActivitySample
    | Event
    | Snapshot
    | ActivityRound
    | TraceStats
    | MetricSeries
    | MetricPoint
    | ServiceCheck
    | LogPosition
    | TruthReading
)
