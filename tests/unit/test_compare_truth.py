"""The truth at an observer's moments; the parts of an error add up, and exact counters have none."""

import random
import tracemalloc
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.compare.answers import Answer
from lab.compare.readings import MAX_STATEMENTS, Moment, Readings, Track, continued
from lab.compare.run import common_window
from lab.compare.stages import Observed, Window, answer, counted, gauge
from lab.foundation.settings import ROOT
from lab.telemetry.truth import COLUMNS
from lab.telemetry.truth.readings import Reading
from workload.clocks import bucket_of

NS = 1_000_000_000


def track(counts: list[float], *, every_ns: int = NS, took_ns: int = NS // 100) -> Track:
    begins = [index * every_ns for index in range(len(counts))]
    return Track(begins=begins, ends=[begin + took_ns for begin in begins], values=counts)


def moment(at_ns: int, late_ns: int = NS // 10) -> Moment:
    return Moment(early_ns=at_ns, late_ns=at_ns + late_ns)


@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(0, 3))
def test_the_parts_of_an_error_add_up_and_an_exact_counter_has_no_error_of_its_own(
    seed: int, per_second: int, extrapolated: int
) -> None:
    """An observer that reads the very counter at its own moments, once in ten seconds."""
    generator = random.Random(seed)
    times = sorted(generator.uniform(0, 100) for _ in range(100 * per_second))

    def count(at_s: float) -> float:
        return float(sum(time <= at_s for time in times))

    readings = Track(
        begins=[s * NS for s in range(101)],
        ends=[s * NS + NS // 100 for s in range(101)],
        # A reading takes some time: each value is of a moment between its begin and its end.
        values=[count(s + generator.uniform(0, 0.01)) for s in range(101)],
    )
    phase = generator.uniform(0.5, 9.5)
    first_s, last_s = 20 + phase, 80 + phase
    raw = count(last_s + 0.05) - count(first_s + 0.05)
    window = Window(since_ns=20 * NS, now_ns=95 * NS)
    seen = Observed(
        first=moment(round(first_s * NS)), last=moment(round(last_s * NS)), raw=raw,
        value=raw + extrapolated, newest_ns=round(last_s * NS), resolution_s=10.0,
    )  # fmt: skip
    found = answer(sum, [(counted(readings, window, seen), seen)], window)
    parts = found.parts
    assert parts is not None
    assert parts.observer == 0
    assert parts.extrapolation == pytest.approx(extrapolated)
    # Both are losses, as exactly as the truth is known at the moments.
    assert parts.resolution <= parts.within
    assert parts.delay <= parts.within
    true = readings.at(window.now_ns) - readings.at(window.since_ns)
    assert isinstance(found.value, float)
    total = parts.observer + parts.extrapolation + parts.resolution + parts.delay
    assert total == pytest.approx(found.value - true)


@pytest.mark.parametrize(("raw", "own"), [(30.0, 0.0), (31.0, 0.0), (40.0, 8.0), (20.0, -8.0)])
def test_what_an_observer_reports_beyond_the_readings_is_its_own_error(
    raw: float, own: float
) -> None:
    """The counter grows by 1 a second: from one moment to the other by 28 to 32, by the readings around."""
    window = Window(since_ns=10 * NS, now_ns=50 * NS)
    seen = Observed(
        first=Moment(early_ns=round(10.5 * NS), late_ns=round(11.5 * NS)),
        last=Moment(early_ns=round(40.5 * NS), late_ns=round(41.5 * NS)),
        raw=raw, value=raw, newest_ns=41 * NS, resolution_s=10.0,
    )  # fmt: skip
    found = answer(
        sum, [(counted(track([float(s) for s in range(60)]), window, seen), seen)], window
    )
    assert found.parts is not None
    assert found.parts.observer == own
    assert found.parts.within == 4.0


def test_a_rate_has_no_value_at_a_moment() -> None:
    """Its deviation is that of the conversion to a total."""
    window = Window(since_ns=10 * NS, now_ns=50 * NS)
    seen = Observed(
        first=moment(10 * NS), last=moment(40 * NS), raw=None, value=50.0, newest_ns=40 * NS,
        resolution_s=15.0,
    )  # fmt: skip
    found = answer(
        sum, [(counted(track([float(s) for s in range(60)]), window, seen), seen)], window
    )
    assert found.parts is not None
    assert found.parts.observer == 0
    assert found.parts.extrapolation == pytest.approx(18, abs=1)


def test_a_moment_without_readings_around_it_is_not_judged() -> None:
    """The newest scrape may be newer than the newest reading."""
    window = Window(since_ns=10 * NS, now_ns=59 * NS)
    seen = Observed(
        first=moment(10 * NS), last=moment(59 * NS, NS), raw=77.0, value=77.0, newest_ns=59 * NS,
        resolution_s=10.0,
    )  # fmt: skip
    found = answer(
        sum, [(counted(track([float(s) for s in range(60)]), window, seen), seen)], window
    )
    assert found.parts is not None
    assert found.parts.observer == 0


def test_a_gauge_is_compared_at_its_moment_and_then_has_a_delay() -> None:
    values = [5.0] * 30 + [9.0] * 30
    window = Window(since_ns=0, now_ns=50 * NS)
    reported = Answer(value=5.0, age_s=25.0)
    found = gauge(track(values), window, 5.0, moment(25 * NS), reported)
    assert found.parts is not None
    assert (found.parts.observer, found.parts.delay) == (0.0, -4.0)
    wrong = gauge(track(values), window, 7.0, moment(25 * NS), Answer(value=7.0))
    assert wrong.parts is not None
    assert wrong.parts.observer == 2.0
    assert gauge(None, window, 7.0, moment(25 * NS), reported) is reported


def test_a_counter_goes_on_over_a_reset_and_over_a_rounding() -> None:
    assert continued([5.0, 8.0, 2.0, 4.0]) == [5.0, 8.0, 10.0, 12.0]
    # A sum of PostgreSQL's rows in another order: no reset that would count everything again.
    assert continued([1e6, 1e6 - 1e-6, 1e6 + 1]) == pytest.approx([1e6, 1e6, 1e6 + 1])


def reading(second: int, **values: dict[str, tuple[float, ...]]) -> Reading:
    return Reading(begin_ns=second * NS, end_ns=second * NS + 1, values=dict(values))


def test_columns_of_readings() -> None:
    """A statement was at zero before it was first executed; a sum of counters goes on over gaps."""
    one = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
    found = Readings(
        [
            reading(0, clock={"a/statement/x": (1.0, 0.5)}),
            reading(1, clock={"a/statement/x": (3.0, 0.7)}, statement={"7": one}),
            reading(2, statement={"7": (4.0, *one[1:])}, clock={"b/statement/x": (9.0, 1.0)}),
        ]
    )
    calls = found.counter((("statement", "7", "calls"),))
    assert calls is not None
    assert list(calls.begins) == [0, NS, 2 * NS]
    assert list(calls.values) == [0.0, 1.0, 4.0]
    assert calls.at(NS // 2) == 0.5
    assert found.gauge(("statement", "8", "calls")) is None
    assert found.names("clock") == {"a/statement/x", "b/statement/x"}
    both = found.counter((("clock", "a/statement/x", "count"), ("clock", "b/statement/x", "count")))
    assert both is not None
    assert list(both.values) == [10.0, 12.0]


def test_a_full_reading_does_not_show_that_a_statement_is_new() -> None:
    """It may have had less time than the others, which were read."""
    one = (50.0, 2.0, 3.0, 4.0, 5.0, 6.0)
    full: dict[str, tuple[float, ...]] = dict.fromkeys(map(str, range(MAX_STATEMENTS)), one)
    found = Readings([reading(0, statement=full), reading(1, statement={**full, "new": one})])
    calls = found.gauge(("statement", "new", "calls"))
    assert calls is not None
    assert list(calls.values) == [50.0]
    sql = (ROOT / "lab/telemetry/truth/queries.sql").read_text(encoding="utf-8")
    assert f"LIMIT {MAX_STATEMENTS}\n" in sql


def test_a_quantile_is_that_of_the_window_and_of_the_clocks() -> None:
    """Between two readings of the buckets, over a restart of a service."""
    fast, slow = bucket_of(0.01), bucket_of(1.0)
    buckets = [
        (0, {"a/operation/x": {fast: 1000, slow: 3000}}),
        (10 * NS, {"a/operation/x": {fast: 1090, slow: 3000}}),
        (20 * NS, {"a/operation/x": {slow: 10}}),
        (30 * NS, {"a/operation/x": {slow: 900}}),
    ]
    found = Readings([], [(at_ns, partial(dict, counts)) for at_ns, counts in buckets])
    assert found.aligned(9 * NS, 29 * NS) == (0, 20 * NS)
    assert found.aligned(31 * NS, 32 * NS) == (31 * NS, 32 * NS)
    names = ["a/operation/x"]
    exact = found.quantile(0.5, names, since_ns=0, until_ns=20 * NS)
    assert exact == pytest.approx(0.01, rel=0.02)
    assert found.quantile(0.95, names, since_ns=0, until_ns=20 * NS) == pytest.approx(1.0, rel=0.02)
    assert found.quantile(0.5, ["none"], since_ns=0, until_ns=20 * NS) is None


def test_the_window_is_what_all_sides_have() -> None:
    asked = Window(since_ns=0, now_ns=100 * NS)
    begins = [s * NS for s in range(5, 100)]
    assert common_window(asked, begins, [None, 3 * NS]) == Window(since_ns=6 * NS, now_ns=99 * NS)
    assert common_window(asked, begins, [40 * NS, None]) == Window(since_ns=41 * NS, now_ns=99 * NS)
    assert common_window(asked, [], []) == asked


def test_an_hour_of_readings_with_all_its_counters_takes_arrays_of_memory() -> None:
    """A page of the last hour: 24 bytes a value would be objects in lists, of which it had 235 MB."""
    columns = COLUMNS["statement"]
    count, statements = 900, 40
    readings = (
        Reading(
            begin_ns=second * NS,
            end_ns=second * NS + 1,
            values={
                "statement": {
                    f"{n}": (float(second * n),) * len(columns) for n in range(statements)
                }
            },
        )
        for second in range(count)
    )
    tracemalloc.start()
    try:
        found = Readings(readings)
        for number in range(statements):
            for column in columns:
                found.counter((("statement", f"{number}", column),))
        used = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    # The values of the readings and of the counters, a number of the reading, and what lists reserve.
    assert used < 24 * count * statements * len(columns)
