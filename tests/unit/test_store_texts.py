"""Repeated texts of spans are stored once, read as before, and deleted after the last span that has them."""

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from lab.bench.intake import _payloads
from lab.foundation import clock
from lab.foundation.timestamps import NS_PER_S
from lab.telemetry import store as st
from lab.telemetry.intake import tracer
from lab.telemetry.store.file import open_for_writing
from lab.telemetry.store.retention import retain_texts
from lab.telemetry.store.texts import RENEW_NS, Texts
from tests.fix_store import Tally

HOUR_NS = 3_600 * NS_PER_S
BOUNDS = st.Bounds(age_ns=24 * HOUR_NS, size_bytes=10**9)
STATEMENT = "SELECT name FROM customers WHERE customer_id = ?"


def span(number: int, resource: str = STATEMENT, **tags: str) -> st.Span:
    return st.Span(
        trace_id=f"{number:032x}", span_id=f"{number:016x}", parent_id=None, service="credit-risk",
        name="postgres.query", resource=resource, kind="sql", start_ns=clock.now_ns() - NS_PER_S,
        duration_ns=10**6, error=False, tags={"env": "lab", **tags},
    )  # fmt: skip


def write(path: Path, *batches: Sequence[st.Span]) -> None:
    with st.Writer(path, BOUNDS, Tally()) as writer:
        for batch in batches:
            writer.commit(batch, timeout_s=60)


def stored(path: Path) -> list[tuple[object, ...]]:
    return st.Reader(path).rows("SELECT typeof(resource), typeof(tags) FROM span_rows ORDER BY id")


def test_a_text_gets_an_id_when_it_is_repeated(tmp_path: Path) -> None:
    """The first is whole, the others are numbers; a unique text stays in its row; all read the same."""
    spans = [*(span(number) for number in range(1, 5)), span(5, note="only here")]
    write(tmp_path / "s", spans[:2], spans[2:])
    assert stored(tmp_path / "s") == [
        ("text", "text"), *[("integer", "integer")] * 3, ("integer", "text"),
    ]  # fmt: skip
    reader = st.Reader(tmp_path / "s")
    assert reader.select(st.Span) == spans
    assert reader.select(st.Span, "resource = ? AND tags LIKE '%only%'", [STATEMENT]) == spans[4:]
    assert reader.trace(spans[3].trace_id) == [spans[3]]
    assert sorted(reader.rows("SELECT text FROM texts")) == [(STATEMENT,), ('{"env":"lab"}',)]


def test_a_statement_that_is_a_number_stays_a_text(tmp_path: Path) -> None:
    spans = [span(number, resource="42") for number in range(1, 4)]
    write(tmp_path / "s", spans)
    assert [one.resource for one in st.Reader(tmp_path / "s").select(st.Span)] == ["42"] * 3


def test_ids_survive_a_restart_and_a_transaction_that_failed(tmp_path: Path) -> None:
    """A new writer finds the text of the previous one; a rolled back id is not used again."""
    write(tmp_path / "s", [span(1), span(2)])
    write(tmp_path / "s", [span(3), span(4)])
    assert st.Reader(tmp_path / "s").rows("SELECT count(*) FROM texts") == [(2,)]
    connection, texts = open_for_writing(tmp_path / "t"), Texts()
    connection.execute("BEGIN")
    assert texts.encoded("a", connection, 1) == "a"
    assert isinstance(texts.encoded("a", connection, 1), int)
    connection.execute("ROLLBACK")
    texts.forget()
    assert [texts.encoded("a", connection, 1), texts.encoded("a", connection, 1)][0] == "a"
    assert connection.execute("SELECT count(*) FROM texts").fetchone() == (1,)
    connection.close()


def test_a_failed_batch_leaves_no_id_behind(tmp_path: Path) -> None:
    """The writer forgets the ids of a transaction that is rolled back: later spans have their texts."""
    too_large = replace(span(9), duration_ns=-(2**70))
    with st.Writer(tmp_path / "s", BOUNDS, Tally()) as writer:
        with pytest.raises(st.StoreError):
            writer.commit([span(1), span(2), too_large], timeout_s=60)
        later = [span(number) for number in range(3, 7)]
        writer.commit(later, timeout_s=60)
    assert st.Reader(tmp_path / "s").select(st.Span) == later


def test_a_text_goes_after_its_last_span(tmp_path: Path) -> None:
    """Not while a span can have its id: it was seen up to an hour before the last one."""
    connection, texts = open_for_writing(tmp_path / "s"), Texts()
    now = clock.now_ns()
    for at in (now, now, now + RENEW_NS // 2):
        key = texts.encoded("repeated", connection, at)
    insert = (
        "INSERT INTO span_rows (trace_id, span_id, service, name, resource, kind, start_ns, duration_ns,"
        " error, tags) VALUES ('a', 'b', 'c', 'd', ?, 'sql', ?, 1, 0, '{}')"
    )
    connection.execute(insert, (key, now + RENEW_NS // 2))
    assert retain_texts(connection) == 0
    connection.execute("UPDATE span_rows SET start_ns = ?", (now + 2 * RENEW_NS,))
    assert retain_texts(connection) == 1
    connection.execute("DELETE FROM span_rows")
    texts.forget()
    texts.encoded("again", connection, now)
    texts.encoded("again", connection, now)
    assert retain_texts(connection) == 1
    connection.close()


def test_the_dictionary_is_renewed_and_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`seen_ns` follows the use of a text by hours; beyond its bound, texts are stored in each row."""
    connection, texts = open_for_writing(tmp_path / "s"), Texts()
    for at in (0, 0, RENEW_NS - 1, 3 * RENEW_NS):
        texts.encoded("a", connection, at)
    assert connection.execute("SELECT text, seen_ns FROM texts").fetchall() == [("a", 3 * RENEW_NS)]
    monkeypatch.setattr("lab.telemetry.store.texts.MAX_TEXTS", 1)
    assert [texts.encoded("b", connection, 0) for _ in range(3)] == ["b"] * 3
    connection.close()


def test_a_span_takes_less_than_450_bytes_with_its_indexes(tmp_path: Path) -> None:
    """Of spans like the services': before the dictionary it was 546."""
    spans = 0
    with st.Writer(tmp_path / "s", BOUNDS, Tally()) as writer:
        for payload in _payloads(10_000):
            records = tracer.v05(payload)
            writer.commit(records, timeout_s=60)
            spans += len(records)
    try:
        [(used,)] = st.Reader(tmp_path / "s").rows(
            "SELECT sum(pgsize) FROM dbstat WHERE name IN"
            " (SELECT name FROM sqlite_master WHERE tbl_name IN ('span_rows', 'texts'))"
        )
    except st.StoreError:
        pytest.skip(f"SQLite {sqlite3.sqlite_version} of this Python has no dbstat")
    assert used / spans < 450
