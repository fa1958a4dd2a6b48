"""The operations on the driver alone: no pool, no metrics, no retry.

The result is the upper bound for an engine: the throughput of psycopg2 and of the operations' own Python;
with tracing, also of ddtrace, which wraps the cursor, beneath a root span for each operation.
"""

import random
import threading
from collections.abc import Mapping
from types import TracebackType
from uuid import uuid4

import psycopg2

from workload.database import Database, Row, Session
from workload.operation import Call, Operation, Outcome, Result
from workload.reference import Reference
from workload.settings import Settings
from workload.statements import Statement
from workload.tracing import Tracing

CONNECT_TIMEOUT_S = 60


class BareDatabase(Database):
    """One permanent connection for each thread."""

    def __init__(self, settings: Settings, *, service: str) -> None:
        self._telemetry = _Nobody()
        super().__init__(settings, service=service, size=1, telemetry=self._telemetry)
        # There is no retry, and on a busy machine many connections at once take long.
        self._pool.parameters["connect_timeout"] = CONNECT_TIMEOUT_S
        self._own = threading.local()

    def autocommit(self) -> Session:
        """The thread's session in autocommit mode."""
        return self._session(transaction=False)

    def transaction(self) -> Session:
        """The thread's session, whose block is one transaction."""
        return self._session(transaction=True)

    def _session(self, *, transaction: bool) -> Session:
        if not hasattr(self._own, "session"):
            connection = self._pool.connect()
            self._own.session = _BareSession(connection, self._pool, self._telemetry)
        session: _BareSession = self._own.session
        session.begin(transaction=transaction)
        return session


class BareRunner:
    """Runs operations without instrumentation."""

    def __init__(self, settings: Settings, *, service: str, tracing: Tracing) -> None:
        self._settings = settings
        self._service = service
        self.instance = uuid4()
        self._database = BareDatabase(settings, service=service)
        self._random = random.Random(settings.workload_random_seed)
        self._reference = Reference(self._database, self._random)
        self._tracing = tracing

    def run(self, operation: Operation) -> Result:
        """Execute one operation; an error of the database is a result, too."""
        with self._tracing.operation(self._service, operation.name) as span:
            call = Call(
                service=self._service,
                operation=operation.name,
                instance=self.instance,
                random=self._random,
                settings=self._settings,
                database=self._database,
                reference=self._reference,
                span=span,
            )
            try:
                return operation.run(call)
            except psycopg2.Error:
                return Result(outcome=Outcome.ERROR)


class _BareSession(Session):
    """A thread's only session: it executes statements by the driver, without pool and metrics."""

    __slots__ = ()

    def __exit__(
        self, _: object, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self._connection.rollback()
        elif self._transaction:
            self._connection.commit()

    def _execute(
        self, statement: Statement, parameters: Mapping[str, object]
    ) -> tuple[list[Row], int]:
        cursor = self._cursor
        cursor.execute(statement.sql, parameters)
        return cursor.fetchall() if cursor.description else [], cursor.rowcount


class _Nobody:
    """An observer that ignores all events."""

    def waited(self, seconds: float) -> None: ...
    def timed_out(self) -> None: ...

    def executed(self, statement: Statement, seconds: float, rows: int) -> None: ...

    def wrote(self, table: str, action: str, rows: int) -> None: ...

    def failed(self, sqlstate: str) -> None: ...
