"""The thread that samples pg_stat_activity each second, as the role `lab`, and stores the sessions."""

import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from lab.clients.database import Connection, Row, read_only, rows
from lab.foundation import clock
from lab.foundation.errors import DatabaseError
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import nanoseconds
from lab.telemetry import redact
from lab.telemetry.sampling import INTERVAL_S, SamplingThread
from lab.telemetry.store import ActivityRound, ActivitySample, Record, Source, Statement
from workload.statements import texts

RETRY_S = 2.0
STATEMENT_TIMEOUT_S = 2.0
APPLICATION_NAME = "credit-lab sampler"
(SESSIONS,) = texts(Path(__file__).with_name("activity.sql"), service="sampler").values()
Offer = Callable[[Sequence[Record]], bool]


class Telemetry(Protocol):
    """Receives the sampler's state, for its metrics."""

    def sampled(self, sessions: int, skipped: int) -> None:
        """`sessions` sessions were sampled; `skipped` rows could not be decoded."""

    def sampling_trouble(self, reason: str | None) -> None:
        """Set the reason why sessions cannot be sampled; None when they can."""


class ActivitySampler(SamplingThread):
    """Stores a sample of the sessions each second; the times without a connection have no rounds."""

    def __init__(self, settings: LabSettings, offer: Offer, telemetry: Telemetry) -> None:
        super().__init__(
            settings, name="activity-sampler", application_name=APPLICATION_NAME, retry_s=RETRY_S
        )
        self._offer = offer
        self._telemetry = telemetry

    def take(self, connection: Connection) -> None:
        """Store one sample."""
        found, skipped = sample(connection)
        self._telemetry.sampling_trouble(None)
        if self._offer(found):
            sessions = sum(isinstance(each, ActivitySample) for each in found)
            self._telemetry.sampled(sessions, skipped)

    def failed(self, error: DatabaseError) -> None:
        """Report why sessions are not sampled."""
        self._telemetry.sampling_trouble(str(error))


def sample(connection: Connection) -> tuple[list[Record], int]:
    """Return the sessions that are not idle, with their round and statements, and the number of skipped rows.

    Raises:
        DatabaseError: when the database does not answer.
    """
    with read_only(connection, role="pg_monitor", statement_timeout_s=STATEMENT_TIMEOUT_S):
        before_ns = clock.now_ns()
        found = rows(connection, SESSIONS)
        at_ns = (before_ns + clock.now_ns()) // 2
    sessions: list[ActivitySample] = []
    statements: dict[str, Statement] = {}
    for row in found:
        try:
            session, statement = _session(row, at_ns)
        except Exception as error:  # noqa: BLE001 - one row must not lose the others
            print(f"activity sampler: a row: {type(error).__name__}", file=sys.stderr)
        else:
            sessions.append(session)
            if statement is not None:
                statements[statement.key] = statement
    taken = ActivityRound(
        at_ns=at_ns, source=Source.LAB, interval_s=INTERVAL_S, sessions=len(sessions)
    )
    return [taken, *sessions, *statements.values()], len(found) - len(sessions)


def _session(row: Row, at_ns: int) -> tuple[ActivitySample, Statement | None]:
    (pid, database, role, application, backend_type, state, wait_type, wait_event, queryid, text,
     query_start, xact_start, blocking_pids) = row  # fmt: skip
    redacted = redact.statement(text or "")
    comment = redacted.comment
    session = ActivitySample(
        at_ns=at_ns,
        source=Source.LAB,
        pid=pid,
        database=redact.label(database),
        role=redact.label(role),
        application=redact.label(application),
        backend_type=redact.label(backend_type),
        state=redact.label(state),
        wait_event_type=redact.label(wait_type),
        wait_event=redact.label(wait_event),
        queryid=queryid,
        signature=None,
        trace_id=comment.trace_id,
        span_id=comment.span_id,
        service=comment.service,
        statement=comment.statement,
        query_start_ns=_time_ns(query_start),
        xact_start_ns=_time_ns(xact_start),
        # The list has a parallel query's leader once for each of its workers.
        blocking_pids=tuple(dict.fromkeys(blocking_pids)),
    )
    return session, _statement(session, redacted) if text else None


def _statement(session: ActivitySample, redacted: redact.Redacted) -> Statement | None:
    if session.queryid is None:
        return None
    return Statement(
        key=str(session.queryid),
        queryid=session.queryid,
        signature=None,
        name=session.statement,
        owner=redacted.comment.owner,
        text=redacted.text,
        seen_ns=session.at_ns,
    )


def _time_ns(value: datetime | None) -> int | None:
    return None if value is None else nanoseconds(value)
