"""The store keeps what it was given, once, within its bounds, whatever happens to its process or disk."""

import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from lab.foundation import clock
from lab.telemetry import store as st
from lab.telemetry.store.file import open_for_writing
from lab.telemetry.store.retention import retain, used_bytes
from lab.telemetry.store.tables import TABLES
from tests.fix_store import HOUR_NS, Store, Tally

NOW = clock.now_ns()
SPAN = st.Span(
    trace_id="0" * 16 + "f" * 16,
    span_id="f" * 16,
    parent_id=None,
    service="credit-risk",
    name="credit.operation",
    resource="risk_distribution",
    kind="worker",
    start_ns=NOW,
    duration_ns=5,
    error=True,
    tags={"env": "lab", "_dd.measured": 1.0},
)
EXECUTION = st.Execution(
    at_ns=NOW,
    source=st.Source.LOG,
    duration_ns=7,
    queryid=-(2**63),
    trace_id=SPAN.trace_id,
    span_id=SPAN.span_id,
    service="credit-risk",
    statement="risk_distribution",
    pid=1,
    database="creditdb",
    role="credit_app",
    application=None,
)
PLAN = st.Plan(
    at_ns=NOW,
    source=st.Source.LOG,
    executed=True,
    duration_ns=7,
    queryid=1,
    signature=None,
    trace_id=SPAN.trace_id,
    span_id=SPAN.span_id,
    service=None,
    statement=None,
    pid=1,
    database=None,
    shape="ab",
    definition="{}",
)
METRICS = st.QueryMetrics(
    at_ns=NOW,
    source=st.Source.EMBEDDED,
    database="creditdb",
    role="credit_app",
    signature="1f",
    queryid=None,
    calls=3,
    rows=3,
    exec_time_ms=1.5,
    plan_time_ms=0.0,
    blk_read_time_ms=0.0,
    blk_write_time_ms=0.0,
    shared_blks_hit=1,
    shared_blks_read=0,
    shared_blks_dirtied=0,
    shared_blks_written=0,
    temp_blks_read=0,
    temp_blks_written=0,
    wal_bytes=2**40,
)
SAMPLE = st.ActivitySample(
    at_ns=NOW,
    source=st.Source.AGENT,
    pid=12,
    database="creditdb",
    role="credit_app",
    application=None,
    backend_type="client backend",
    state="active",
    wait_event_type="Lock",
    wait_event="transactionid",
    queryid=5,
    signature="1f",
    trace_id=None,
    span_id=None,
    service=None,
    statement=None,
    query_start_ns=NOW - 1,
    xact_start_ns=None,
    blocking_pids=(13, 14),
)
EVENT = st.Event(
    at_ns=NOW,
    kind="deadlock",
    pid=12,
    message="deadlock detected",
    severity="ERROR",
    sqlstate="40P01",
    database="creditdb",
    role="credit_app",
    application=None,
    queryid=5,
    trace_id=None,
    span_id=None,
    service=None,
    statement=None,
    text="UPDATE ?",
    figures={"buffers": 3.0},
    participants=(st.Participant(pid=12, blocked_by=(13,)), st.Participant(pid=13)),
)
STATEMENT = st.Statement(
    key="5", queryid=5, signature=None, name="a", owner="b", text="SELECT ?", seen_ns=NOW
)
POSITION = st.LogPosition(file="a.json", head="ab", head_bytes=10, position=20, at_ns=NOW)
TRUTH = st.TruthReading(at_ns=NOW, kind="counters", took_ns=5, payload=b"\x00\xff")
RECORDS: tuple[st.Record, ...] = (
    TRUTH,
    SPAN,
    EXECUTION,
    PLAN,
    METRICS,
    SAMPLE,
    st.ActivityRound(at_ns=NOW, source=st.Source.AGENT, interval_s=10.0, sessions=3),
    st.TraceStats(
        at_ns=NOW, interval_ns=10, service="a", name="b", hits=3, errors=1, duration_ns=30
    ),
    st.MetricSeries(
        key=-7,
        source=st.Source.AGENT,
        host="h",
        name="postgresql.commits",
        type=st.MetricType.GAUGE,
        interval_s=15.0,
        tags=("db:creditdb",),
        seen_ns=NOW,
    ),
    st.MetricPoint(series=-7, at_ns=NOW, value=1.5),
    st.ServiceCheck(
        at_ns=NOW, source=st.Source.AGENT, host="h", name="postgres.can_connect", status=0, tags=()
    ),
    EVENT,
    STATEMENT,
    st.Snapshot(kind="pg_settings", host="h", at_ns=NOW, payload="[]"),
    POSITION,
)


def test_every_record_comes_back_as_it_was(store: Store) -> None:
    """What is committed is read back equal, for every table."""
    assert {type(record) for record in RECORDS} == set(get_args(st.Record)) == set(TABLES)
    store.writer.commit(RECORDS, timeout_s=60)
    for record in RECORDS:
        assert store.reader.select(type(record)) == [record]
    assert stat_mode(store.path) == 0o600


def stat_mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_what_is_sent_again_counts_once(store: Store) -> None:
    """Spans, deltas and samples that a sender repeats are stored once; statements and snapshots renewed."""
    store.writer.commit([SPAN, METRICS, SAMPLE, STATEMENT], timeout_s=60)
    again = replace(STATEMENT, name=None, text="SELECT ? ")
    store.writer.commit([SPAN, METRICS, SAMPLE, again], timeout_s=60)
    for record in (SPAN, METRICS, SAMPLE):
        assert store.reader.select(type(record)) == [record]
    cut = replace(STATEMENT, text="SEL")
    store.writer.commit([cut], timeout_s=60)
    (statement,) = store.reader.select(st.Statement)
    # The name stays when a sender does not know it, the text when another sends 200 characters of it.
    assert (statement.name, statement.text) == ("a", "SELECT ? ")
    assert store.tally.counts["spans"] == 1


@pytest.mark.parametrize("order", [1, -1])
def test_a_statement_keeps_its_own_text_beside_the_one_that_explained_it(
    store: Store, order: int
) -> None:
    """An EXPLAIN has the queryid of its statement, but another signature, by which no plan is found."""
    own = replace(STATEMENT, signature="a0")
    explained = replace(STATEMENT, text="EXPLAIN (FORMAT JSON) SELECT ?", signature="b1")
    for statement in (own, explained)[::order]:
        store.writer.commit([statement], timeout_s=60)
    kept = [(kept.text, kept.signature) for kept in store.reader.select(st.Statement)]
    assert kept == [("SELECT ?", "a0")]
    # An embedded agent that follows has no signature for a statement that has a queryid.
    store.writer.commit([replace(STATEMENT, signature=None)], timeout_s=60)
    assert [kept.signature for kept in store.reader.select(st.Statement)] == ["a0"]


def test_a_position_is_committed_with_its_lines_or_not_at_all(store: Store) -> None:
    """When one record of a commit cannot be written, none of them is, and the caller receives the error."""
    impossible = replace(EXECUTION, queryid=2**70)
    with pytest.raises(st.StoreError, match="cannot be written"):
        store.writer.commit([EXECUTION, impossible, POSITION], timeout_s=60)
    assert store.reader.select(st.Execution) == []
    assert store.reader.log_positions() == {}


def test_one_bad_batch_does_not_take_the_others_along(store: Store) -> None:
    """Records that SQLite refuses are lost alone, counted, and the writer goes on."""
    bad = replace(SPAN, span_id="\ud800")
    for index in range(50):
        store.writer.offer(
            [replace(SPAN, span_id=f"{index:016x}"), replace(SPAN, span_id=f"x{index}")]
        )
        store.writer.offer([bad])
    store.writer.commit([EXECUTION], timeout_s=60)
    assert len(store.reader.trace(SPAN.trace_id)) == 100
    assert store.tally.counts["lost store_failed"] == 50


def test_a_full_disk_loses_nothing_that_was_committed(store: Store) -> None:
    """With no room left a commit fails clearly, an offer is counted as lost, and both work again after."""
    store.writer.commit([SPAN], timeout_s=60)
    connection = store.writer._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    big = [replace(EXECUTION, application="x" * 10_000) for _ in range(20)]
    with pytest.raises(st.StoreError, match="full"):
        store.writer.commit(big, timeout_s=60)
    connection.execute("PRAGMA max_page_count = 1000000")
    store.writer.commit(big, timeout_s=60)
    assert len(store.reader.select(st.Execution)) == 20


def test_reading_is_not_blocked_by_writing(store: Store) -> None:
    """A read in the middle of a long write does not wait for its end, and shows what was committed before."""
    store.writer.commit([SPAN], timeout_s=60)
    writing = sqlite3.connect(store.path, isolation_level=None)
    writing.execute("BEGIN IMMEDIATE")
    writing.execute("DELETE FROM span_rows")
    assert store.reader.trace(SPAN.trace_id) == [SPAN]
    writing.execute("ROLLBACK")
    writing.close()


def test_a_read_has_a_time_limit(store: Store) -> None:
    """A query that never ends is given up with an error that says so."""
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    with pytest.raises(st.StoreTimeoutError, match=r"within 0\.2 s"):
        st.Reader(store.path, timeout_s=0.2).rows(endless)


def test_a_reader_cannot_write(store: Store) -> None:
    """The reader's connection is read-only."""
    with pytest.raises(st.StoreError, match="readonly"):
        store.reader.rows("DELETE FROM span_rows")


def test_too_many_waiting_records_are_refused(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An offer beyond the queue's bound is refused and counted instead of growing without end."""
    monkeypatch.setattr("lab.telemetry.store.writer.MAX_PENDING", 10)
    blocker = sqlite3.connect(store.path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    taken = [store.writer.offer([SPAN] * 4) for _ in range(20)]
    blocker.execute("ROLLBACK")
    blocker.close()
    assert taken.count(True) in {2, 3}
    assert store.tally.counts["lost queue_full"] == 4 * taken.count(False)


def test_kill_9_loses_nothing_that_was_committed(tmp_path: Path) -> None:
    """What was committed in a process that was killed is there when the store is opened again."""
    path = tmp_path / "store.sqlite"
    program = (
        "import sys, pathlib, tests.unit.test_store as t\n"
        "from lab.telemetry.store import *\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "with Writer(path, Bounds(age_ns=10**18 * 9, size_bytes=10**9), t.Tally()) as writer:\n"
        "    for i in range(10**9):\n"
        "        writer.commit([t.replace(t.SPAN, span_id=f'{i:016x}')], timeout_s=60)\n"
        "        print(i, flush=True)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    acknowledged = [child.stdout.readline() for _ in range(200)]
    os.kill(child.pid, signal.SIGKILL)
    acknowledged += child.stdout.readlines()
    child.stdout.close()
    child.wait(60)
    with st.Writer(path, st.Bounds(age_ns=9 * 10**18, size_bytes=10**9), Tally()) as writer:
        writer.commit([EXECUTION], timeout_s=60)
    stored = {span.span_id for span in st.Reader(path).trace(SPAN.trace_id)}
    assert {f"{int(line):016x}" for line in acknowledged if line.endswith("\n")} <= stored
    assert st.Reader(path).rows("PRAGMA integrity_check") == [("ok",)]


def fill(connection: sqlite3.Connection, *, spans: int, every_ns: int) -> None:
    rows = (
        TABLES[st.Span].row(
            replace(SPAN, trace_id=f"{i:032x}", start_ns=NOW + i * every_ns, resource="x" * 500)
        )
        for i in range(spans)
    )
    connection.execute("BEGIN")
    connection.executemany(TABLES[st.Span].insert, rows)
    connection.execute("COMMIT")


def test_retention_by_age(tmp_path: Path) -> None:
    """Records older than the bound go, younger ones stay."""
    connection = open_for_writing(tmp_path / "s")
    fill(connection, spans=100, every_ns=HOUR_NS)
    bounds = st.Bounds(age_ns=24 * HOUR_NS, size_bytes=10**9)
    deleted = sum(retain(connection, bounds, now_ns=NOW + 99 * HOUR_NS))
    assert deleted == 75
    connection.close()
    assert min(s.start_ns for s in st.Reader(tmp_path / "s").select(st.Span)) == NOW + 75 * HOUR_NS


def test_retention_by_bytes(tmp_path: Path) -> None:
    """Beyond the bound in bytes the oldest go first, and the file does not grow on."""
    connection = open_for_writing(tmp_path / "s")
    bounds = st.Bounds(age_ns=10**18, size_bytes=2_000_000)
    fill(connection, spans=20_000, every_ns=1_000_000)
    assert used_bytes(connection) > 10_000_000
    newest = NOW + 19_999 * 1_000_000
    list(retain(connection, bounds, now_ns=newest))
    assert 1_000_000 < used_bytes(connection) <= 2_000_000
    assert connection.execute("SELECT max(start_ns) FROM spans").fetchone()[0] == newest
    connection.close()


def test_no_store() -> None:
    """Reading where there is no store says what makes one."""
    with pytest.raises(st.StoreError, match="up"):
        st.Reader(Path("/nonexistent/store")).trace("0")


def test_lookups_use_indexes(store: Store) -> None:
    """By trace id, by queryid and by time window no table is read whole."""
    for table, condition in [
        ("spans", "trace_id = 'a'"),
        ("spans", "start_ns > 5"),
        ("executions", "trace_id = 'a' AND span_id = 'b'"),
        ("executions", "queryid = 1 AND at_ns > 5"),
        ("plans", "queryid = 1 AND at_ns > 5"),
        ("plans", "trace_id = 'a'"),
        ("query_metrics", "queryid = 1 AND at_ns > 5"),
        ("query_metrics", "at_ns > 5"),
        ("activity", "at_ns > 5"),
        ("activity", "trace_id = 'a'"),
        ("events", "kind = 'deadlock' AND at_ns > 5"),
        ("statements", "queryid = 1"),
    ]:
        found = store.reader.rows(f"EXPLAIN QUERY PLAN SELECT * FROM {table} WHERE {condition}")
        # The first step reads the table; of spans two more look up repeated texts by their ids.
        details = [detail for *_, detail in found]
        assert "SEARCH" in details[0], (table, condition, details)
        assert not any("SCAN" in detail for detail in details), (table, condition, details)
