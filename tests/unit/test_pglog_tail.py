"""Following log files: each line once, through rotation, truncation, restarts and a store that refuses."""

import os
import random
from pathlib import Path

import pytest

from lab.foundation import clock
from lab.telemetry.pglog import LogReader, Tail
from lab.telemetry.pglog import tail as module
from lab.telemetry.store import Execution, LogPosition, StoreError
from tests.fix_store import Store, Tally


class LogTally(Tally):
    """Counts what a log reader reports, too."""

    def lines(self, count: int) -> None:
        self.counts["lines"] += count

    def read_until(self, at_ns: int) -> None: ...

    def unreadable(self, reason: str) -> None:
        self.counts[f"unreadable {reason}"] += 1

    def behind(self, unread_bytes: int) -> None:
        self.counts["behind"] = unread_bytes

    def trouble(self, reason: str | None) -> None:
        self.counts["trouble"] = reason is not None


# By the clock that the store's retention reads.
LOGGED = f"{clock.now():%Y-%m-%d %H:%M:%S.%f}"[:-3].encode()


def line(number: int) -> bytes:
    return (
        b'{"timestamp":"%b UTC","pid":%d,"error_severity":"LOG",'
        b'"message":"duration: 1.000 ms  statement: SELECT 1","query_id":7}\n' % (LOGGED, number)
    )


def read_all(tail: Tail) -> list[bytes]:
    lines: list[bytes] = []
    while piece := tail.next(now_ns=1):
        lines += piece.lines
        tail.advance(piece)
    return lines


def test_a_line_is_read_when_it_is_whole(tmp_path: Path) -> None:
    """Half a line waits for its end."""
    tail = Tail(tmp_path, {})
    log = tmp_path / "a.json"
    log.write_bytes(line(1) + line(2)[:20])
    assert read_all(tail) == [line(1)[:-1]]
    with log.open("ab") as file:
        file.write(line(2)[20:])
    assert read_all(tail) == [line(2)[:-1]]
    assert read_all(tail) == []


def test_a_file_that_was_emptied_and_grew_again_is_read_from_its_start(tmp_path: Path) -> None:
    """Truncation is seen even when the file has grown past the old position meanwhile."""
    tail = Tail(tmp_path, {})
    log = tmp_path / "a.json"
    log.write_bytes(line(1) + line(2))
    read_all(tail)
    log.write_bytes(line(13) + line(14) + line(15) + line(16))
    assert len(read_all(tail)) == 4


def test_files_are_read_in_the_order_of_their_writing(tmp_path: Path) -> None:
    """The names come round at midnight; the times of writing tell the order."""
    for age, name in ((30, "23.json"), (20, "00.json"), (10, "01.json")):
        (tmp_path / name).write_bytes(line(age))
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    assert [
        b'"pid":%d,' % age in x
        for x, age in zip(read_all(Tail(tmp_path, {})), (30, 20, 10), strict=True)
    ]
    assert len(read_all(Tail(tmp_path, {}))) == 3


def test_pieces_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long log comes in pieces, a long line whole, and a line beyond the limit is gone past."""
    monkeypatch.setattr(module, "PIECE_BYTES", 100)
    monkeypatch.setattr(module, "MAX_LINE_BYTES", 1000)
    (tmp_path / "a.json").write_bytes(
        line(1) * 5 + b"x" * 800 + b"\n" + b"y" * 5000 + b"\n" + line(2)
    )
    lines = read_all(Tail(tmp_path, {}))
    assert lines.count(line(1)[:-1]) == 5
    assert b"x" * 800 in lines
    assert lines[-1] == line(2)[:-1]


def test_a_log_without_new_lines_is_said_to_be_read_every_ten_seconds(tmp_path: Path) -> None:
    """The position stays and its time goes on, but not when the log is gone."""
    (tmp_path / "a.json").write_bytes(line(1))
    tail = Tail(tmp_path, {})
    assert tail.nothing_new(module.IDLE_NS) is None
    piece = tail.next(now_ns=5)
    assert piece
    tail.advance(piece)
    assert tail.nothing_new(module.IDLE_NS + 4) is None
    said = tail.nothing_new(module.IDLE_NS + 5)
    assert said
    assert (said.lines, said.position.position) == ([], piece.position.position)
    tail.advance(said)
    assert tail.nothing_new(module.IDLE_NS + 6) is None
    (tmp_path / "a.json").unlink()
    assert tail.nothing_new(9 * module.IDLE_NS) is None


def test_any_history_of_a_log_is_read_once(tmp_path: Path) -> None:
    """Through a thousand random writes, truncations, new files and restarts no line is lost or doubled."""
    rng = random.Random(5)
    positions: dict[str, LogPosition] = {}
    tail = Tail(tmp_path, positions)
    written, seen = [], []
    current, pending = 0, b""
    for number in range(1000):
        path = tmp_path / f"{current}.json"
        whole = line(number)
        cut = rng.randrange(len(whole))
        with path.open("ab") as file:
            file.write(pending + whole[:cut])
        pending = whole[cut:]
        written.append(whole[:-1])
        if rng.random() < 0.3:
            while piece := tail.next(now_ns=1):
                if rng.random() < 0.1:
                    tail = Tail(tmp_path, positions)  # a restart before the piece was stored
                    continue
                seen += piece.lines
                positions[piece.position.file] = piece.position
                tail.advance(piece)
        if rng.random() < 0.1:  # rotation: everything is read by then, as it is a day old
            with path.open("ab") as file:
                file.write(pending)
            pending = b""
            while piece := tail.next(now_ns=1):
                seen += piece.lines
                positions[piece.position.file] = piece.position
                tail.advance(piece)
            current = (current + 1) % 3
            (tmp_path / f"{current}.json").write_bytes(b"")
    with (tmp_path / f"{current}.json").open("ab") as file:
        file.write(pending)
    seen += read_all(tail)
    assert seen == written


def test_a_reader_goes_on_where_the_store_was_left(store: Store, tmp_path: Path) -> None:
    """A new reader on the same store reads only what is new."""
    log = tmp_path / "a.json"
    log.write_bytes(line(1) + b"rubbish\n" + line(2))
    tally = LogTally()
    assert LogReader(tmp_path, store.reader, store.writer, tally).catch_up() == 3
    assert tally.counts["unreadable line"] == 1
    with log.open("ab") as file:
        file.write(line(3))
    assert LogReader(tmp_path, store.reader, store.writer, tally).catch_up() == 1
    assert [e.pid for e in store.reader.select(Execution)] == [1, 2, 3]


def test_a_full_store_delays_lines_and_loses_none(store: Store, tmp_path: Path) -> None:
    """While the store refuses, nothing is stored and nothing skipped; afterwards all is there once."""
    (tmp_path / "a.json").write_bytes(b"".join(map(line, range(1, 3001))))
    reader = LogReader(tmp_path, store.reader, store.writer, LogTally())
    connection = store.writer._connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError):
        reader.catch_up()
    assert store.reader.select(Execution) == []
    connection.execute("PRAGMA max_page_count = 1000000")
    assert reader.catch_up() == 3000
    assert [e.pid for e in store.reader.select(Execution)] == list(range(1, 3001))


def test_a_missing_directory_is_no_reason_to_stop(store: Store, tmp_path: Path) -> None:
    """Before PostgreSQL has made its log directory there is simply nothing to read."""
    reader = LogReader(tmp_path / "later", store.reader, store.writer, LogTally())
    assert reader.catch_up() == 0
