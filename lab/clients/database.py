"""The lab's PostgreSQL client: sessions, rows, COPY, and psycopg2's errors as the lab's errors.

Every other module of the lab uses it. workload/database.py is the services' client: that one pools
connections and retries; this one opens a session for one purpose, and reports why it could not.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from enum import StrEnum
from io import BytesIO
from typing import Any, TypeAlias

import psycopg2
from psycopg2 import errorcodes, extensions
from pydantic import SecretStr

from lab.clients import dsn as malformed
from lab.clients import refusals
from lab.clients.encodings import RAW, make_lenient, needs_own_codec
from lab.foundation.errors import DatabaseError
from lab.foundation.settings import LabSettings

Connection: TypeAlias = extensions.connection
Row: TypeAlias = tuple[Any, ...]
Parameters: TypeAlias = Sequence[object] | Mapping[str, object]

COPY_PIECE = 4 << 20

make_lenient(extensions.encodings)


class Role(StrEnum):
    """The roles of postgres/init/10-roles.sql, and the superuser, whose name is a setting."""

    OWNER = "credit_owner"
    APP = "credit_app"
    DATADOG = "datadog"
    EXPORTER = "postgres_exporter"
    LAB = "lab"
    SUPERUSER = "superuser"


# The setting of each role's password.
PASSWORDS: Mapping[Role, str] = {
    Role.SUPERUSER: "postgres_password",
    Role.OWNER: "credit_owner_password",
    Role.APP: "credit_app_password",
    Role.DATADOG: "datadog_db_password",
    Role.EXPORTER: "exporter_db_password",
    Role.LAB: "lab_db_password",
}


def dsn(
    settings: LabSettings,
    role: Role,
    *,
    database: str | None = None,
) -> str:
    """A libpq connection string for a role, password included: not for logs or command lines."""
    password: SecretStr = getattr(settings, PASSWORDS[role])
    return extensions.make_dsn(
        host=settings.postgres_host,
        port=settings.postgres_port,
        dbname=database or settings.postgres_db,
        user=settings.postgres_user if role is Role.SUPERUSER else role.value,
        password=password.get_secret_value(),
    )


@contextmanager
def connect(
    target: str,
    *,
    application_name: str = "credit-lab",
    connect_timeout_s: int = 5,
    autocommit: bool = True,
    traced: bool = True,
) -> Iterator[Connection]:
    """Open a session for the length of a `with` block; without autocommit, commit when it succeeds.

    Args:
        target: a libpq connection string or URI, as `dsn` makes it.
        application_name: the session's name in pg_stat_activity.
        connect_timeout_s: in seconds, for each address of the host (libpq's minimum is 2).
        autocommit: whether each statement is its own transaction.
        traced: whether its statements have spans, where a tracer has patched the driver.

    Raises:
        DatabaseError: one of lab.foundation.errors by reason; itself for a malformed string and for any
            other refusal.
    """
    connect = (
        psycopg2.connect if traced else getattr(psycopg2.connect, "__wrapped__", psycopg2.connect)
    )
    connection = _open(target, application_name, connect_timeout_s, connect)
    try:
        connection.autocommit = autocommit
        yield connection
        if not autocommit:
            with _translated():
                connection.commit()
    finally:
        connection.close()


@contextmanager
def read_only(
    connection: Connection,
    *,
    role: str | None = None,
    statement_timeout_s: float | None = None,
    lock_timeout_s: float | None = None,
    one_snapshot: bool = False,
    roll_back: bool = False,
) -> Iterator[None]:
    """Run a block in one read-only transaction; its settings end with it.

    It is committed: a reader that rolls back each second counts in pg_stat_database.xact_rollback, so that a
    healthy server seems to roll back a tenth of its transactions. The session keeps no setting: behind a
    pooler in transaction mode another client uses it next. Requires autocommit.

    Args:
        connection: an open session.
        role: the role whose privileges apply in the block; None keeps the session's.
        statement_timeout_s: in seconds; None keeps the session's.
        lock_timeout_s: in seconds; None keeps the session's.
        one_snapshot: whether all statements use one snapshot (REPEATABLE READ).
        roll_back: end with ROLLBACK also on success, so that a function of a foreign database that the block
            calls leaves no setting either.

    Raises:
        DatabaseError: as `rows` does; 42501 when the session may not take the role.
    """
    level = "ISOLATION LEVEL REPEATABLE READ " if one_snapshot else ""
    begin = [f"BEGIN {level}READ ONLY"]
    if role is not None:
        begin.append(f"SET LOCAL ROLE {identifier(role, connection)}")
    for name, value in (("statement", statement_timeout_s), ("lock", lock_timeout_s)):
        if value is not None:
            begin.append(f"SET LOCAL {name}_timeout = {round(value * 1000)}")
    end = "ROLLBACK"
    try:
        _begin(connection, "; ".join(begin))
        yield
        end = end if roll_back else "COMMIT"
    finally:
        # A lost session has no transaction to end, and the error that ended it is the one to report.
        with suppress(DatabaseError):
            rows(connection, end)


def condition(sqlstate: str) -> str | None:
    """Return the name of an SQLSTATE as words, or None for an unknown one.

    >>> condition("0A000"), condition("55P03"), condition("XX9")
    ('feature not supported', 'lock not available', None)
    """
    try:
        return str(errorcodes.lookup(sqlstate)).replace("_", " ").lower()
    except KeyError:
        return None


def rows(connection: Connection, sql: str, parameters: Parameters | None = None) -> list[Row]:
    """Execute one statement and fetch what it returns; a statement that returns nothing gives [].

    Raises:
        DatabaseError: with the SQLSTATE, PostgreSQL's message and its hint.
    """
    with _translated(), connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return [] if cursor.description is None else cursor.fetchall()


def copy(connection: Connection, into: str, text: bytes, *, freeze: bool = False) -> None:
    """Load rows by COPY.

    Args:
        connection: an open session.
        into: a table with its columns, such as `customers (customer_id, cpf)`.
        text: the rows in COPY's text format, UTF-8.
        freeze: write them frozen; needs a table emptied by TRUNCATE in this transaction.

    Raises:
        DatabaseError: as `rows` does; SQLSTATE 57014 when another thread has cancelled it.
    """
    options = "(FREEZE)" if freeze else ""
    with _translated(), connection.cursor() as cursor:
        # In large pieces: between two of them another thread may hold the GIL for a while.
        cursor.copy_expert(f"COPY {into} FROM STDIN {options}", BytesIO(text), size=COPY_PIECE)


def cancel(connection: Connection) -> None:
    """Cancel the statement that another thread is executing; does nothing when the session is lost."""
    with suppress(psycopg2.Error):
        connection.cancel()


def identifier(name: str, connection: Connection) -> str:
    """Quote a name for use in SQL."""
    return extensions.quote_ident(name, connection)


def options_of(target: str) -> dict[str, str]:
    """Parse a connection string.

    Raises:
        DatabaseError: when it is malformed; the message quotes nothing of it.
    """
    target = target.strip()
    fault, is_utf8 = malformed.fault(target), True
    if fault is None:
        try:
            options: dict[str, str] = extensions.parse_dsn(target)
        except psycopg2.ProgrammingError:
            fault = "it has an option that libpq does not know, or a value that cannot be read"
        except UnicodeError:
            # Not raised from it: such an error keeps the whole string.
            is_utf8 = False
        else:
            fault = malformed.fault_of_ports(options)
    if not is_utf8:
        raise DatabaseError(malformed.NO_UTF8)
    if fault is not None:
        raise DatabaseError(
            f"This is not a PostgreSQL connection string: {fault}.\n{malformed.FORM}"
        )
    return options


def _open(
    target: str, application_name: str, connect_timeout_s: int, connect: Callable[..., Connection]
) -> Connection:
    own = options_of(target)
    wanted: dict[str, Any] = {
        "application_name": application_name,
        "connect_timeout": connect_timeout_s,
        **own,
        "client_encoding": RAW,
    }
    try:
        connection: Connection = connect(**wanted)
        encoding = connection.get_parameter_status("server_encoding") or RAW
        if needs_own_codec(encoding, extensions.encodings):
            # By a new connection, because SET would stay in a pooler's session.
            connection.close()
            connection = connect(**{**wanted, "client_encoding": encoding})
    except psycopg2.OperationalError as error:
        raise refusals.error(str(error), own) from None
    return connection


def _begin(connection: Connection, sql: str) -> None:
    try:
        rows(connection, sql)
    except DatabaseError as error:
        if connection.closed:
            # PgBouncer sends a reason, and psycopg2 drops it when the connection is closed right after it.
            raise DatabaseError(
                f"{error}, when a transaction was begun. A pooler in statement mode refuses transactions"
                " (PgBouncer: pool_mode = statement). Connect to PostgreSQL itself, or to a pool in session"
                " or transaction mode."
            ) from error
        raise


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except psycopg2.Error as error:
        hint = f"\n{error.diag.message_hint}" if error.diag.message_hint else ""
        message = error.diag.message_primary or _first_line(error)
        raise DatabaseError(f"PostgreSQL: {message}{hint}", sqlstate=error.pgcode) from error


def _first_line(error: psycopg2.Error) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
