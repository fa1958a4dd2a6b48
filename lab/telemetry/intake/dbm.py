"""Decodes the bodies of the DBM streams: JSON arrays of events in the format of Datadog's postgres check.

Only declared fields are decoded; unknown fields are ignored. Events of other databases than PostgreSQL, and
other kinds of events (such as raw statements), are accepted and not stored.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any, TypeAlias, TypeVar

import msgspec
from msgspec import Meta

from lab.telemetry.intake.errors import decoding, require_few_elements
from lab.telemetry.intake.limits import MAX_EVENTS, MAX_PIDS, MAX_ROWS, MAX_TAGS

Int: TypeAlias = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Count: TypeAlias = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Pid: TypeAlias = Annotated[int, Meta(ge=0, lt=2**31)]
# Milliseconds since 1970 up to the year 2200: in nanoseconds they fit in 64 bits.
Milliseconds: TypeAlias = Annotated[float, Meta(gt=0, lt=7.3e12)]
Amount: TypeAlias = Annotated[float, Meta(ge=0, lt=1e15)]
T = TypeVar("T")
Comments: TypeAlias = Annotated[list[str], Meta(max_length=MAX_TAGS)]
# Decoded one by one: a row of pids or comments takes nine times its bytes in memory.
Rows: TypeAlias = Annotated[list[msgspec.Raw], Meta(max_length=MAX_ROWS)]
_array = msgspec.json.Decoder(Annotated[list[msgspec.Raw], Meta(max_length=MAX_EVENTS)])


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """The Agent's metadata of a statement."""

    comments: Comments | None = None


class PlanPart(msgspec.Struct, frozen=True, kw_only=True):
    """A plan: `definition` is JSON in a string, None when the Agent could not collect it."""

    definition: str | None = None
    signature: str | None = None


class Db(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a sample that is the same for all database systems."""

    instance: str | None = None
    query_signature: str | None = None
    application: str | None = None
    user: str | None = None
    statement: str | None = None
    metadata: Metadata | None = None
    plan: PlanPart | None = None


class SampledSession(msgspec.Struct, frozen=True, kw_only=True):
    """A row of pg_stat_activity; the Agent's has no query_id, the embedded agent's has."""

    pid: Pid = 0
    query_id: Int | None = None


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """An element of databasequery: a plan, or a statement's full text (fqt)."""

    timestamp: Milliseconds
    dbm_type: str
    ddagentversion: str | None = None
    db: Db = Db()
    postgres: SampledSession | None = None
    duration: Amount | None = None


class MetricsRow(msgspec.Struct, frozen=True, kw_only=True):
    """The deltas of one statement, in PostgreSQL's own units."""

    query_signature: str
    datname: str | None = None
    rolname: str | None = None
    query: str = ""
    queryid: Int | None = None
    dd_comments: Comments | None = None
    calls: Count = 0
    rows: Count = 0
    total_exec_time: Amount = 0.0
    total_plan_time: Amount = 0.0
    blk_read_time: Amount = 0.0
    blk_write_time: Amount = 0.0
    # PostgreSQL 17 split these two by kind of buffer.
    shared_blk_read_time: Amount = 0.0
    shared_blk_write_time: Amount = 0.0
    local_blk_read_time: Amount = 0.0
    local_blk_write_time: Amount = 0.0
    shared_blks_hit: Count = 0
    shared_blks_read: Count = 0
    shared_blks_dirtied: Count = 0
    shared_blks_written: Count = 0
    temp_blks_read: Count = 0
    temp_blks_written: Count = 0
    # numeric in PostgreSQL, so a float in the Agent's JSON.
    wal_bytes: Amount = 0.0

    @property
    def read_ms(self) -> float:
        """Time spent reading blocks of tables, in milliseconds, of any PostgreSQL version."""
        return self.blk_read_time or self.shared_blk_read_time + self.local_blk_read_time

    @property
    def write_ms(self) -> float:
        """Time spent writing blocks of tables, in milliseconds, of any PostgreSQL version."""
        return self.blk_write_time or self.shared_blk_write_time + self.local_blk_write_time


class Metrics(msgspec.Struct, frozen=True, kw_only=True):
    """An element of dbmmetrics."""

    timestamp: Milliseconds
    ddagentversion: str | None = None
    postgres_rows: Rows = []


class ActivityRow(msgspec.Struct, frozen=True, kw_only=True):
    """One session that was not idle."""

    pid: Pid
    datname: str | None = None
    usename: str | None = None
    application_name: str | None = None
    backend_type: str | None = None
    state: str | None = None
    wait_event_type: str | None = None
    wait_event: str | None = None
    query_id: Int | None = None
    query_signature: str | None = None
    statement: str | None = None
    dd_comments: Comments | None = None
    query_start: datetime | None = None
    xact_start: datetime | None = None
    blocking_pids: Annotated[list[Pid], Meta(max_length=MAX_PIDS)] = []


class ConnectionsRow(msgspec.Struct, frozen=True, kw_only=True):
    """The number of sessions, including idle ones, with these values."""

    application_name: str | None = None
    state: str | None = None
    usename: str | None = None
    datname: str | None = None
    connections: Count


class Activity(msgspec.Struct, frozen=True, kw_only=True):
    """An element of dbmactivity."""

    timestamp: Milliseconds
    dbm_type: str = "activity"
    # Seconds.
    collection_interval: Amount | None = None
    ddagentversion: str | None = None
    host: str | None = None
    postgres_activity: Rows = []
    postgres_connections: Rows = []


class MetadataEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An element of dbmmetadata; `metadata` differs by `kind`."""

    timestamp: Milliseconds
    kind: str
    host: str = ""
    metadata: list[dict[str, Any]] | dict[str, Any] = []


def events(body: bytes, kind: type[T]) -> Iterator[T]:
    """Yield a JSON array's events one by one; a single object is accepted, too, as older Agents send it.

    Raises:
        RejectedError: when it is neither.
    """
    require_few_elements(body)
    with decoding(f"{kind.__name__} events"):
        if body.lstrip()[:1] == b"{":
            yield msgspec.json.decode(body, type=kind)
            return
        for event in _array.decode(body):
            yield msgspec.json.decode(event, type=kind)


def rows(encoded: Sequence[msgspec.Raw], kind: type[T]) -> Iterator[T]:
    """Yield an event's rows one by one.

    Raises:
        RejectedError: when one is not of this kind.
    """
    with decoding(f"{kind.__name__} events"):
        for row in encoded:
            yield msgspec.json.decode(row, type=kind)
