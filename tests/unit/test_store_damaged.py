"""A damaged store is set aside, whenever the damage is met, and keeps nothing from starting."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from lab.foundation.readiness import await_state
from lab.telemetry import store as st
from lab.telemetry.store import writer as writing
from lab.telemetry.store.file import open_for_writing, suspect
from tests.fix_store import Store, Tally
from tests.unit.test_store import EXECUTION, SPAN

PAGE = 4096
BOUNDS = st.Bounds(age_ns=10**18 * 9, size_bytes=10**9)


def beside(path: Path, suffix: str) -> Path:
    return Path(f"{path}{suffix}")


def full(path: Path) -> None:
    """Make a store of a few hundred pages."""
    with st.Writer(path, BOUNDS, Tally()) as writer:
        for index in range(0, 2000, 500):
            writer.commit(
                [replace(SPAN, span_id=f"{i:016x}") for i in range(index, index + 500)],
                timeout_s=60,
            )


def overwrite(path: Path, begin: int, end: int | None = None) -> None:
    """Damage whole pages of a file in place, as a disk does."""
    with path.open("r+b") as file:
        size = path.stat().st_size if end is None else end * PAGE
        file.seek(begin * PAGE)
        file.write(b"\xaa" * (size - begin * PAGE))


def as_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "inside").write_text("x")


def as_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def without_table(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE events")
    connection.close()


def of_another_version(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()


def of_another_program(path: Path) -> None:
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE own (a)")
    connection.close()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "text": lambda path: path.write_bytes(b"not a database at all, but long enough" * 500),
    "header only": lambda path: path.write_bytes(path.read_bytes()[:100]),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[: 20 * PAGE]),
    "first pages overwritten": lambda path: overwrite(path, 0, 4),
    "all but the header overwritten": lambda path: overwrite(path, 3),
    "directory": as_directory,
    "named pipe": as_pipe,
    "log is a directory": lambda path: beside(path, "-wal").mkdir(),
    "log is a pipe": lambda path: os.mkfifo(beside(path, "-wal")),
    "a table is missing": without_table,
    "another version": of_another_version,
    "another program's": of_another_program,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_store_is_set_aside_at_the_start(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The writer begins with a new store; what was there is kept, and the message says where."""
    path = tmp_path / "store.sqlite"
    full(path)
    DAMAGES[damage](path)
    with st.Writer(path, BOUNDS, Tally()) as writer:
        writer.commit([EXECUTION], timeout_s=60)
    assert st.Reader(path).select(st.Execution) == [EXECUTION]
    assert (tmp_path / "store.sqlite.damaged").exists()
    assert f"{path} is damaged: " in caplog.text
    assert "store.sqlite.damaged" in caplog.text


@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_a_damaged_log_of_the_database_costs_what_was_in_it(tmp_path: Path, suffix: str) -> None:
    """SQLite itself leaves out what does not carry its checksum; nothing is set aside."""
    path = tmp_path / "store.sqlite"
    full(path)
    beside(path, suffix).write_bytes(os.urandom(100_000))
    with st.Writer(path, BOUNDS, Tally()) as writer:
        writer.commit([EXECUTION], timeout_s=60)
    assert st.Reader(path).rows("SELECT count(*) FROM spans") == [(2000,)]
    assert not (tmp_path / "store.sqlite.damaged").exists()


@pytest.mark.parametrize("content", [b"", b"x"])
def test_an_empty_file_is_a_new_store(tmp_path: Path, content: bytes) -> None:
    """One byte is none to SQLite either."""
    (tmp_path / "store.sqlite").write_bytes(content)
    open_for_writing(tmp_path / "store.sqlite").close()
    assert not (tmp_path / "store.sqlite.damaged").exists()


def test_damage_that_is_met_while_writing(tmp_path: Path) -> None:
    """The batch goes into a new store, and its sender notices nothing."""
    path, tally = tmp_path / "store.sqlite", Tally()
    full(path)
    connection = sqlite3.connect(path)
    sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'executions'"
    [(page,)] = connection.execute(sql).fetchall()
    connection.close()
    overwrite(path, page - 1, page)
    with st.Writer(path, BOUNDS, tally) as writer:
        assert not (tmp_path / "store.sqlite.damaged").exists()
        writer.commit([EXECUTION], timeout_s=60)
    assert st.Reader(path).select(st.Execution) == [EXECUTION]
    assert "lost store_damaged" in tally.counts
    assert (tmp_path / "store.sqlite.damaged").exists()


def test_damage_that_only_a_reader_meets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is worded, not a traceback; and the writer, which received it, sets the store aside."""
    monkeypatch.setattr(writing, "RETENTION_EVERY_S", 0.2)
    path = tmp_path / "store.sqlite"
    full(path)
    size = path.stat().st_size // PAGE
    reader = st.Reader(path)
    with st.Writer(path, BOUNDS, Tally()):
        overwrite(path, size // 2, size // 2 + 20)
        with pytest.raises(st.StoreError, match=r"the store is damaged: .*sets it aside"):
            reader.rows("SELECT sum(length(tags) + length(resource)) FROM spans NOT INDEXED")
        await_state(
            "the store has been set aside",
            lambda: None if (tmp_path / "store.sqlite.damaged").exists() else "it is as it was",
            within_s=60,
        )
        await_state(
            "a new store can be read", lambda: "not yet" if trouble(reader) else None, within_s=60
        )
    assert not suspect(path).exists()


def trouble(reader: st.Reader) -> str | None:
    try:
        reader.select(st.Span)
    except st.StoreError as error:
        return str(error)
    return None


def test_a_suspicion_without_damage_ends_it_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody may touch that file: the store is looked at, found sound, and stays."""
    monkeypatch.setattr(writing, "RETENTION_EVERY_S", 0.2)
    path = tmp_path / "store.sqlite"
    with st.Writer(path, BOUNDS, Tally()) as writer:
        writer.commit([EXECUTION], timeout_s=60)
        suspect(path).touch()
        await_state(
            "the suspicion is gone",
            lambda: "it is there" if suspect(path).exists() else None,
            within_s=60,
        )
    assert not (tmp_path / "store.sqlite.damaged").exists()
    assert st.Reader(path).select(st.Execution) == [EXECUTION]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_reader_of_a_damaged_store_says_so(tmp_path: Path, damage: str) -> None:
    """Every command that reads it ends with a message in time, also where there is only a pipe."""
    path = tmp_path / "store.sqlite"
    full(path)
    DAMAGES[damage](path)
    for table in (st.Span, st.Event, st.LogPosition):
        with suppress(st.StoreError):
            st.Reader(path).select(table)


def test_a_row_that_this_version_cannot_read_is_no_traceback(store: Store) -> None:
    store.writer.commit([EXECUTION, SPAN], timeout_s=60)
    other = sqlite3.connect(store.path)
    other.execute("UPDATE executions SET source = 'telepathy'")
    other.execute("UPDATE span_rows SET tags = '{'")
    other.commit()
    other.close()
    for table in (st.Execution, st.Span):
        with pytest.raises(st.StoreError, match="a row of table"):
            store.reader.select(table)
