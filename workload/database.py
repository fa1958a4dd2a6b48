"""The only module of the workload that uses the driver: a bounded psycopg2 pool and named statements.

A `Session` runs statements by name and reports them to `Telemetry`; an error is raised as one of
the five errors below, so that other modules do not depend on the driver's errors.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from time import perf_counter
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias

import psycopg2
import psycopg2.extensions
import psycopg2.extras
from psycopg2 import errorcodes

from workload.errors import WorkloadError
from workload.settings import Settings
from workload.statements import STATEMENTS, Statement

Row: TypeAlias = tuple[Any, ...]
CONNECT_TIMEOUT_S = 3
# Seconds without an acknowledgement after which the kernel closes the connection.
TCP_USER_TIMEOUT_S = 10
# SQLSTATE classes that occur in a running lab: connection, constraint, rollback, resources, locks, timeouts.
ERROR_CLASSES = ("08", "23", "40", "53", "55", "57")

psycopg2.extras.register_uuid()  # type: ignore[no-untyped-call]


class _ArrayLiteral:
    """A list as one constant, '{...}', so that a statement has one queryid for lists of any length.

    psycopg2's own ARRAY[...] has one constant per element, and PostgreSQL 15 has a queryid for each length.
    """

    def __init__(self, elements: Sequence[object]) -> None:
        quoted = (str(e).replace("\\", r"\\").replace('"', r"\"") for e in elements)
        text = ",".join(f'"{element}"' for element in quoted)
        self._text = psycopg2.extensions.QuotedString(f"{{{text}}}")

    def prepare(self, connection: psycopg2.extensions.connection) -> None:
        self._text.prepare(connection)

    def getquoted(self) -> bytes:
        return self._text.getquoted()


psycopg2.extensions.register_adapter(list, _ArrayLiteral)


class UnreachableError(WorkloadError):
    """PostgreSQL accepted no connection; nothing was sent."""


class PoolTimeoutError(WorkloadError):
    """No connection of the pool became free in time; nothing was sent."""


class ConnectionLostError(WorkloadError):
    """The connection was lost; the outcome of a commit under way is unknown."""


class ContentionError(WorkloadError):
    """PostgreSQL rolled the transaction back in favour of another one; it is safe to retry."""


class StatementFailedError(WorkloadError):
    """PostgreSQL refused a statement."""

    def __init__(self, message: str, *, sqlstate: str) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate

    @property
    def is_unique_violation(self) -> bool:
        """Whether a unique index rejected the row."""
        return self.sqlstate == errorcodes.UNIQUE_VIOLATION


class Telemetry(Protocol):
    """Observer of the database layer."""

    def waited(self, seconds: float) -> None:
        """Connection checkout wait, in seconds."""

    def timed_out(self) -> None:
        """No connection of the pool became free within WORKLOAD_POOL_TIMEOUT_SECONDS."""

    def executed(self, statement: Statement, seconds: float, rows: int) -> None:
        """A statement succeeded, and returned or wrote rows; -1 when the driver does not know."""

    def wrote(self, table: str, action: str, rows: int) -> None:
        """A statement wrote rows; the transaction may still be rolled back."""

    def failed(self, sqlstate: str) -> None:
        """A statement, commit or connect failed."""


class _Pool:
    """A LIFO pool of at most `size` sessions, each with a connection; they are opened on demand, and kept.

    Safe to use from many threads: each operation on the collections is atomic.
    """

    def __init__(
        self, size: int, telemetry: Telemetry, *, timeout_s: float, **parameters: Any
    ) -> None:
        self._telemetry = telemetry
        self._size = size
        self._timeout_s = timeout_s
        self.parameters = parameters
        # One token for each possible connection. A semaphore is implemented in Python, this in C.
        self._free: SimpleQueue[None] = SimpleQueue()
        for _ in range(size):
            self._free.put(None)
        self.idle: deque[Session] = deque()

    @property
    def busy(self) -> int:
        return self._size - self._free.qsize()

    def take(self, *, transaction: bool) -> "Session":
        """Check out a session; wait if all are in use.

        Raises:
            PoolTimeoutError: when all connections stayed in use for `timeout_s`.
            UnreachableError: when a new connection is refused.
        """
        try:
            self._free.get_nowait()
            self._telemetry.waited(0.0)
        except Empty:
            self._wait()
        try:
            try:
                session = self.idle.pop()
            except IndexError:
                session = self._open()
            session.begin(transaction=transaction)
        except BaseException:
            self._free.put(None)
            raise
        return session

    def give_back(self, session: "Session", *, broken: bool) -> None:
        if broken:
            # The others are probably broken as well: close them, and open a new one.
            self.close_idle()
        else:
            self.idle.append(session)
        self._free.put(None)

    def close_idle(self) -> None:
        while self.idle:
            with suppress(IndexError):
                self.idle.pop().close()

    def connect(self) -> psycopg2.extensions.connection:
        connection: psycopg2.extensions.connection = psycopg2.connect(**self.parameters)
        return connection

    def _open(self) -> "Session":
        try:
            return Session(self.connect(), self, self._telemetry)
        except psycopg2.OperationalError as error:
            self._telemetry.failed(errorcodes.CONNECTION_EXCEPTION)
            raise UnreachableError(_first_line(error)) from None

    def _wait(self) -> None:
        started = perf_counter()
        try:
            self._free.get(timeout=self._timeout_s)
        except Empty:
            self._telemetry.timed_out()
            raise PoolTimeoutError(
                f"all {self._size} connections of the pool stayed in use for {self._timeout_s:g} s;"
                " WORKLOAD_POOL_SIZE and WORKLOAD_POOL_TIMEOUT_SECONDS set the limits"
            ) from None
        finally:
            self._telemetry.waited(perf_counter() - started)


class Session:
    """One connection of the pool, checked out until the end of a `with` block.

    The block is a transaction, committed at its end and rolled back on an error; or each statement is.
    The object, with its cursor, is used again for the connection's next checkout.
    """

    __slots__ = ("_connection", "_cursor", "_pool", "_telemetry", "_transaction")

    def __init__(
        self, connection: psycopg2.extensions.connection, pool: _Pool, telemetry: Telemetry
    ) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._pool = pool
        self._telemetry = telemetry
        self._transaction = True

    def begin(self, *, transaction: bool) -> None:
        """Prepare the connection for a block."""
        # Setting it yields to other threads, even if the value does not change.
        if transaction is not self._transaction:
            self._connection.autocommit = not transaction
            self._transaction = transaction

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: object, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None and self._transaction:
            error = self._commit()
        if error is not None:
            self._roll_back()
        self._pool.give_back(self, broken=self._connection.closed != 0)
        if isinstance(error, psycopg2.Error):
            sqlstate = error.pgcode or errorcodes.CONNECTION_EXCEPTION
            self._telemetry.failed(sqlstate)
            # From None: a traceback with the driver's error would contain its DETAIL.
            raise _translated(error, sqlstate) from None

    def rows(self, name: str, **parameters: object) -> list[Row]:
        """Run the statement `name` and return its rows."""
        return self._execute(STATEMENTS[name], parameters)[0]

    def row(self, name: str, **parameters: object) -> Row | None:
        """Run the statement `name` and return its first row, if there is one."""
        found, _ = self._execute(STATEMENTS[name], parameters)
        return found[0] if found else None

    def change(self, name: str, **parameters: object) -> int:
        """Run the statement `name` and return the number of rows written."""
        return self._execute(STATEMENTS[name], parameters)[1]

    def _execute(
        self, statement: Statement, parameters: Mapping[str, object]
    ) -> tuple[list[Row], int]:
        started = perf_counter()
        cursor = self._cursor
        cursor.execute(statement.sql, parameters)
        rows: list[Row] = cursor.fetchall() if cursor.description else []
        count = cursor.rowcount
        self._telemetry.executed(statement, perf_counter() - started, count)
        if statement.writes:
            self._report_writes(statement, rows, count)
        return rows, count

    def _report_writes(self, statement: Statement, rows: Sequence[Row], count: int) -> None:
        for write in statement.writes:
            if write.action == "upsert":
                inserted = sum(1 for row in rows if row[0])
                self._telemetry.wrote(write.table, "insert", inserted)
                self._telemetry.wrote(write.table, "update", count - inserted)
            else:
                self._telemetry.wrote(write.table, write.action, count)

    def _commit(self) -> psycopg2.Error | None:
        try:
            self._connection.commit()
        except psycopg2.Error as error:
            return error
        return None

    def _roll_back(self) -> None:
        """Roll back so that the connection can be kept; if that fails, close it."""
        try:
            if not self._connection.closed:
                self._connection.rollback()
        except psycopg2.Error:
            self._connection.close()


class Database:
    """A pool of at most `size` connections as credit_app; safe to use from many threads."""

    def __init__(
        self, settings: Settings, *, service: str, size: int, telemetry: Telemetry
    ) -> None:
        self._pool = _Pool(
            size,
            telemetry,
            timeout_s=settings.workload_pool_timeout_seconds,
            host=settings.postgres_host,
            port=settings.postgres_port,
            dbname=settings.postgres_db,
            user="credit_app",
            password=settings.credit_app_password.get_secret_value(),
            application_name=service,
            connect_timeout=CONNECT_TIMEOUT_S,
            keepalives_idle=TCP_USER_TIMEOUT_S,
            tcp_user_timeout=TCP_USER_TIMEOUT_S * 1000,
            options=session_options(settings),
        )

    @property
    def busy(self) -> int:
        """Connections in use."""
        return self._pool.busy

    @property
    def idle(self) -> int:
        """Connections open and not in use."""
        return len(self._pool.idle)

    def autocommit(self) -> Session:
        """A session in which every statement is a transaction of its own.

        Raises:
            PoolTimeoutError, UnreachableError, ConnectionLostError, ContentionError,
            StatementFailedError: see each.
        """
        return self._pool.take(transaction=False)

    def transaction(self) -> Session:
        """A session whose block is one transaction: committed at its end, rolled back on an error.

        Raises:
            PoolTimeoutError, UnreachableError, ConnectionLostError, ContentionError,
            StatementFailedError: see each.
        """
        return self._pool.take(transaction=True)

    def close_idle(self) -> None:
        """Close the connections that are not in use; their backends end and flush their statistics."""
        self._pool.close_idle()


def session_options(settings: Settings) -> str:
    """Return the server settings of a services' connection, as libpq options."""
    limit = settings.workload_statement_timeout_ms
    return f"-c statement_timeout={limit} -c idle_in_transaction_session_timeout={limit}"


def _first_line(error: psycopg2.Error) -> str:
    # DETAIL can quote a row, and rows contain personal data.
    return str(error).partition("\n")[0]


def _translated(error: psycopg2.Error, sqlstate: str) -> WorkloadError:
    message = _first_line(error)
    if sqlstate in {errorcodes.SERIALIZATION_FAILURE, errorcodes.DEADLOCK_DETECTED}:
        return ContentionError(message)
    # 57P01-57P03: shut down, crashed, starting up. 53300: too many connections.
    is_outage = sqlstate[:3] in {"57P", "533"} or sqlstate[:2] == "08"
    # The driver's own errors about a call have no SQLSTATE either, and a retry does not help.
    is_misuse = isinstance(error, psycopg2.ProgrammingError | psycopg2.NotSupportedError)
    if is_outage and not (error.pgcode is None and is_misuse):
        return ConnectionLostError(message)
    return StatementFailedError(message, sqlstate=sqlstate)
