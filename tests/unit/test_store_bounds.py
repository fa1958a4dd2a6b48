"""Bounds of the store: accepted times, retention, slices, the dictionary's limits, time ranges of metrics."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import NS_PER_S
from lab.telemetry import store as st
from lab.telemetry.store.file import open_for_writing
from lab.telemetry.store.metric_values import MAX_ID, Points, current, latest, points_of
from lab.telemetry.store.records import LogPosition
from lab.telemetry.store.retention import retain, used_bytes
from lab.telemetry.store.tables import TABLES, TRUTH_AGE_NS
from lab.telemetry.store.texts import RENEW_NS, Texts
from lab.telemetry.store.window import AHEAD_NS, timely
from tests import evidence as of
from tests.evidence import START
from tests.fix_store import Store

HOUR_NS = 3_600 * NS_PER_S
NOW, AGE = 10**18, 24 * HOUR_NS
POSITION = LogPosition(file="a", head="", head_bytes=0, position=0, at_ns=0)


@pytest.mark.parametrize(
    ("record", "refused"),
    [
        (of.sample(None, at_ns=NOW - AGE), None),
        (of.sample(None, at_ns=NOW - AGE - 1), ("activity", "expired")),
        (of.sample(None, at_ns=NOW + AHEAD_NS), None),
        (of.sample(None, at_ns=NOW + AHEAD_NS + 1), ("activity", "future")),
        # A span is sent once it has ended.
        (of.root(1, start_ns=NOW + AHEAD_NS - 10, ms=0.00001), None),
        (of.root(1, start_ns=NOW + AHEAD_NS - 10, ms=0.000011), ("spans", "future")),
        (POSITION, None),
    ],
)
def test_times_that_are_accepted(record: st.Record, refused: tuple[str, str] | None) -> None:
    """As old as the store keeps records, five minutes ahead; a position in a log has no time."""
    assert AHEAD_NS == 300 * NS_PER_S
    kept, counts = timely([POSITION, record], now_ns=NOW, age_ns=AGE)
    assert list(kept) == [POSITION, *([] if refused else [record])]
    assert dict(counts) == ({refused: 1} if refused else {})


def test_the_limits_are_those_of_the_settings() -> None:
    settings = LabSettings(_env_file=None, store_max_age_hours=1.5, store_max_bytes=20_000_000)
    assert st.Bounds.of(settings) == st.Bounds(age_ns=5_400 * NS_PER_S, size_bytes=20_000_000)


def insert(connection: sqlite3.Connection, *records: st.Record) -> None:
    for record in records:
        table = TABLES[type(record)]
        connection.execute(table.insert, table.row(record))


def times(connection: sqlite3.Connection, name: str, column: str = "at_ns") -> list[int]:
    return [row[0] for row in connection.execute(f"SELECT {column} FROM {name} ORDER BY 1")]


def test_retention_keeps_what_is_within_its_times(tmp_path: Path) -> None:
    """The oldest and the latest accepted record stay; readings of ground truth go after three hours."""
    connection = open_for_writing(tmp_path / "s")
    insert(
        connection,
        *(
            of.sample(None, at_ns=at, pid=pid)
            for pid, at in enumerate((NOW - AGE - 1, NOW - AGE, NOW + AHEAD_NS, NOW + AHEAD_NS + 1))
        ),
        *(
            st.TruthReading(at_ns=at, kind="counters", took_ns=1, payload=b"")
            for at in (NOW - TRUTH_AGE_NS - 1, NOW - TRUTH_AGE_NS)
        ),
        POSITION,
    )
    bounds = st.Bounds(age_ns=AGE, size_bytes=10**9)
    assert TRUTH_AGE_NS == 3 * HOUR_NS
    assert sum(retain(connection, bounds, now_ns=NOW)) == 3
    assert times(connection, "activity") == [NOW - AGE, NOW + AHEAD_NS]
    assert times(connection, "truth") == [NOW - TRUTH_AGE_NS]
    assert times(connection, "log_positions") == [0]
    connection.close()


def test_retention_deletes_in_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each slice is reported, so that pending writes are written between two of them."""
    monkeypatch.setattr("lab.telemetry.store.retention.SLICE_ROWS", 10)
    connection = open_for_writing(tmp_path / "s")
    for count, slices in ((9, [9]), (10, [10]), (25, [10, 10, 5])):
        insert(connection, *(of.sample(None, at_ns=1, pid=pid) for pid in range(count)))
        bounds = st.Bounds(age_ns=AGE, size_bytes=10**9)
        assert list(retain(connection, bounds, now_ns=NOW)) == slices
    connection.close()


def test_a_store_that_is_too_large_loses_a_tenth_of_its_time_at_once(tmp_path: Path) -> None:
    """Not more: the rest of the range fits."""
    connection = open_for_writing(tmp_path / "s")
    ages = range(100, 0, -1)
    large = [
        replace(
            of.logged(of.statement(1), ms=1), at_ns=NOW - age * HOUR_NS, application="x" * 4_000
        )
        for age in ages
    ]
    insert(connection, *large)
    bounds = st.Bounds(age_ns=1_000 * HOUR_NS, size_bytes=used_bytes(connection) - 1)
    assert sum(retain(connection, bounds, now_ns=NOW)) == 10
    assert times(connection, "executions")[0] == NOW - 90 * HOUR_NS
    connection.close()


def test_a_dictionary_remembers_a_bounded_number_of_single_texts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When it is full it begins again: a text is then single again."""
    monkeypatch.setattr("lab.telemetry.store.texts.MAX_ONCE", 2)
    connection, texts = open_for_writing(tmp_path / "s"), Texts()
    kinds = [type(texts.encoded(text, connection, 1)) for text in ("a", "b", "a", "c", "b", "b")]
    assert kinds == [str, str, int, str, int, int]
    monkeypatch.setattr("lab.telemetry.store.texts.MAX_ONCE", 1)
    single = Texts()
    assert [type(single.encoded(text, connection, 1)) for text in ("x", "y", "x")] == [str] * 3
    connection.close()


@pytest.mark.parametrize(("after_ns", "seen_ns"), [(RENEW_NS - 1, 5), (RENEW_NS, 5 + RENEW_NS)])
def test_the_time_of_a_text_is_renewed_once_an_hour(
    tmp_path: Path, after_ns: int, seen_ns: int
) -> None:
    assert RENEW_NS == HOUR_NS
    connection, texts = open_for_writing(tmp_path / "s"), Texts()
    keys = [texts.encoded("a", connection, at) for at in (5, 5, 5 + after_ns)]
    assert keys[1] == keys[2]
    assert times(connection, "texts", "seen_ns") == [seen_ns]
    connection.close()


def metric(key: int, *points: tuple[int, float], **fields: object) -> list[st.Record]:
    known: dict[str, object] = {
        "source": st.Source.EMBEDDED, "host": "h", "name": "x", "type": st.MetricType.GAUGE,
        "interval_s": 15.0, "tags": ("a:1",), "seen_ns": START + max(at for at, _ in points),
    }  # fmt: skip
    series = st.MetricSeries(key=key, **{**known, **fields})  # type: ignore[arg-type]
    return [
        series, *(st.MetricPoint(series=key, at_ns=START + at, value=value) for at, value in points),
    ]  # fmt: skip


def test_points_of_a_time_range(store: Store) -> None:
    """The begin is outside of it, the end inside; a series has all tags, and is of the newest sender."""
    records = [
        *metric(1, (0, 1.0), (1, 2.0), (10, 3.0), (11, 4.0), tags=("a:1", "b:2")),
        *metric(2, (5, 9.0), tags=("b:2",)), *metric(3, (5, 9.0), tags=("a:1",)),
        *metric(4, (5, 9.0), tags=("a:1", "b:2"), source=st.Source.AGENT),
        *metric(5, (20, 9.0), tags=("a:1", "b:2"), source=st.Source.LAB),
        *metric(6, (5, 9.0), tags=("a:1", "b:2"), name="y"),
    ]  # fmt: skip
    store.writer.commit(records, timeout_s=60)

    def values(last_id: int = MAX_ID) -> list[tuple[float, ...]]:
        found = points_of(
            store.reader, "x", since_ns=START, until_ns=START + 10, tags=["b:2", "a:1"],
            last_id=last_id,
        )  # fmt: skip
        return [tuple(value for _, value in one.points) for one in found]

    [found] = points_of(store.reader, "x", since_ns=START, until_ns=START + 10, tags=["b:2", "a:1"])
    assert (found.series.key, found.series.seen_ns, found.tags) == (
        1,
        START + 10,
        {"a": "1", "b": "2"},
    )
    assert values() == [(2.0, 3.0)]
    [[last]] = store.reader.rows("SELECT id FROM metric_points WHERE value = 2.0")
    assert values(last_id=last) == [(2.0,)]
    assert points_of(store.reader, "x", since_ns=START + 11, until_ns=2**62, tags=["b:2"]) == []


def found(*points: tuple[float, float], interval_s: float | None = 15.0) -> Points:
    made = metric(
        1, *((round(at * NS_PER_S), value) for at, value in points), interval_s=interval_s
    )
    assert isinstance(made[0], st.MetricSeries)
    times_ns = tuple((START + round(at * NS_PER_S), value) for at, value in points)
    return Points(series=made[0], points=times_ns)


def test_a_series_has_ended_an_interval_before_the_newest() -> None:
    """Their newest values are summed; an unstated interval is fifteen seconds."""
    newest, same, ended = found((0, 5.0), (30, 1.0)), found((15.001, 2.0)), found((15, 4.0))
    assert [one.points[-1][1] for one in current([newest, same, ended])] == [1.0, 2.0]
    assert latest([newest, same, ended]) == 3.0
    assert (
        latest([newest, found((15.001, 2.0), interval_s=None), found((15, 4.0), interval_s=None)])
        == 3.0
    )
    assert latest([]) is None
    assert current([]) == []


@pytest.mark.parametrize(("gap_s", "increase"), [(37.5, 15.0 + 2 * 37.5), (38.0, 15.0 + 2 * 15.0)])
def test_a_longer_gap_than_two_and_a_half_intervals_counts_as_one(
    gap_s: float, increase: float
) -> None:
    points = found((0, 1.0), (gap_s, 2.0))
    assert points.increase(per_second=True) == increase
    assert points.increase(per_second=False) == 3.0


def test_a_reader_returns_as_many_records_as_were_requested(store: Store) -> None:
    """In the requested order; a trace has its spans by start, the longer first, and executed plans first."""
    early, late = of.root(1, start_ns=START, ms=1), of.statement(1, 3, start_ns=START + 5)
    longer = of.statement(1, 2, start_ns=START, ms=9)
    plans = [
        of.plan(late, executed=False, at_ns=START), of.plan(late, ms=1, at_ns=START + 2),
        of.plan(late, ms=1, at_ns=START + 1),
    ]  # fmt: skip
    logged = [replace(of.logged(late, ms=1), at_ns=START + at) for at in (7, 3)]
    store.writer.commit([late, early, longer, *plans, *logged], timeout_s=60)
    trace_id = late.trace_id
    assert [one.span_id for one in store.reader.trace(trace_id)] == [
        longer.span_id, early.span_id, late.span_id,
    ]  # fmt: skip
    assert [one.at_ns - START for one in store.reader.plans_of(trace_id)] == [1, 2, 0]
    assert [one.at_ns - START for one in store.reader.executions_of(trace_id)] == [3, 7]
    found = store.reader.select(st.Plan, "executed", order="at_ns DESC", limit=1)
    assert [one.at_ns - START for one in found] == [2]
