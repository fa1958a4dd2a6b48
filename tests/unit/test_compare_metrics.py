"""`compare` answers from the Agent's metrics in the store: the newest value, or the growth in the window."""

from pathlib import Path

import pytest

from lab.compare.intake import Datadog
from lab.compare.received import Metric
from lab.compare.stages import Window
from lab.foundation import clock
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.telemetry.intake.agent_metrics import series
from lab.telemetry.store import Bounds, MetricType, Record, Writer
from tests.fix_store import HOUR_NS, Tally

NS = 1_000_000_000
WINDOW_S = 600
NOW_NS = clock.now_ns() // NS * NS


def table(
    name: str, relation: str, *points: tuple[int, float], kind: MetricType = MetricType.GAUGE
) -> list[Record]:
    """A series of a table, as the Agent sends it; points are seconds ago, and value."""
    return list(
        series(
            name,
            [(NOW_NS - ago * NS, value) for ago, value in points],
            metric_type=kind,
            interval_s=15.0,
            host="db",
            tags=["db:creditdb", f"table:{relation}"],
        )
    )


@pytest.fixture
def side(tmp_path: Path) -> Datadog:
    settings = LabSettings(lab_state_dir=tmp_path)
    bounds = Bounds(age_ns=24 * HOUR_NS, size_bytes=10**9)
    with Writer(Paths.of(settings).store, bounds, Tally()) as writer:
        inserted = "postgresql.rows_inserted"
        for records in (
            table(inserted, "a", (700, 9.0), (55, 2.0), (40, 1.0), (25, 3.0)),
            table(inserted, "b", (40, 100.0)),
            table("postgresql.dead_rows", "a", (40, 7.0), (25, 8.0)),
            table("postgresql.dead_rows", "b", (25, 2.0)),
            table("postgresql.autovacuumed", "a", (40, 1.0), (25, 2.0), kind=MetricType.COUNT),
        ):
            writer.commit(records, timeout_s=60)
    return Datadog(settings, Window(since_ns=NOW_NS - WINDOW_S * NS, now_ns=NOW_NS))


def test_a_total_is_the_rate_times_the_seconds(side: Datadog) -> None:
    """Of one table, and of points of the window alone; a rate has no value at a moment."""
    found = side.counter(Metric(name="postgresql.rows_inserted", tags=("table:a",)))
    assert found is not None
    assert found.value == pytest.approx(15 * (2 + 1 + 3))
    assert found.raw is None
    assert (found.resolution_s, found.newest_ns) == (15.0, NOW_NS - 25 * NS)
    assert found.where == "the Agent's metrics: postgresql.rows_inserted"
    # From one interval before the first point.
    assert found.first.early_ns <= NOW_NS - 70 * NS <= found.first.late_ns
    assert found.last.early_ns <= NOW_NS - 25 * NS <= found.last.late_ns


def test_a_count_is_exact(side: Datadog) -> None:
    found = side.counter(Metric(name="postgresql.autovacuumed"))
    assert found is not None
    assert (found.value, found.raw) == (3.0, 3.0)


def test_a_gauge_is_its_newest_value(side: Datadog) -> None:
    for tags, value in ((("table:a",), 8.0), ((), 10.0)):
        found = side.gauge(Metric(name="postgresql.dead_rows", tags=tags))
        assert found is not None
        answer, moment = found
        assert (answer.value, answer.age_s) == (value, 25.0)
        assert moment.early_ns <= NOW_NS - 25 * NS <= moment.late_ns


def test_what_was_not_sent_is_no_zero(side: Datadog) -> None:
    asked = Metric(name="postgresql.database_size", tags=("db:creditdb",))
    assert side.gauge(asked) is None
    assert side.counter(asked) is None
    assert side.trouble is None
