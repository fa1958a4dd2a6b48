"""How the console's pages write figures, draw charts and read addresses; and one colour for one thing."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from grafana.generator import style
from lab.console.overview import DatabaseLoad, WaitEvent
from lab.console.pages import colours
from lab.console.pages.chart import HEIGHT, WIDTH, Band, Chart, ChartSeries, sparkline
from lab.console.pages.overview import MAX_LAYERS, OTHERS, load_chart
from lab.telemetry.store import Source

CSS = (Path(colours.__file__).parent / "static" / "console.css").read_text(encoding="utf-8")
LIGHT = CSS[: CSS.index("@media (prefers-color-scheme: dark)")]


def chart(*values: list[float | None], stacked: bool = False) -> Chart:
    """Return a chart of one value a second."""
    return Chart(
        title="a chart",
        unit="ms",
        times_ms=range(0, 1000 * len(values[0]), 1000),
        series=[ChartSeries(label=str(i), css="c-other", values=v) for i, v in enumerate(values)],
        stacked=stacked,
        step_ms=1000 if stacked else 0,
    )


@pytest.mark.parametrize(("name", "colour"), [*style.SERVICES.items(), *style.WAITS.items()])
def test_a_thing_has_one_colour_in_grafana_and_here(name: str, colour: str) -> None:
    """Services and wait classes are coloured as on the dashboards."""
    found = re.search(rf"--{name}: (#[0-9a-f]{{6}});", LIGHT)
    assert found
    assert found[1].upper() == colour.upper()


def test_every_colour_that_a_page_may_name_is_there() -> None:
    """A service, the database, a stranger and every wait class has its class in the style sheet."""
    named = [colours.of_service(name) for name in (*colours.SERVICES, "postgres", "strange", None)]
    named += [colours.of_wait(kind, shade) for kind in colours.WAITS for shade in range(5)]
    for css in " ".join(named).split():
        assert f".{css} " in CSS or css == "shade-0"


def test_an_unknown_wait_class_is_not_taken_for_the_cpu() -> None:
    """A class that a newer PostgreSQL invents is neutral; no wait at all is the CPU."""
    assert colours.of_wait("Novelty").startswith("c-other")
    assert colours.of_wait(None).startswith("c-CPU")


def test_stacked_bars_are_on_top_of_each_other_and_a_step_wide() -> None:
    """The second layer begins where the first ends, and nothing is drawn where there is nothing."""
    [(_, lower), (_, upper)] = chart([1.0, 0.0], [1.0, 2.0], stacked=True).paths()
    assert lower == "M0.0 100.00V50.00H500.0V100.00Z"
    assert upper == "M0.0 50.00V0.00H500.0V50.00ZM500.0 100.00V0.00H1000.0V100.00Z"


def test_a_line_breaks_where_nothing_is_known() -> None:
    """A missing value is a gap, not a zero; a value alone is a dot, drawn thicker; bars have none."""
    broken = chart([4.0, None, 2.0, 4.0])
    [(_, path)] = broken.paths()
    assert [dot for _, dot in broken.dots()] == ["M0.0 0.00h0"]
    assert chart([4.0, 2.0]).dots() == chart([4.0, None], stacked=True).dots() == []
    assert path == f"M0.0 0.00h0M{WIDTH * 2 / 3:.1f} {HEIGHT / 2:.2f}h0L{WIDTH:.1f} 0.00"


@pytest.mark.parametrize(
    ("highest", "ticks"),
    [(0.0, [0, 0.5, 1]), (0.3, [0, 0.1, 0.2, 0.3]), (7.0, [0, 2.5, 5, 7.5]), (1000.0, [0, 500, 1000])],
)  # fmt: skip
def test_the_axis_has_round_values_and_holds_every_value(
    highest: float, ticks: list[float]
) -> None:
    """Two to four steps of 1, 2, 2.5 or 5, up to the first that is not below the highest value."""
    assert [tick.value for tick in chart([0.0, highest]).value_ticks()] == pytest.approx(ticks)


def test_times_below_a_chart_are_round() -> None:
    """At most six words, each at a whole step of minutes."""
    begin = datetime(2026, 11, 22, 10, 3, 7, tzinfo=UTC)
    times = [begin + timedelta(seconds=10 * i) for i in range(90)]
    drawn = Chart(
        title="", unit="ms", times_ms=[round(t.timestamp() * 1000) for t in times], series=[]
    )
    found = [datetime.fromtimestamp(tick.value / 1000, UTC) for tick in drawn.time_ticks()]
    assert [(at.minute, at.second) for at in found] == [(5, 0), (10, 0), (15, 0)]


def test_a_chart_without_values_can_be_asked_everything() -> None:
    """No times, no series, no values: nothing fails, nothing is drawn."""
    nothing = Chart(title="", unit="ms", times_ms=[], series=[])
    assert nothing.is_empty
    assert (nothing.paths(), nothing.time_ticks(), nothing.marks()) == ([], [], [])
    assert sparkline([]) == sparkline([1.0]) == ""


@pytest.mark.parametrize(
    ("begin_s", "end_s", "place"),
    [
        (1, 2, (25.0, 50.0)),
        (-9, 1, (0.0, 25.0)),
        (3, 99, (75.0, 100.0)),
        (4, 9, None),
        (-9, 0, None),
    ],
)
def test_a_fault_is_a_band_as_far_as_it_is_in_the_chart(
    begin_s: int, end_s: int, place: tuple[float, float] | None
) -> None:
    """A band that begins before or ends after the chart is cut; one before or after it is not drawn."""
    band = Band(label="drill x", href="/drills/x", begin_ms=begin_s * 1000, end_ms=end_s * 1000)
    drawn = replace(chart([1.0, 1.0, 1.0, 1.0], stacked=True), bands=[band])
    assert drawn.band_places() == ([(band, *place)] if place else [])


def test_the_lightest_wait_class_is_still_seen_on_the_load() -> None:
    """A lock waited for once is a layer of its own among many heavier reads; what is summed loses nothing."""
    reads = [
        WaitEvent(type="IO", event=f"Read{i}", sessions=(float(30 - i),), mean=30.0 - i)
        for i in range(20)
    ]
    lock = WaitEvent(type="Lock", event="tuple", sessions=(0.1,), mean=0.1)
    load = DatabaseLoad(
        source=Source.EMBEDDED,
        every_s=1,
        step_s=10,
        starts=(datetime(2026, 1, 1, tzinfo=UTC),),
        events=(*reads, lock),
        latest=0.0,
    )
    series = load_chart(load).series
    assert len(series) == MAX_LAYERS
    assert "Lock:tuple" in [each.label for each in series]
    assert series[-1].label == OTHERS
    assert sum(each.values[0] or 0.0 for each in series) == pytest.approx(load.mean)
