"""The sessions of a drill: threads that execute statements in PostgreSQL until the drill ends them.

Their application name is `credit-drill` (in an exam, that of the culprit), and they are traced like the five
services, so that observers can name them. PostgreSQL checks once a second whether the client is still
connected: the sessions of a killed runner end by themselves, also in the middle of a statement.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial

from lab.clients import database
from lab.clients.database import Connection, Role, Row
from lab.foundation.errors import DatabaseError
from lab.foundation.readiness import await_state
from lab.foundation.settings import LabSettings
from workload.statements import Statement, parse
from workload.tracing import Tracing

APPLICATION = "credit-drill"
ENDS_WITHIN_S = 20.0
REFUSED_PAUSE_S = 0.5
# Deadlock, serialization failure, lock timeout, cancellation: effects of the faults, and no failure.
ORDINARY = frozenset({"40P01", "40001", "55P03", "57014"})
# A drill's waits are deliberate and must not time out; its sessions end soon after the runner's end.
PREPARE = (
    "SET client_connection_check_interval = '1s'",
    "SET lock_timeout = 0",
    "SET statement_timeout = 0",
    "SET idle_in_transaction_session_timeout = 0",
)


def statements(text: str, service: str = APPLICATION) -> Mapping[str, Statement]:
    """Return statements by name, a drill's or those of a service; the format is that of workload/sql."""
    return {statement.name: statement for statement in parse(text, service=service)}


class DrillSession:
    """One session of a drill, passed to its unit of work."""

    def __init__(self, connection: Connection, ending: threading.Event) -> None:
        self._connection = connection
        self._ending = ending

    def run(self, statement: Statement, **parameters: object) -> list[Row]:
        """Execute a statement of the drill."""
        return self.execute(statement.sql, parameters or None)

    def execute(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[Row]:
        """Execute BEGIN, ROLLBACK, SET and the like."""
        return database.rows(self._connection, sql, parameters)

    def idle(self, seconds: float | None = None) -> bool:
        """Stay idle, in the current transaction if one is open, until the heal; return whether it began."""
        return self._ending.wait(seconds)


Work = Callable[[DrillSession], object]


class DrillSessions:
    """All sessions of one run; `end` ends them, also in the middle of a statement.

    Attributes:
        application: their application name.
    """

    def __init__(
        self, settings: LabSettings, tracing: Tracing, application: str = APPLICATION
    ) -> None:
        self._settings = settings
        self.application = application
        self._tracing = tracing
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._connections: set[Connection] = set()
        self._threads: list[threading.Thread] = []
        self._failure: DatabaseError | None = None

    @property
    def failure(self) -> DatabaseError | None:
        """The error of a session that could not do its work; None while all can."""
        return self._failure

    def once(self, role: Role, name: str, work: Work) -> None:
        """Start a session that executes one unit of work, until it returns or is ended."""
        self._start(partial(self._attempt, role, name, work))

    def repeat(
        self, role: Role, name: str, work: Work, *, count: int = 1, every_s: float = 0.0
    ) -> None:
        """Start sessions that repeat a unit of work.

        Args:
            role: the role that they connect as.
            name: the operation's name in traces.
            work: one round; each has its own span.
            count: number of sessions.
            every_s: seconds between the end of a round and the next.
        """
        for _ in range(count):
            self._start(partial(self._rounds, role, name, work, every_s))

    def exhaust(self, role: Role, most: int) -> None:
        """Start to open sessions up to the role's connection limit, and keep them idle."""
        self._start(partial(self._exhaust, role, most))

    def end(self) -> None:
        """End every session; their transactions are rolled back.

        Raises:
            NotReadyError: when one does not end in time.
        """
        self._ending.set()
        await_state("the drill's sessions have ended", self._cancel, within_s=ENDS_WITHIN_S)
        self._tracing.flush()

    def _cancel(self) -> str | None:
        """Cancel all running statements; called repeatedly, as a session may be between two statements."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            database.cancel(connection)
        alive = [thread for thread in self._threads if thread.is_alive()]
        return f"{len(alive)} have not ended" if alive else None

    def _start(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _attempt(self, role: Role, name: str, work: Work) -> None:
        try:
            with self._session(role) as session, self._tracing.operation(self.application, name):
                work(session)
        except DatabaseError as error:
            self._note(error)

    def _exhaust(self, role: Role, most: int) -> None:
        with ExitStack() as kept:
            for _ in range(most):
                try:
                    kept.enter_context(self._session(role))
                except DatabaseError:
                    # Refused: take a connection that another session releases later.
                    self._ending.wait(REFUSED_PAUSE_S)
                if self._ending.is_set():
                    return
            self._ending.wait()

    def _rounds(self, role: Role, name: str, work: Work, every_s: float) -> None:
        while not self._ending.is_set():
            try:
                with self._session(role) as session:
                    while not self._ending.is_set():
                        with self._tracing.operation(self.application, name):
                            work(session)
                        session.idle(every_s)
            except DatabaseError as error:
                self._note(error)

    @contextmanager
    def _session(self, role: Role) -> Iterator[DrillSession]:
        target = database.dsn(self._settings, role)
        with database.connect(target, application_name=self.application) as connection:
            with self._lock:
                self._connections.add(connection)
            try:
                for setting in PREPARE:
                    database.rows(connection, setting)
                yield DrillSession(connection, self._ending)
            finally:
                with self._lock:
                    self._connections.discard(connection)

    def _note(self, error: DatabaseError) -> None:
        if error.sqlstate not in ORDINARY and not self._ending.is_set():
            self._failure = error
            self._ending.wait(1.0)
