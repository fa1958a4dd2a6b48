"""Rows of the evidence tables: which count, what they are summed from, and their order."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.exam import evidence
from lab.exam.doors import Door
from lab.exam.evidence import tables
from lab.foundation import clock
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import NS_PER_S as NS
from lab.foundation.timestamps import moment
from lab.telemetry.store import Bounds, Record, Source, Writer
from tests import evidence as of
from tests.fix_store import HOUR_NS, Tally

Rows = list[dict[str, Any]]
Stored = Callable[..., list[Rows]]


@pytest.fixture
def now_ns() -> int:
    return clock.now_ns()


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stored:
    """Store records, and return the tables of a door, each row by its columns."""
    monkeypatch.setenv("LAB_STATE_DIR", str(tmp_path))
    settings = LabSettings.load()

    def read(door: Door, *records: Record, since_s: float = 120.0) -> list[Rows]:
        bounds = Bounds(age_ns=HOUR_NS, size_bytes=10**9)
        with Writer(Paths.of(settings).store, bounds, Tally()) as writer:
            writer.commit(list(records), timeout_s=60)
        return [
            [dict(zip(table.columns, row, strict=True)) for row in table.rows]
            for table in tables(door, settings, since_s)
        ]

    return read


def test_query_metrics_are_summed_by_statement_and_role(now_ns: int, stored: Stored) -> None:
    """Of two minutes, the slowest statement first; per call with two digits, also without a call."""
    one = of.deltas(7, calls=3, rows=2, exec_time_ms=10.0, shared_blks_read=5, temp_blks_written=6,
                    wal_bytes=7)  # fmt: skip
    at_ns = now_ns - 60 * NS
    found, _ = stored(
        Door.DATADOG,
        replace(one, at_ns=at_ns),
        replace(one, at_ns=at_ns, calls=0, exec_time_ms=0.26, database="other"),
        replace(one, at_ns=now_ns - 130 * NS, calls=90),
        replace(one, at_ns=at_ns, source=Source.LAB, calls=90),
        replace(one, at_ns=at_ns, role="datadog", calls=90),
        replace(one, at_ns=at_ns, role="credit_owner", calls=0, exec_time_ms=500.4),
        of.known(7, name="month"),
        replace(of.known(7, name="month"), key="8"),
    )
    assert found == [
        {"statement": "month", "service": "credit-risk", "queryid": "7", "role": "credit_owner", "calls": 0,
         "rows": 2, "ms": 500, "ms per call": 500.4, "blocks read": 5, "temp blocks": 6, "WAL bytes": 7},
        {"statement": "month", "service": "credit-risk", "queryid": "7", "role": "credit_app", "calls": 3,
         "rows": 4, "ms": 10, "ms per call": 3.42, "blocks read": 10, "temp blocks": 12, "WAL bytes": 14},
    ]  # fmt: skip


def test_a_statement_that_the_store_does_not_know_has_no_name(now_ns: int, stored: Stored) -> None:
    [[row], _] = stored(Door.DATADOG, replace(of.deltas(9), at_ns=now_ns - NS))
    assert (row["statement"], row["service"], row["queryid"]) == ("", "", "9")


def test_the_last_activity_sample_has_the_longest_transaction_first(
    now_ns: int, stored: Stored
) -> None:
    """Only client sessions of the application's roles, only of the last sample, and none of the lab's own."""
    at_ns = now_ns - 5 * NS
    sample = of.sample(None, at_ns=at_ns, pid=1, xact_start_ns=at_ns - 3 * NS, statement="pay")
    records = [
        sample,
        replace(sample, pid=2, xact_start_ns=at_ns - 8_040_000_000, blocking_pids=(1,), trace_id="a" * 32,
                wait_event_type="Lock", wait_event="relation", state="idle in transaction"),
        replace(sample, pid=3, xact_start_ns=None, queryid=None, statement=None),
        replace(sample, pid=4, at_ns=at_ns - NS),
        replace(sample, pid=5, at_ns=at_ns + NS, source=Source.LAB),
        replace(sample, pid=6, source=Source.LAB),
        replace(sample, pid=7, role="datadog"),
        replace(sample, pid=8, backend_type="autovacuum worker"),
    ]  # fmt: skip
    _, found = stored(Door.DATADOG, *records)
    assert [(row["pid"], row["transaction s"]) for row in found] == [(2, 8.0), (1, 3.0), (3, 0.0)]
    assert found[0] == {
        "time": f"{moment(at_ns):%Y-%m-%dT%H:%M:%S}", "pid": 2, "application": "credit-risk",
        "role": "credit_app", "state": "idle in transaction", "waits for": "Lock/relation",
        "statement": "pay", "queryid": str(of.QUERYID), "blocked by": "[1]", "transaction s": 8.0,
        "trace": "a" * 32,
    }  # fmt: skip
    assert (found[2]["waits for"], found[2]["statement"], found[2]["queryid"]) == ("", "", "")


def test_an_old_activity_sample_is_no_evidence(now_ns: int, stored: Stored) -> None:
    old = of.sample(None, at_ns=now_ns - 130 * NS)
    assert stored(Door.DATADOG, old) == [[], []]
    assert len(stored(Door.DATADOG, since_s=200)[1]) == 1


def test_spans_are_summed_by_service_and_resource(now_ns: int, stored: Stored) -> None:
    """The most time first; the slowest operations and the newest one of each service have no parent."""
    at_ns = now_ns - 60 * NS
    root = replace(of.root(1, ms=20), start_ns=at_ns)
    child = replace(of.statement(1, ms=900), start_ns=at_ns)
    records = [
        root,
        replace(root, trace_id=of.trace_id(2), start_ns=at_ns + NS, duration_ns=30_060_000, error=True),
        replace(root, trace_id=of.trace_id(3), service="a", resource="b", duration_ns=70_000_000),
        replace(root, trace_id=of.trace_id(4), start_ns=now_ns - 130 * NS, duration_ns=10**10),
        child,
    ]  # fmt: skip
    resources, slowest, active = stored(Door.APM, *records)
    assert [tuple(row.values()) for row in resources] == [
        ("postgres", of.REPORT, 1, 0, 900, 900.0, of.trace_id(1)),
        ("a", "b", 1, 0, 70, 70.0, of.trace_id(3)),
        ("credit-risk", "risk_distribution", 2, 1, 50, 30.1, of.trace_id(2)),
    ]
    assert [(row["trace"], row["ms"], row["error"]) for row in slowest] == [
        (of.trace_id(3), 70.0, 0), (of.trace_id(2), 30.1, 1), (of.trace_id(1), 20.0, 0)
    ]  # fmt: skip
    assert [tuple(row.values()) for row in active] == [
        ("a", 1, f"{moment(at_ns):%Y-%m-%dT%H:%M:%S}"),
        ("credit-risk", 2, f"{moment(at_ns + NS):%Y-%m-%dT%H:%M:%S}"),
    ]


def test_the_log_has_the_newest_event_and_the_slowest_execution_first(
    now_ns: int, stored: Stored
) -> None:
    """Executions are those that PostgreSQL logged, of the application's roles."""
    at_ns = now_ns - 60 * NS
    event = replace(of.lock_wait(of.statement(1), ms=1, blocked_by=7), at_ns=at_ns, trace_id=None)
    logged = replace(of.logged(of.statement(1), ms=5), at_ns=at_ns, pid=1)
    events, executions = stored(
        Door.LOG,
        event,
        replace(event, at_ns=at_ns + NS, kind="error", sqlstate="53300", application="a", relation="r"),
        replace(event, at_ns=now_ns - 130 * NS),
        logged,
        replace(logged, pid=2, duration_ns=80_060_000, queryid=None, statement=None, trace_id=None),
        replace(logged, pid=3, at_ns=now_ns - 130 * NS),
        replace(logged, pid=4, source=Source.AGENT),
        replace(logged, pid=5, role="postgres"),
    )  # fmt: skip
    assert [tuple(row.values())[1:] for row in events] == [
        ("error", 42, "a", "", "53300", "r", "still waiting", ""),
        ("lock_wait", 42, "", "", "", "", "still waiting", ""),
    ]
    assert events[0]["time"] == f"{moment(at_ns + NS):%Y-%m-%dT%H:%M:%S}"
    assert [tuple(row.values())[1:] for row in executions] == [
        (2, "", "", "", 80.1, ""),
        (1, "", "risk_distribution", str(of.QUERYID), 5.0, of.trace_id(1)),
    ]


@pytest.mark.parametrize("door", [Door.DATADOG, Door.APM, Door.LOG])
def test_a_table_has_forty_rows_at_most(
    now_ns: int, stored: Stored, monkeypatch: pytest.MonkeyPatch, door: Door
) -> None:
    assert evidence.MOST == 40
    monkeypatch.setattr(evidence, "MOST", 2)
    at_ns = now_ns - NS
    records: list[Record] = []
    for number in range(3):
        span = replace(of.root(number), start_ns=at_ns, service=f"s{number}")
        records += [
            replace(of.deltas(number), at_ns=at_ns),
            of.sample(None, at_ns=at_ns, pid=number),
            span,
            replace(of.lock_wait(span, ms=1, blocked_by=7), at_ns=at_ns, pid=number),
            replace(of.logged(span, ms=5), at_ns=at_ns, pid=number),
        ]
    assert {len(found) for found in stored(door, *records)} == {2}
