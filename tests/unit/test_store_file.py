"""The store's file itself: its durability, its bounds, who may read it, and what is refused."""

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from lab.telemetry.store.errors import StoreError
from lab.telemetry.store.file import (
    APPLICATION_ID,
    BESIDE,
    VERSION,
    open_for_reading,
    open_for_writing,
)

NORMAL = 1
INCREMENTAL = 2


def pragma(connection: sqlite3.Connection, name: str) -> object:
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return value


def test_a_file_gets_its_properties_before_the_first_table(tmp_path: Path) -> None:
    """Another program that opens the file finds a write-ahead log, incremental vacuum and the id."""
    path = tmp_path / "new" / "store.sqlite"
    open_for_writing(path).close()
    with closing(sqlite3.connect(path)) as other:
        assert pragma(other, "journal_mode") == "wal"
        assert pragma(other, "auto_vacuum") == INCREMENTAL
        assert pragma(other, "application_id") == APPLICATION_ID
        assert pragma(other, "user_version") == VERSION
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_writers_connection_is_bounded_and_waits_for_no_disk_at_each_commit(
    tmp_path: Path,
) -> None:
    """A commit syncs at checkpoints only; the log shrinks after a long read; the cache has 32 MB."""
    with closing(open_for_writing(tmp_path / "store.sqlite")) as connection:
        assert pragma(connection, "synchronous") == NORMAL
        assert pragma(connection, "journal_size_limit") == 64_000_000
        assert pragma(connection, "cache_size") == -16_000
        assert pragma(connection, "busy_timeout") == 5_000
        assert not connection.in_transaction


def test_a_second_opening_keeps_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with closing(open_for_writing(path)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
    with closing(open_for_writing(path)) as connection:
        assert connection.execute("SELECT one FROM kept").fetchall() == [(1,)]


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    open_for_writing(path).close()
    with closing(open_for_reading(path)) as connection:
        assert pragma(connection, "query_only") == 1
        with pytest.raises(sqlite3.OperationalError, match=r"readonly|read-only"):
            connection.execute("CREATE TABLE t (x)")


def test_a_reader_makes_no_file(tmp_path: Path) -> None:
    """Where there is no store, the error names the command that makes one, and nothing was created."""
    path = tmp_path / "store.sqlite"
    with pytest.raises(StoreError, match=r"creditlab up"):
        open_for_reading(path)
    assert not path.exists()


@pytest.mark.parametrize("version", [VERSION - 1, VERSION + 1])
def test_a_file_of_another_version_is_set_aside_as_it_is(tmp_path: Path, version: int) -> None:
    """Also version 0 with tables in it, the database of another program: beside it a new store begins."""
    path = tmp_path / "store.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"CREATE TABLE theirs (x); PRAGMA user_version = {version};")
    open_for_writing(path).close()
    with closing(sqlite3.connect(path)) as connection:
        assert pragma(connection, "user_version") == VERSION
    [aside] = [each for each in tmp_path.glob("store.sqlite?*") if not each.name.endswith(BESIDE)]
    with closing(sqlite3.connect(aside)) as connection:
        names = connection.execute("SELECT name FROM sqlite_schema").fetchall()
    assert names == [("theirs",)]
