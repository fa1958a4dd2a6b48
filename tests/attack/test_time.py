"""Records of another time: those of the future, or older than what is kept, never expel genuine ones."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from lab.stack.intake_rates import IntakeRates
from lab.telemetry.store import Bounds, Span, Statement, Writer
from lab.telemetry.store.file import open_for_writing
from lab.telemetry.store.retention import retain
from lab.telemetry.store.tables import TABLES
from tests import evidence, payloads
from tests.fix_console import RunningConsole
from tests.fix_store import HOUR_NS, Store, Tally

MINUTE_NS = 60 * 10**9
DAY_NS = 24 * HOUR_NS


@pytest.mark.parametrize(
    ("shift", "reason"),
    [(0, None), (2 * MINUTE_NS, None), (-23 * HOUR_NS, None), (10 * MINUTE_NS, "future"),
     (365 * DAY_NS, "future"), (-25 * HOUR_NS, "expired")],
)  # fmt: skip
def test_what_is_minutes_ahead_or_older_than_what_is_kept_is_refused(
    store: Store, shift: int, reason: str | None
) -> None:
    """Two clocks may differ by minutes; everything else is counted by table and reason."""
    at = time.time_ns() + shift
    span, known = evidence.root(1, start_ns=at), replace(evidence.known(), seen_ns=at)
    store.writer.commit([replace(span, duration_ns=1), known], timeout_s=60)
    kept = 0 if reason else 1
    assert [len(store.reader.select(kind)) for kind in (Span, Statement)] == [kept, kept]
    if reason:
        assert store.tally.counts[f"refused {reason} spans"] == 1
        assert store.tally.counts[f"refused {reason} statements"] == 1


def test_a_span_that_ends_in_the_future_is_refused(store: Store) -> None:
    """It began just now, and lasts for years."""
    span = replace(evidence.root(1, start_ns=time.time_ns()), duration_ns=365 * DAY_NS)
    store.writer.commit([span], timeout_s=60)
    assert store.reader.select(Span) == []


def test_what_a_store_has_of_the_future_is_deleted(tmp_path: Path) -> None:
    """A store that took it while a clock was wrong keeps what is of now."""
    now = time.time_ns()
    connection = open_for_writing(tmp_path / "store.sqlite")
    table = TABLES[Span]
    spans = [evidence.root(n, start_ns=now + n * DAY_NS) for n in (0, 400)]
    connection.executemany(table.insert, map(table.row, spans))
    assert sum(retain(connection, Bounds(age_ns=DAY_NS, size_bytes=10**9), now_ns=now)) == 1
    assert connection.execute("SELECT start_ns FROM spans").fetchall() == [(now,)]
    connection.close()


def test_a_sender_with_a_wrong_clock_is_counted_and_shown(
    console: RunningConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the metric, in /healthz, and so in the line that `status` shows."""
    monkeypatch.setattr(payloads, "START", time.time_ns() + DAY_NS)
    assert console.send("POST", "/v0.5/traces", payloads.v05()).status == 200
    line = 'lab_store_refused_records_total{reason="future",table="spans"}'
    assert console.metric(line) == 2
    health = console.send("GET", "/healthz").json()
    assert health["refused_records"] == {"future": 2}
    shown = IntakeRates(**health["rates"], store_bytes=0, refused_records=2)
    assert "2 records refused for their time" in str(shown)


def test_a_writer_with_no_bound_on_age_still_refuses_the_future(tmp_path: Path) -> None:
    tally = Tally()
    bounds = Bounds(age_ns=10**18, size_bytes=10**9)
    with Writer(tmp_path / "store.sqlite", bounds, tally) as writer:
        writer.commit([evidence.root(1, start_ns=time.time_ns() + DAY_NS)], timeout_s=60)
    assert tally.counts["refused future spans"] == 1
