"""The store's file: create, open, and set aside when it is damaged, of another version, or not a store."""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from lab.foundation import statefile
from lab.telemetry.store.errors import StoreDamagedError, StoreError
from lab.telemetry.store.tables import TABLES

VERSION = 6
APPLICATION_ID = 0x43724C62  # "CrLb"
SCHEMA = Path(__file__).with_name("schema.sql")
BUSY_TIMEOUT_S = 5.0
# Truncates the write-ahead log to this size after a checkpoint that followed a long read.
WAL_BYTES = 64_000_000
# SQLite's files beside the database; they are useless without it.
BESIDE = ("-wal", "-shm", "-journal")
SUSPECT = ".suspect"
RW = os.R_OK | os.W_OK
LOST = (
    "The file has the previous observations; a new store begins. Remove it when you need the space."
)


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Open the store; create it when it is missing, readable by its owner only.

    A file that is damaged, of another version or not a store is set aside with a message: it has
    observations, no original data, and must not prevent the console from starting.

    Raises:
        StoreError: when the file cannot be opened or created, for lack of space or permissions.
    """
    statefile.make_directory(path.parent)
    try:
        connection = _opened(path)
        if suspect(path).exists():
            require_sound(connection)
    except StoreDamagedError as error:
        return renewed(path, error.why)
    suspect(path).unlink(missing_ok=True)
    return connection


def renewed(path: Path, why: str) -> sqlite3.Connection:
    """Set the store aside, which must not be open for writing, and return a new one.

    Raises:
        StoreError: when the new one cannot be created.
    """
    target = statefile.set_aside(path, why, lost=LOST)
    for suffix in BESIDE:
        source, beside = Path(f"{path}{suffix}"), Path(f"{target}{suffix}")
        statefile.discard(beside)
        if os.path.lexists(source):
            source.replace(beside)
    suspect(path).unlink(missing_ok=True)
    return _opened(path)


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Open the store read-only; for one thread.

    Raises:
        StoreError: when it does not exist.
    """
    # SQLite would wait for ever for a named pipe.
    if irregular := _irregular(path):
        raise StoreError(f"{irregular} is no regular file; ./creditlab restart sets it aside.")
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S
        )
        connection.execute("PRAGMA query_only = on")
    except sqlite3.Error as error:
        raise StoreError(
            f"There is no store at {path}: {error}. `./creditlab up` starts the console, which creates it."
        ) from error
    return connection


def is_damage(error: Exception) -> bool:
    """Whether an error of SQLite means that the file is damaged or not a database."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def suspect(path: Path) -> Path:
    """Return the marker file by which a reader reports damage to the writer."""
    return Path(f"{path}{SUSPECT}")


def raise_suspicion(path: Path) -> None:
    """Make the writer check the store: a reader found damage in it."""
    with suppress(OSError):
        suspect(path).touch()


def require_sound(connection: sqlite3.Connection) -> None:
    """Check the whole file; takes seconds for gigabytes.

    Raises:
        StoreDamagedError: with SQLite's reason; the connection is closed.
    """
    try:
        [[found], *_] = connection.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.DatabaseError as error:
        found = str(error)
    if found != "ok":
        connection.close()
        raise StoreDamagedError(str(found))


def _opened(path: Path) -> sqlite3.Connection:
    if irregular := _irregular(path):
        raise StoreDamagedError(f"{irregular.name} is no regular file")
    if path.exists() and path.stat().st_uid == os.geteuid() and not os.access(path, RW):
        raise StoreDamagedError("its permissions keep its owner from it")
    try:
        path.touch(mode=0o600)
        connection = sqlite3.connect(
            path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        try:
            _configure(connection)
            _prepare(connection)
        except (sqlite3.Error, StoreError):
            connection.close()
            raise
    except (sqlite3.Error, OSError) as error:
        if is_damage(error):
            raise StoreDamagedError(str(error)) from error
        raise StoreError(
            f"The store {path} cannot be opened: {error}.\n"
            "Free space on its disk, or remove the file: it has observations, no original data."
        ) from error
    return connection


def _irregular(path: Path) -> Path | None:
    files = (Path(f"{path}{suffix}") for suffix in ("", *BESIDE))
    return next((file for file in files if file.exists() and not file.is_file()), None)


def _configure(connection: sqlite3.Connection) -> None:
    # Before the first table: it cannot be changed afterwards without rewriting the file.
    connection.execute("PRAGMA auto_vacuum = incremental")
    connection.execute("PRAGMA journal_mode = wal")
    connection.execute("PRAGMA synchronous = normal")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
    connection.execute("PRAGMA cache_size = -16000")


def _prepare(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if version == 0 and tables == 0:
        schema = SCHEMA.read_text(encoding="utf-8")
        connection.executescript(
            f"BEGIN; {schema} PRAGMA application_id = {APPLICATION_ID};"
            f"PRAGMA user_version = {VERSION}; COMMIT;"
        )
    elif version != VERSION:
        raise StoreDamagedError(f"it has schema version {version}, this lab writes {VERSION}")
    for table in TABLES.values():
        columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table.name})")}
        if missing := set(table.columns) - columns:
            raise StoreDamagedError(f"table {table.name} lacks {', '.join(sorted(missing))}")
