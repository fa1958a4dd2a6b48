"""The console's page for PromQL expressions: labels, lines with gaps, and charts with values below zero."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from lab.clients.prometheus import Series
from lab.console.pages import expression
from lab.console.pages.chart import HEIGHT, Chart
from lab.console.pages.chart import ChartSeries as Line
from lab.drilldown import Drilldown
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import nanoseconds

SINCE = datetime(2026, 11, 28, 10, tzinfo=UTC)


def test_labels_are_written_as_prometheus_writes_them() -> None:
    assert expression._label({"__name__": "up", "job": "credit"}) == 'up{job="credit"}'
    assert expression._label({"__name__": "up"}) == "up"
    assert expression._label({}) == "{}"


def test_a_step_without_a_finite_value_is_a_gap(tmp_path: Path) -> None:
    begin = nanoseconds(SINCE)
    points = ((begin, 1.0), (begin + 5 * 10**9, float("nan")), (begin + 15 * 10**9, 3.0))
    drilldown = SimpleNamespace(settings=LabSettings(_env_file=None, lab_state_dir=tmp_path))
    drawn = expression._chart(
        cast("Drilldown", drilldown),
        [Series(labels={"service": "credit-risk", "operation": "ageing"}, points=points)],
        SINCE,
        SINCE + timedelta(seconds=20),
        5,
    )
    [line] = drawn.series
    assert (line.label, list(line.values)) == ("credit-risk ageing", [1.0, None, None, 3.0, None])


def test_a_chart_with_values_below_zero_has_zero_inside_its_axis() -> None:
    """As `deriv()` returns them; the lowest value is not drawn below the frame."""
    drawn = Chart(
        title="", unit="value", times_ms=[0, 1], series=[Line(label="", css="", values=[-7.0, 2.0])]
    )
    ticks = [tick.value for tick in drawn.value_ticks()]
    assert ticks[0] <= -7.0
    assert 0.0 in ticks
    assert ticks[-1] >= 2.0
    heights = [
        float(part.split(" ")[1].split("h")[0]) for part in drawn.paths()[0][1][1:].split("L")
    ]
    assert all(0 <= height <= HEIGHT for height in heights)
