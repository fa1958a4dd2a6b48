"""Recent incidents from PostgreSQL's log: deadlocks, long lock waits, temporary files, errors.

Equal errors of one statement are one incident with a count, so that a burst does not hide other incidents; so
are its lock waits for several transactions or rows.
EXPLAINs of DBM that PostgreSQL rejects are not incidents, nor are the errors that `doctor` expects: it tests
that the explain function refuses statements that would execute.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from lab.clients.database import condition
from lab.foundation.timestamps import moment, ms, nanoseconds
from lab.telemetry.pglog.events import Kind
from lab.telemetry.store import Event, Reader

KINDS = (Kind.DEADLOCK, Kind.LOCK_WAIT, Kind.TEMP_FILE, Kind.ERROR, Kind.SERVER)
MAX_EVENTS = 2_000
# DBM explains sampled statements. PostgreSQL rejects those with parameters ($1) and those on tables that the
# role may not read; both are in the log as errors of the role datadog.
REFUSED_EXPLAIN = (
    "kind = 'error' AND role IS 'datadog' AND coalesce(sqlstate, '') IN ('42P02', '42501')"
)
# The application name of `doctor` (lab/doctor/examine.py).
EXPECTED = "kind = 'error' AND application IS 'credit-lab doctor'"
# PostgreSQL's log identifies a table by its oid.
RELATION = re.compile(r"relation ([0-9]{1,10}) of database ([0-9]{1,10})")
NUMBER = re.compile(r"transaction [0-9]{1,10}|tuple \([0-9]{1,10},[0-9]{1,6}\)")
TABLES = "SELECT payload FROM snapshots WHERE kind LIKE 'table %'"
UNKNOWN_MESSAGE = "?"
TITLES = {
    Kind.DEADLOCK: "Deadlock",
    Kind.LOCK_WAIT: "Lock wait",
    Kind.TEMP_FILE: "Spill to disk",
    Kind.ERROR: "Error",
    Kind.SERVER: "Server",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Incident:
    """One kind of incident, which occurred `count` times, the last time at `at`.

    Attributes:
        kind: one of KINDS.
        title: the kind as text.
        message: PostgreSQL's, without literals; tables by name where DBM has received it.
        role: of the affected session.
        service: that ran the statement, if it is one of the lab's.
        statement: the name of the statement.
        trace_id, span_id: of the last occurrence; None when its statement had no traceparent, and no
            trace_id when the trace is not stored.
        duration_ms: the duration of a lock wait.
        size_bytes: of a temporary file.
    """

    at: datetime
    kind: Kind
    title: str
    message: str
    count: int
    sqlstate: str | None
    role: str | None
    service: str | None
    statement: str | None
    queryid: str | None
    trace_id: str | None
    span_id: str | None
    duration_ms: float | None
    size_bytes: int | None


def incidents(
    reader: Reader, *, since: datetime, until: datetime, limit: int = 12
) -> tuple[Incident, ...]:
    """Return the incidents of a window, the latest first.

    Raises:
        StoreError: when the store cannot be read.
    """
    holes = ", ".join("?" * len(KINDS))
    events = reader.select(
        Event,
        f"kind IN ({holes}) AND NOT ({REFUSED_EXPLAIN}) AND NOT ({EXPECTED}) AND at_ns >= ? AND at_ns < ?",
        [*KINDS, nanoseconds(since), nanoseconds(until)],
        order="at_ns DESC",
        limit=MAX_EVENTS,
    )
    found = _together(events)[:limit]
    names = _table_names(reader) if any(RELATION.search(one.message) for one in found) else {}
    stored = _stored(reader, [one.trace_id for one in found if one.trace_id])
    return tuple(
        replace(
            one,
            message=_named(one.message, names),
            trace_id=one.trace_id if one.trace_id in stored else None,
        )
        for one in found
    )


def refused_explains(reader: Reader, *, since: datetime, until: datetime) -> int:
    """Return the number of DBM's EXPLAINs in a window that PostgreSQL rejected.

    Raises:
        StoreError: when the store cannot be read.
    """
    sql = f"SELECT count(*) FROM events WHERE {REFUSED_EXPLAIN} AND at_ns >= ? AND at_ns < ?"
    [[count]] = reader.rows(sql, [nanoseconds(since), nanoseconds(until)])
    return int(count)


def _table_names(reader: Reader) -> Mapping[tuple[int | None, int], str]:
    """Return tables by the oids of database and table, or by the table's alone if the other is unknown."""
    found: dict[tuple[int | None, int], str] = {}
    of_several: set[tuple[int | None, int]] = set()
    for (payload,) in reader.rows(TABLES):
        table = json.loads(payload)
        if "id" in table and "name" in table:
            key = (table.get("database_id"), table["id"])
            if found.setdefault(key, table["name"]) != table["name"]:
                of_several.add(key)
    return {key: name for key, name in found.items() if key not in of_several}


def _stored(reader: Reader, trace_ids: Sequence[str]) -> set[str]:
    """Return the traces of which the store has a span: the log also names those that have expired."""
    sql = "SELECT DISTINCT trace_id FROM spans WHERE trace_id IN (SELECT value FROM json_each(?))"
    return {trace_id for (trace_id,) in reader.rows(sql, [json.dumps(list(trace_ids))])}


def _named(message: str, names: Mapping[tuple[int | None, int], str]) -> str:
    def name(found: re.Match[str]) -> str:
        table, database = int(found[1]), int(found[2])
        return names.get((database, table)) or names.get((None, table)) or found[0]

    return RELATION.sub(name, message)


def _together(events: Iterable[Event]) -> list[Incident]:
    groups: dict[tuple[object, ...], list[Event]] = {}
    for event in events:
        key = (
            event.kind,
            event.sqlstate,
            # Lock waits of one statement differ only by the number of the transaction.
            NUMBER.sub("", event.message) if event.kind == Kind.LOCK_WAIT else event.message,
            event.role,
            event.service,
            event.statement,
        )
        groups.setdefault(key, []).append(event)
    return [_incident(group) for group in groups.values()]


def _message(event: Event) -> str:
    """Return the message; one that matches no known template was stored as `?`, and has only its SQLSTATE."""
    if event.message != UNKNOWN_MESSAGE:
        return event.message
    return condition(event.sqlstate or "") or "the message is not stored"


def _incident(group: list[Event]) -> Incident:
    last = group[0]
    kind = Kind(last.kind)
    longest = max((e.duration_ns for e in group if e.duration_ns is not None), default=None)
    return Incident(
        at=moment(last.at_ns),
        kind=kind,
        title=TITLES[kind],
        message=_message(last),
        count=len(group),
        sqlstate=last.sqlstate,
        role=last.role,
        service=last.service,
        statement=last.statement,
        queryid=None if last.queryid is None else str(last.queryid),
        trace_id=last.trace_id,
        span_id=last.span_id,
        duration_ms=None if longest is None else ms(longest),
        size_bytes=max((e.size_bytes for e in group if e.size_bytes is not None), default=None),
    )
