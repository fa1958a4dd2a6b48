"""Readings of ground truth in the store: the form, and their own, shorter retention."""

from pathlib import Path

from lab.foundation import clock
from lab.telemetry.store import Bounds, Reader, TruthReading, Writer
from lab.telemetry.store.tables import TRUTH_AGE_NS
from lab.telemetry.truth import Kind, decoded, encoded
from lab.telemetry.truth.readings import decoded_buckets
from tests.fix_store import HOUR_NS, Tally

NS = 1_000_000_000


def test_a_reading_comes_back_as_it_was(tmp_path: Path) -> None:
    now_ns = clock.now_ns()
    values = {"server": {"": [1.0, 2.0, 3e12, 4.5]}, "clock": {"a/statement/b": [7, 0.25]}}
    one = encoded(Kind.COUNTERS, values, at_ns=now_ns, took_ns=5)
    buckets = encoded(Kind.BUCKETS, {"a/statement/b": {-70: 7}}, at_ns=now_ns, took_ns=6)
    path = tmp_path / "store.sqlite"
    with Writer(path, Bounds(age_ns=24 * HOUR_NS, size_bytes=10**9), Tally()) as writer:
        writer.commit([one, buckets, one], timeout_s=60)
    stored = Reader(path).select(TruthReading, order="kind DESC")
    assert stored == [one, buckets]
    reading = decoded(stored[0])
    assert (reading.begin_ns, reading.end_ns) == (now_ns, now_ns + 5)
    assert reading.value("server", "", "wal_bytes") == 3e12
    assert reading.value("clock", "a/statement/b", "seconds") == 0.25
    assert reading.value("table", "installments", "live") is None
    assert decoded_buckets(stored[1]) == {"a/statement/b": {-70: 7}}


def test_readings_are_kept_for_hours_only(tmp_path: Path) -> None:
    """An older one than TRUTH_AGE_NS is deleted although the store keeps other records for a day."""
    now_ns = clock.now_ns()
    path = tmp_path / "store.sqlite"
    tally = Tally()
    old, recent = (
        encoded(Kind.COUNTERS, {}, at_ns=now_ns - TRUTH_AGE_NS + shift * 60 * NS, took_ns=1)
        for shift in (-1, 1)
    )
    bounds = Bounds(age_ns=24 * HOUR_NS, size_bytes=10**9)
    with Writer(path, bounds, tally) as writer:
        writer.commit([old, recent], timeout_s=60)
    # The writer's first maintenance comes with its first batch.
    with Writer(path, bounds, tally) as writer:
        writer.commit([], timeout_s=60)
    assert Reader(path).select(TruthReading) == [recent]
