"""The store's file: made, opened, and refused when it is something else."""

import sqlite3
from pathlib import Path

from lab.store.errors import StoreError

VERSION = 1
APPLICATION_ID = 0x43724C62  # "CrLb"
SCHEMA = Path(__file__).with_name("schema.sql")
BUSY_TIMEOUT_S = 5.0
# Keeps the write-ahead log at this size after a checkpoint that followed a long read.
WAL_BYTES = 64_000_000


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Open the store, making it when it is not there, readable by its owner only.

    Raises:
        StoreError: when the file is not a store, is one of another version, or cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        connection = sqlite3.connect(
            path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        try:
            _configure(connection)
            _prepare(connection, path)
        except (sqlite3.Error, StoreError):
            connection.close()
            raise
    except (sqlite3.Error, OSError) as error:
        raise StoreError(
            f"The store {path} cannot be opened: {error}.\n"
            "Free space on its disk, or remove the file: it holds observations, no originals."
        ) from error
    return connection


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Open the store read-only; for one thread.

    Raises:
        StoreError: when it is not there.
    """
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S
        )
        connection.execute("PRAGMA query_only = on")
    except sqlite3.Error as error:
        raise StoreError(
            f"There is no store at {path}: {error}. `./creditlab up` starts the console that makes it."
        ) from error
    return connection


def _configure(connection: sqlite3.Connection) -> None:
    # Before the first table: it cannot be changed afterwards without rewriting the file.
    connection.execute("PRAGMA auto_vacuum = incremental")
    connection.execute("PRAGMA journal_mode = wal")
    connection.execute("PRAGMA synchronous = normal")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
    connection.execute("PRAGMA cache_size = -32000")


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if version == 0 and tables == 0:
        schema = SCHEMA.read_text(encoding="utf-8")
        connection.executescript(
            f"BEGIN; {schema} PRAGMA application_id = {APPLICATION_ID};"
            f"PRAGMA user_version = {VERSION}; COMMIT;"
        )
    elif version != VERSION:
        raise StoreError(
            f"The store {path} has schema version {version}, this lab writes {VERSION}.\n"
            "Remove the file to start anew: it holds observations, no originals."
        )
