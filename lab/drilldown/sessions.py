"""PostgreSQL's current sessions: statements, wait events, the blocking tree, the longest transactions.

Read as the role `lab` in one read-only transaction with the privileges of pg_monitor, which may read all
sessions, but no row of the application. Statements are redacted before they leave this module.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from lab.clients.database import Role, Row, connect, dsn, read_only, rows
from lab.foundation import clock
from lab.foundation.errors import DatabaseError
from lab.foundation.plural import plural
from lab.foundation.settings import LabSettings
from lab.telemetry import redact
from workload.statements import texts

TIMEOUT_S = 2.0
# The pid that pg_blocking_pids returns for a lock held by a prepared transaction.
PREPARED_TRANSACTION = 0
LONGEST = 10
# Characters of an unnamed statement in a sentence.
STATEMENT_WIDTH = 60
QUERIES = texts(Path(__file__).with_name("sessions.sql"), service="console")


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """One session; ages in seconds.

    Attributes:
        state: of pg_stat_activity, such as `active` or `idle in transaction`.
        queryid: in decimal text.
        service: the calling service, by the tracer's comment.
        statement: the name of its current or last statement in workload/sql/.
        text: the statement with every literal replaced by `?`.
        query_age_s, transaction_age_s, state_age_s: since their start; None without one.
        blocked_by: the distinct pids that block it; 0 is a prepared transaction.
    """

    pid: int
    role: str | None
    application: str | None
    database: str | None
    state: str | None
    wait_event_type: str | None
    wait_event: str | None
    queryid: str | None
    service: str | None
    statement: str | None
    text: str
    trace_id: str | None
    span_id: str | None
    backend_type: str
    query_age_s: float | None
    transaction_age_s: float | None
    state_age_s: float | None
    blocked_by: tuple[int, ...]

    @classmethod
    def from_row(cls, row: Row) -> "Session":
        """Build from a row of the query `live_sessions`."""
        text = redact.statement(row[8] or "")
        comment = text.comment
        return cls(
            pid=row[0],
            role=redact.label(row[1]),
            application=redact.label(row[2]),
            database=redact.label(row[3]),
            state=row[4],
            wait_event_type=row[5],
            wait_event=row[6],
            queryid=None if row[7] is None else str(row[7]),
            service=comment.service,
            statement=comment.statement,
            text=text.text,
            trace_id=comment.trace_id,
            span_id=comment.span_id,
            backend_type=row[9],
            query_age_s=row[10],
            transaction_age_s=row[11],
            state_age_s=row[12],
            # The list has a parallel query's leader once for each of its workers.
            blocked_by=tuple(dict.fromkeys(row[13])),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class BlockingNode:
    """A session in the blocking tree, with those that wait for it."""

    pid: int
    waiting: tuple["BlockingNode", ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sessions:
    """All sessions at one time.

    Attributes:
        sessions: those with the oldest transaction first.
        blocking: one tree for each session that blocks others and does not wait itself.
        longest_transactions: pids, the oldest transaction first.
        absent: the reason for each empty field, by its name.
    """

    at: datetime
    sessions: tuple[Session, ...]
    blocking: tuple[BlockingNode, ...]
    longest_transactions: tuple[int, ...]
    absent: Mapping[str, str] = field(default_factory=dict)


def root_causes(found: Sessions) -> tuple[str, ...]:
    """Return a sentence for each head of a blocking chain: its session, its statement, whom it blocks.

    >>> root_causes(Sessions(at=clock.now(), sessions=(), blocking=(), longest_transactions=()))
    ()
    """
    known = {session.pid: session for session in found.sessions}
    return tuple(_root_cause(node, known) for node in found.blocking if node.waiting)


def _root_cause(node: BlockingNode, known: Mapping[int, Session]) -> str:
    below = dict.fromkeys(_below(node))
    waiting = [known[pid] for pid in below if pid in known]
    services = sorted({who for s in waiting if (who := s.service or s.application)})
    longest = max((s.query_age_s or 0.0 for s in waiting), default=0.0)
    count = plural(len(below), "session")
    of = f" of {', '.join(services)}" if services else ""
    return f"{_head(node.pid, known.get(node.pid))} blocks {count}{of}; the longest waits {longest:.1f} s."


def _below(node: BlockingNode) -> Iterator[int]:
    for each in node.waiting:
        yield each.pid
        yield from _below(each)


def _head(pid: int, session: Session | None) -> str:
    if session is None:
        if pid == PREPARED_TRANSACTION:
            return "A prepared transaction (pg_prepared_xacts)"
        return f"pid {pid} (a background process, or already ended)"
    age = f"{session.transaction_age_s:.1f} s" if session.transaction_age_s is not None else ""
    what = session.statement or " ".join(session.text.split())[:STATEMENT_WIDTH]
    last = "statement" if session.state == "active" else "last statement"
    parts = [
        session.service or session.application or session.role or session.backend_type,
        f"{session.state or ''} {age}".strip(),
        f"{last} {what}" if what else "",
    ]
    return f"pid {pid} ({', '.join(part for part in parts if part)})"


def live(settings: LabSettings) -> Sessions:
    """Return the current sessions; none when PostgreSQL does not answer, with the reason."""
    try:
        with (
            connect(
                dsn(settings, Role.LAB),
                application_name="credit-lab console",
                connect_timeout_s=2,
            ) as connection,
            read_only(connection, role="pg_monitor", statement_timeout_s=TIMEOUT_S),
        ):
            found = rows(connection, QUERIES["live_sessions"])
    except DatabaseError as error:
        return _of((), {"sessions": str(error)})
    return _of([Session.from_row(row) for row in found], {})


def _of(sessions: Iterable[Session], absent: Mapping[str, str]) -> Sessions:
    all_sessions = tuple(sessions)
    open_ones = [s for s in all_sessions if s.transaction_age_s is not None]
    return Sessions(
        at=clock.now(),
        sessions=all_sessions,
        blocking=blocking_tree({s.pid: s.blocked_by for s in all_sessions}),
        longest_transactions=tuple(s.pid for s in open_ones[:LONGEST]),
        absent=absent,
    )


def blocking_tree(blocked_by: Mapping[int, tuple[int, ...]]) -> tuple[BlockingNode, ...]:
    """Return the blocking tree: sessions that block others and do not wait are the roots.

    A session that waits for two sessions is below both. A cycle, which PostgreSQL breaks after
    deadlock_timeout, begins at its lowest pid.

    >>> blocking_tree({1: (), 2: (1,), 3: (2,)})[0].waiting[0].waiting[0].pid
    3
    """
    waiting: dict[int, list[int]] = {}
    for pid, blockers in blocked_by.items():
        for blocker in blockers:
            waiting.setdefault(blocker, []).append(pid)
    placed: set[int] = set()

    def below(pid: int, above: frozenset[int]) -> BlockingNode:
        placed.add(pid)
        path = above | {pid}
        children = (below(child, path) for child in waiting.get(pid, ()) if child not in path)
        return BlockingNode(pid=pid, waiting=tuple(children))

    def trees() -> Iterator[BlockingNode]:
        for pid in sorted(waiting, key=lambda pid: (bool(blocked_by.get(pid)), pid)):
            if pid not in placed:
                yield below(pid, frozenset())

    return tuple(trees())
