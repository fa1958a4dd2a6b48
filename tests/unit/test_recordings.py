"""Counters and clocks add up in batches: what is read is exact, whoever records and reads meanwhile."""

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics

from workload.clocks import SECONDS, Clock
from workload.exemplars import SpanIds
from workload.metrics import Metrics
from workload.recordings import BATCH, Counter

THREADS = 4


@pytest.mark.parametrize("number", [0, 1, BATCH - 1, BATCH, BATCH + 1, 3 * BATCH])
def test_a_value_is_exact_at_each_size_of_the_pending_batch(number: int) -> None:
    counter, clock = Counter(), Clock()
    for _ in range(number):
        counter.inc(3)
        clock.observe(0.5)
    assert counter.value == 3 * number
    assert clock.reading(buckets=False)[:2] == (number, number / 2)
    assert counter.value == 3 * number
    assert clock.histogram().count == number


def test_readings_while_threads_record_never_decrease_and_end_exact() -> None:
    """Each reading includes all recordings that ended before it."""
    counter, clock = Counter(), Clock()
    recorded = [0] * THREADS
    ended = threading.Event()

    def record(thread: int) -> None:
        for _ in range(20 * BATCH):
            counter.inc()
            clock.observe(0.02)
            recorded[thread] += 1

    readings: list[tuple[float, int]] = []

    def read() -> None:
        while not ended.is_set():
            before = sum(recorded)
            readings.append((counter.value, clock.histogram().count))
            assert min(readings[-1]) >= before

    with ThreadPoolExecutor(THREADS + 1) as pool:
        reader = pool.submit(read)
        for recorder in [pool.submit(record, thread) for thread in range(THREADS)]:
            recorder.result()
        ended.set()
        reader.result()
    assert all(a <= b and c <= d for (a, c), (b, d) in pairwise(readings))
    assert counter.value == clock.histogram().count == THREADS * 20 * BATCH
    assert clock.histogram().cumulative[SECONDS.index(0.025)] == THREADS * 20 * BATCH
    assert clock.histogram().cumulative[SECONDS.index(0.01)] == 0


def test_the_buckets_are_those_of_prometheus_client() -> None:
    """Same samples in the same order on the page, a duration on a bound in the bucket of the bound."""
    durations = [0.0, 0.0002, *SECONDS, 0.3, 29.99, 31.0, 1e9]
    theirs, ours = CollectorRegistry(), CollectorRegistry()
    labels = {"service": "s", "operation": "o"}
    name = "credit_operation_duration_seconds"
    histogram = Histogram(name, "h", tuple(labels), registry=theirs, buckets=SECONDS)
    clock = Metrics(ours).histogram(name, **labels)
    for seconds in durations:
        histogram.labels(**labels).observe(seconds)
        clock.observe(seconds)
    [expected] = [f for f in theirs.collect() if f.name == name]
    [family] = [f for f in ours.collect() if f.name == name]
    plain = [sample for sample in expected.samples if not sample.name.endswith("_created")]
    assert [(s.name, s.labels) for s in family.samples] == [(s.name, s.labels) for s in plain]
    assert [s.value for s in family.samples] == pytest.approx([s.value for s in plain])


def test_an_exemplar_is_the_newest_observation_of_its_bucket_with_a_span() -> None:
    registry = CollectorRegistry()
    clock = Metrics(registry).histogram(
        "credit_operation_duration_seconds", service="s", operation="o"
    )
    clock.observe(0.3, SpanIds(trace_id=7, span_id=8))
    clock.observe(0.4, SpanIds(trace_id=9, span_id=10))
    clock.observe(0.45)
    clock.observe(40.0, SpanIds(trace_id=11, span_id=12))
    page = openmetrics(registry).decode()  # type: ignore[no-untyped-call]
    lines = [line for line in page.splitlines() if " # {" in line]
    assert [line.partition(" # ")[0] for line in lines] == [
        'credit_operation_duration_seconds_bucket{le="0.5",operation="o",service="s"} 3.0',
        'credit_operation_duration_seconds_bucket{le="+Inf",operation="o",service="s"} 4.0',
    ]
    assert f'trace_id="{9:032x}"}} 0.4 ' in lines[0]
    assert f'span_id="{12:016x}"' in lines[1]
    assert "# {" not in generate_latest(registry).decode()
