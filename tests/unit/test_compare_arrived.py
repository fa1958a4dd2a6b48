"""Data that arrive while a comparison runs are not counted, whatever their own time."""

from pathlib import Path

from lab.compare.arrived import Arrived
from lab.compare.intake import Datadog
from lab.compare.received import Metric
from lab.compare.stages import Window
from lab.foundation import clock
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.telemetry.intake.agent_metrics import series
from lab.telemetry.store import (
    ActivityRound,
    Bounds,
    MetricType,
    QueryMetrics,
    Reader,
    Record,
    Source,
    Writer,
)
from tests import evidence
from tests.fix_store import HOUR_NS, Tally

NS = 1_000_000_000


def batch(at_ns: int, calls: int) -> list[Record]:
    """What an Agent sends at a time: deltas, activity, a metric; and a tracer's span."""
    span = evidence.root(calls, start_ns=at_ns - NS, duration_ns=NS)
    metric = series(
        "postgresql.dead_rows", [(at_ns, float(calls))], metric_type=MetricType.GAUGE,
        interval_s=15.0, host="db", tags=["table:a"],
    )  # fmt: skip
    one = ActivityRound(at_ns=at_ns, source=Source.EMBEDDED, interval_s=10.0, sessions=0)
    return [evidence.deltas(1, at_ns=at_ns, calls=calls), one, span, *metric]


def test_only_what_had_arrived_is_counted(tmp_path: Path) -> None:
    settings = LabSettings(_env_file=None, lab_state_dir=tmp_path)
    now_ns = clock.now_ns()
    path = Paths.of(settings).store
    with Writer(path, Bounds(age_ns=HOUR_NS, size_bytes=10**9), Tally()) as writer:
        writer.commit(batch(now_ns - 20 * NS, 3), timeout_s=60)
        arrived = Arrived.at_this_moment(Reader(path))
        # Of before now, and sent late.
        writer.commit(batch(now_ns - 10 * NS, 4), timeout_s=60)
    window = Window(since_ns=now_ns - 60 * NS, now_ns=now_ns)
    for side, calls, dead, rounds in (
        (Datadog(settings, window, arrived=arrived), 3.0, 3.0, 1),
        (Datadog(settings, window), 7.0, 4.0, 2),
    ):
        found, gauge = side.statement({1}, "calls"), side.gauge(Metric(name="postgresql.dead_rows"))
        assert found is not None
        assert gauge is not None
        assert (found.value, gauge[0].value, len(side.rounds)) == (calls, dead, rounds)
        hits = side.operations("credit-risk")
        assert hits is not None
        assert hits.value == rounds
    assert arrived.last(QueryMetrics) == 1


def test_without_a_store_everything_counts(tmp_path: Path) -> None:
    assert Arrived.at_this_moment(Reader(tmp_path / "none")) == Arrived()


def test_a_store_that_does_not_answer_is_named(tmp_path: Path) -> None:
    """Its spans are not counted as none in silence."""
    now_ns = clock.now_ns()
    side = Datadog(
        LabSettings(_env_file=None, lab_state_dir=tmp_path), Window(since_ns=0, now_ns=now_ns)
    )
    assert side.operations("credit-risk") is None
    assert side.statement_durations("risk_distribution") == []
    assert side.spans.trouble
    assert "There is no store" in side.spans.trouble
