"""Places of a chart's ticks, marks and sparklines, to the digit; what its script is given."""

import pytest

from lab.console.pages.chart import Band, Chart, ChartSeries, Tick, sparkline


def chart(times_ms: list[int], *values: list[float | None], **more: object) -> Chart:
    series = [ChartSeries(label=f"s{i}", css=f"c{i}", values=v) for i, v in enumerate(values)]
    return Chart(title="t", unit="ms", times_ms=times_ms, series=series, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("length_s", "step_s"),
    [(1, 5), (30, 5), (31, 10), (60, 10), (360, 60), (361, 120), (4 * 3600, 3600), (10**7, 86_400)],
)
def test_a_time_axis_has_at_most_six_steps_of_the_finest_kind(length_s: int, step_s: int) -> None:
    """Ticks are at whole steps from the first time on, and none is at the end or beyond it."""
    first = 86_400_000
    drawn = chart([first, first + length_s * 1000])
    found = [tick.value for tick in drawn.time_ticks()]
    assert found[:2] == [first, first + step_s * 1000][: len(found)]
    assert found[-1] < first + length_s * 1000
    assert len(found) == (length_s + step_s - 1) // step_s
    assert [tick.at for tick in drawn.time_ticks()] == pytest.approx(
        [100 * (value - first) / (length_s * 1000) for value in found]
    )


def test_ticks_of_values_are_placed_from_the_bottom() -> None:
    assert chart([0, 1], [0.0, 4.0]).value_ticks() == [
        Tick(at=100, value=0), Tick(at=50, value=2), Tick(at=0, value=4),
    ]  # fmt: skip
    assert chart([0, 1], [None, 4.0], [9.0, 1.0], stacked=True).top == 10
    assert chart([0, 1], [None, 4.0], [9.0, 1.0]).top == 10
    assert chart([0, 1], [3.0, 4.0], [3.0, 5.0], stacked=True).top == 10
    assert chart([0, 1], [3.0, 4.0], [3.0, 5.0]).top == 6


@pytest.mark.parametrize("power", [0.001, 1.0, 1000.0])
def test_a_step_of_the_axis_is_the_next_round_number(power: float) -> None:
    """A highest value of three whole steps needs no fourth."""
    for step in (1, 2, 2.5, 5):
        assert chart([0, 1], [0.0, 3 * step * power]).top == pytest.approx(3 * step * power)
    assert chart([0, 1], [0.0, 3.1 * power]).top == pytest.approx(4 * power)
    assert chart([0, 1], [0.0, 27 * power]).top == pytest.approx(30 * power)


def test_marks_are_drawn_within_the_chart_only() -> None:
    """Both ends are part of it; the last bar lasts a step."""
    drawn = chart(
        [0, 1000, 2000], [1.0, 1.0, 1.0], step_ms=2000, marks_ms=[-1, 0, 1000, 4000, 4001]
    )
    assert drawn.marks() == [0.0, 25.0, 100.0]


def test_the_script_gets_what_is_drawn() -> None:
    """Values in four digits, None where there is none."""
    band = Band(label="burst", href="/drills/1", begin_ms=3, end_ms=4)
    drawn = chart([0, 5], [1.23456, None], stacked=True, bands=[band])
    assert drawn.data() == {
        "unit": "ms",
        "step": 0,
        "times": [0, 5],
        "stacked": True,
        "series": [{"label": "s0", "css": "c0", "values": [1.235, None]}],
        "bands": [{"label": "burst", "begin": 3, "end": 4}],
    }


def test_a_chart_is_empty_when_no_series_has_a_value() -> None:
    assert chart([0, 1], [None, None], [None, None]).is_empty
    assert not chart([0, 1], [None, None], [None, 0.0]).is_empty


def test_a_sparkline_is_a_line_from_zero() -> None:
    assert sparkline([1.0, 2.0]) == "M0.0 50.00h0L1000.0 0.00"
    assert sparkline([2.0, None, 1.0, 1.0]) == "M0.0 0.00h0M666.7 50.00h0L1000.0 50.00"
    assert sparkline([5.0]) == ""
