"""`compare` answers from the Agent's metrics in the store: the latest value, or what the window added."""

from pathlib import Path

import pytest

from lab.compare.intake import Datadog, Metric
from lab.foundation import clock
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.telemetry.intake.agent_metrics import series
from lab.telemetry.store import Bounds, MetricType, Record, Writer
from tests.fix_store import HOUR_NS, Tally

NS = 1_000_000_000
WINDOW_S = 600.0


def table(name: str, relation: str, *points: tuple[int, float]) -> list[Record]:
    """A gauge of a table, as the Agent sends it; points are seconds ago, and value."""
    now_ns = clock.now_ns()
    return list(
        series(
            name,
            [(now_ns - ago * NS, value) for ago, value in points],
            metric_type=MetricType.GAUGE,
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
        writer.commit(
            table(inserted, "a", (700, 9.0), (55, 2.0), (40, 1.0), (25, 3.0)), timeout_s=60
        )
        writer.commit(table(inserted, "b", (40, 100.0)), timeout_s=60)
        writer.commit(table("postgresql.dead_rows", "a", (40, 7.0), (25, 8.0)), timeout_s=60)
        writer.commit(table("postgresql.dead_rows", "b", (25, 2.0)), timeout_s=60)
    return Datadog(settings, WINDOW_S)


def test_rows_are_the_rate_times_the_seconds(side: Datadog) -> None:
    """Of one table, and of points of the window alone."""
    answer = side.metric(Metric(name="postgresql.rows_inserted", tag="table:a", total=True))
    assert answer.value == pytest.approx(15 * (2 + 1 + 3))
    assert answer.resolution_s == 15.0
    assert answer.where == "the Agent's metrics: postgresql.rows_inserted"
    assert answer.age_s is not None
    assert answer.age_s >= 25.0


def test_a_gauge_is_the_latest_value(side: Datadog) -> None:
    assert side.metric(Metric(name="postgresql.dead_rows", tag="table:a")).value == 8.0
    assert side.metric(Metric(name="postgresql.dead_rows")).value == 10.0


def test_what_was_not_sent_is_no_zero(side: Datadog) -> None:
    answer = side.metric(Metric(name="postgresql.database_size", tag="db:creditdb"))
    assert (answer.value, answer.why_not) == (
        None,
        "no Agent sent postgresql.database_size in the window",
    )
