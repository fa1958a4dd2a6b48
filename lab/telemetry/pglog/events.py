"""Database events in the log besides statements: kinds of events, each by its message and its backend type.

The patterns match PostgreSQL's messages with lc_messages = C, from its source. An application can write any
message to the log by RAISE, so a line counts only with the severity, SQLSTATE and backend type of that event,
and without the CONTEXT of a RAISE.
"""

import re
from collections.abc import Callable
from enum import StrEnum

from lab.telemetry import redact
from lab.telemetry.pglog.line import Line
from lab.telemetry.pglog.locks import LOCK, participants, plain_lock
from lab.telemetry.store import Event, Participant


class Kind(StrEnum):
    """`Event.kind`."""

    DEADLOCK = "deadlock"
    LOCK_WAIT = "lock_wait"
    LOCK_ACQUIRED = "lock_acquired"
    TEMP_FILE = "temp_file"
    CHECKPOINT = "checkpoint"
    AUTOVACUUM = "autovacuum"
    AUTOANALYZE = "autoanalyze"
    SERVER = "server"
    ERROR = "error"
    PLAN_REJECTED = "plan_rejected"


ERRORS = frozenset({"ERROR", "FATAL", "PANIC"})
SQLSTATE = re.compile("[0-9A-Z]{5}")
DEADLOCK_DETECTED = "40P01"
# syntax_error, and the errors of decoding a statement's characters.
NOT_SQL = frozenset({"42601", "22021", "22025", "22P05", "22P06", "42622"})
# successful_completion. Some versions of jsonlog leave it out below ERROR.
REPORTS = frozenset({None, "00000"})
WAITING = re.compile(
    rf"process (?P<pid>[0-9]{{1,10}}) (?P<what>still waiting for|acquired) (?P<lock>{LOCK})"
    r" after (?P<ms>[0-9]{1,12})(?:\.(?P<us>[0-9]{3}))? ms\Z"
)
HOLDING = re.compile(r"Process(?:es)? holding the lock: ([0-9, ]+)\.")
RELATION = re.compile(r"relation ([0-9]{1,10}) of database")
TEMP_FILE = re.compile(r'temporary file: path "[^"]*", size ([0-9]{1,18})')
CHECKPOINT = re.compile(
    r"(?:checkpoint|restartpoint) complete: wrote (?P<buffers>[0-9]{1,12}) buffers.*?"
    r"write=(?P<write_s>[0-9]{1,9}\.[0-9]{3}) s, sync=(?P<sync_s>[0-9]{1,9}\.[0-9]{3}) s,"
    r" total=(?P<total_s>[0-9]{1,9}\.[0-9]{3}) s"
    r"(?:.*?distance=(?P<distance_kb>[0-9]{1,12}) kB)?",
    re.DOTALL,
)
AUTOVACUUM = re.compile(
    r"automatic (?P<what>(?:aggressive )?vacuum|analyze)(?: to prevent wraparound)? of table"
    r' "(?P<table>.{1,250}?)"(?:: index scans|\n(?:avg |I/O |system |delay |buffer |WAL ))',
    re.DOTALL,
)
REMOVED = re.compile(
    r"tuples: (?P<removed>[0-9]{1,18}) removed, (?P<remain>[0-9]{1,18}) remain,"
    r" (?P<dead>[0-9]{1,18}) are dead"
)
ELAPSED = re.compile(r"elapsed: ([0-9]{1,9})\.([0-9]{2}) s")
SERVER = re.compile(
    "database system is ready to accept connections"
    "|database system was interrupted"
    "|database system was not properly shut down"
    "|received (?:fast|smart|immediate) shutdown request"
    "|received SIGHUP, reloading configuration files"
    "|terminating any other active server processes"
)
TERMINATED = re.compile(r"server process \(PID [0-9]+\) was terminated by signal ([0-9]{1,3})")


def event_of(line: Line) -> Event | None:
    """Return the event of a line; None when it has none of these kinds."""
    if line.error_severity in ERRORS:
        return _error(line)
    if (
        line.error_severity != "LOG"
        or line.state_code not in REPORTS
        or redact.is_raised(line.context)
    ):
        return None
    for pattern, backends, make in MESSAGES:
        if line.backend_type in backends and (found := pattern.match(line.message)):
            return make(line, found)
    return None


def rejected_plan(
    line: Line,
    reason: str,
    statement: redact.Redacted | None,
    size_bytes: int,
    duration_ns: int,
) -> Event:
    """Return the event for an executed plan that is too large or too deep to be stored, with its size."""
    return _event(
        line,
        Kind.PLAN_REJECTED,
        reason,
        statement=statement,
        duration_ns=duration_ns,
        size_bytes=size_bytes,
    )


def _error(line: Line) -> Event:
    message = redact.error_message(line.message, line.state_code, line.context)
    if line.state_code == DEADLOCK_DETECTED and message == "deadlock detected":
        return _event(line, Kind.DEADLOCK, message, participants=participants(line.detail or ""))
    return _event(line, Kind.ERROR, message)


def _waiting(line: Line, found: re.Match[str]) -> Event:
    holders = HOLDING.search(line.detail or "")
    pids = tuple(int(pid) for pid in re.findall(r"[0-9]{1,10}", holders[1])) if holders else ()
    waiting = Participant(
        pid=int(found["pid"]), waits_for=plain_lock(found["lock"]), blocked_by=pids
    )
    kind = Kind.LOCK_ACQUIRED if found["what"] == "acquired" else Kind.LOCK_WAIT
    relation = RELATION.search(found["lock"])
    return _event(
        line,
        kind,
        f"{found['what']} {plain_lock(found['lock'])}",
        relation=f"relation {relation[1]}" if relation else None,
        duration_ns=int(found["ms"]) * 1_000_000 + int(found["us"] or 0) * 1_000,
        participants=(waiting,),
    )


def _autovacuum(line: Line, found: re.Match[str]) -> Event:
    kind = Kind.AUTOANALYZE if found["what"] == "analyze" else Kind.AUTOVACUUM
    removed = REMOVED.search(line.message)
    elapsed = ELAPSED.search(line.message)
    return _event(
        line,
        kind,
        f"automatic {found['what']}",
        relation=".".join(redact.label(part) or "" for part in found["table"].split(".", 2)),
        duration_ns=int(elapsed[1] + elapsed[2]) * 10_000_000 if elapsed else None,
        figures={k: float(v) for k, v in removed.groupdict().items()} if removed else {},
    )


def _temp_file(line: Line, found: re.Match[str]) -> Event:
    return _event(line, Kind.TEMP_FILE, "temporary file", size_bytes=int(found[1]))


def _checkpoint(line: Line, found: re.Match[str]) -> Event:
    figures = {k: float(v) for k, v in found.groupdict().items() if v is not None}
    total_ns = round(figures["total_s"] * 1e9)
    return _event(line, Kind.CHECKPOINT, "checkpoint", duration_ns=total_ns, figures=figures)


def _server(line: Line, found: re.Match[str]) -> Event:
    return _event(line, Kind.SERVER, found[0])


def _terminated(line: Line, found: re.Match[str]) -> Event:
    return _event(line, Kind.SERVER, f"server process was terminated by signal {found[1]}")


def _event(
    line: Line,
    kind: Kind,
    message: str,
    *,
    statement: redact.Redacted | None = None,
    relation: str | None = None,
    duration_ns: int | None = None,
    size_bytes: int | None = None,
    figures: dict[str, float] | None = None,
    participants: tuple[Participant, ...] = (),
) -> Event:
    if statement is None and line.statement:
        statement = redact.statement(line.statement)
    # Literals cannot be found in a text that PostgreSQL could not parse.
    is_sql = line.state_code not in NOT_SQL
    comment = statement.comment if statement else redact.Comment()
    sqlstate = SQLSTATE.fullmatch(line.state_code or "")
    return Event(
        at_ns=line.at_ns,
        kind=kind.value,
        pid=line.pid,
        message=message,
        severity=redact.label(line.error_severity),
        sqlstate=sqlstate[0] if sqlstate else None,
        database=redact.label(line.dbname),
        role=redact.label(line.user),
        application=redact.label(line.application_name),
        queryid=line.queryid,
        trace_id=comment.trace_id,
        span_id=comment.span_id,
        service=comment.service,
        statement=comment.statement,
        text=statement.text if statement and is_sql else None,
        relation=relation,
        duration_ns=duration_ns,
        size_bytes=size_bytes,
        figures=figures or {},
        participants=participants,
    )


SESSIONS = frozenset({
    "client backend", "parallel worker", "background worker", "autovacuum worker", "walsender", "startup",
    "slotsync worker", "logical replication worker", "logical replication apply worker",
    "logical replication parallel worker", "logical replication tablesync worker",
})  # fmt: skip
POSTMASTER = frozenset({"postmaster", "startup", "checkpointer"})
MESSAGES: tuple[
    tuple[re.Pattern[str], frozenset[str], Callable[[Line, re.Match[str]], Event]], ...
] = (
    (WAITING, SESSIONS, _waiting),
    (TEMP_FILE, SESSIONS, _temp_file),
    (
        CHECKPOINT,
        frozenset({"checkpointer", "startup", "postmaster", "standalone backend"}),
        _checkpoint,
    ),
    (AUTOVACUUM, frozenset({"autovacuum worker"}), _autovacuum),
    (SERVER, POSTMASTER, _server),
    (TERMINATED, POSTMASTER, _terminated),
)
