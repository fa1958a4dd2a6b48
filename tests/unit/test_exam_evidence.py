"""The evidence of one door: what that observer received, of the application's roles, in two minutes."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lab.exam.doors import Door
from lab.exam.errors import ExamError
from lab.exam.evidence import expression, tables
from lab.foundation import clock
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import NS_PER_S
from lab.telemetry.store import (
    ActivitySample,
    Bounds,
    Event,
    Execution,
    QueryMetrics,
    Record,
    Source,
    Span,
    Statement,
    Writer,
)
from tests.exam_records import begin
from tests.fix_store import HOUR_NS, Tally

TRACE = "0123456789abcdef0123456789abcdef"


def _records(now_ns: int) -> Iterator[Record]:
    delta = QueryMetrics(
        at_ns=now_ns, source=Source.EMBEDDED, database="creditdb", role="credit_app", signature="a",
        queryid=7, calls=10, rows=1, exec_time_ms=50.0, plan_time_ms=0.0, blk_read_time_ms=0.0,
        blk_write_time_ms=0.0, shared_blks_hit=0, shared_blks_read=0, shared_blks_dirtied=0,
        shared_blks_written=0, temp_blks_read=0, temp_blks_written=0, wal_bytes=0,
    )  # fmt: skip
    yield delta
    yield replace(delta, role="datadog", signature="b")
    yield replace(delta, at_ns=now_ns - 10 * 60 * NS_PER_S)
    yield Statement(key="7", queryid=7, signature=None, name="finance_month", owner="finance-report",
                    text="SELECT 1", seen_ns=now_ns)  # fmt: skip
    sample = ActivitySample(
        at_ns=now_ns, source=Source.EMBEDDED, pid=4711, database="creditdb", role="credit_app",
        application="finance-report", backend_type="client backend", state="active", wait_event_type="Lock",
        wait_event="relation", queryid=7, signature=None, trace_id=TRACE, span_id="1" * 16, service=None,
        statement="finance_month", query_start_ns=None, xact_start_ns=now_ns - 9 * NS_PER_S,
        blocking_pids=(12,),
    )  # fmt: skip
    yield sample
    yield replace(sample, source=Source.LAB, at_ns=now_ns + 1, pid=99)
    yield Span(trace_id=TRACE, span_id="1" * 16, parent_id=None, service="finance-report",
               name="credit.operation", resource="month", kind="worker", start_ns=now_ns, duration_ns=10**9,
               error=False, tags={})  # fmt: skip
    yield Event(at_ns=now_ns, kind="deadlock", pid=4711, message="deadlock detected", severity="ERROR",
                sqlstate="40P01", database="creditdb", role="credit_app", application="finance-report",
                queryid=7, trace_id=TRACE, span_id="1" * 16, service=None, statement="finance_month",
                text=None)  # fmt: skip
    yield Execution(at_ns=now_ns, source=Source.LOG, duration_ns=10**9, queryid=7, trace_id=TRACE,
                    span_id="1" * 16, service="finance-report", statement="finance_month", pid=4711,
                    database="creditdb", role="credit_app", application="finance-report")  # fmt: skip


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabSettings:
    monkeypatch.setenv("LAB_STATE_DIR", str(tmp_path))
    found = LabSettings.load()
    bounds = Bounds(age_ns=HOUR_NS, size_bytes=10**9)
    with Writer(Paths.of(found).store, bounds, Tally()) as writer:
        writer.commit(list(_records(clock.now_ns() - NS_PER_S)), timeout_s=60)
    return found


def test_datadog_has_what_the_agent_sent(settings: LabSettings) -> None:
    metrics, samples = tables(Door.DATADOG, settings)
    [row] = metrics.rows
    assert dict(zip(metrics.columns, row, strict=True)) | {"calls": 10, "ms": 50.0} == dict(
        zip(metrics.columns, row, strict=True)
    )
    assert row[:3] == ("finance_month", "finance-report", "7")
    [sample] = samples.rows
    found = dict(zip(samples.columns, sample, strict=True))
    assert (found["pid"], found["waits for"], found["transaction s"]) == (
        4711,
        "Lock/relation",
        9.0,
    )
    assert "12" in found["blocked by"]


def test_apm_and_log_have_their_own_records(settings: LabSettings) -> None:
    resources, roots, active = tables(Door.APM, settings)
    assert active.rows[0][:2] == ("finance-report", 1)
    assert resources.rows[0][:4] == ("finance-report", "month", 1, 0)
    assert roots.rows[0][1] == TRACE
    events, executions = tables(Door.LOG, settings)
    assert events.rows[0][1:4] == ("deadlock", 4711, "finance-report")
    assert executions.rows[0][1:6] == (4711, "finance-report", "finance_month", "7", 1000.0)


def test_the_door_sql_has_no_tables(settings: LabSettings) -> None:
    with pytest.raises(ExamError, match="creditlab sessions"):
        tables(Door.SQL, settings)


def test_in_an_exam_nothing_before_its_start_is_evidence(settings: LabSettings) -> None:
    place = begin(settings, *Door)
    record = place.current()
    assert record is not None
    place.write(replace(record, started_ns=clock.now_ns()))
    assert [table.rows for table in tables(Door.LOG, settings)] == [(), ()]
    resources, _, active = tables(Door.APM, settings)
    assert resources.rows == ()
    assert len(active.rows) == 1


def test_alerts_of_an_earlier_fault_are_no_evidence() -> None:
    """In an exam: those that were pending or firing at its start, whatever their state is now."""
    active = 'ALERTS{alertstate=~"pending|firing"}'
    assert expression(active, None) == active
    started_ns = 1_795_906_154 * NS_PER_S
    assert expression(active, started_ns) == (
        f"{active} unless ignoring (alertstate) {active} @ 1795906154"
    )
