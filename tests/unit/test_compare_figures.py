"""Figures of a comparison: what counts as exact, as an observer's error, and how values are written."""

from dataclasses import replace

import pytest

from lab.compare.answers import Answer, Compared, Group, Parts, cannot
from lab.compare.comparison import Comparison, Cost
from lab.compare.readings import Moment, Readings, Track
from lab.compare.resources import DATADOG, LAB, PROMETHEUS, Spent, gathered, one_line
from lab.compare.side import interval_s, rates
from lab.compare.wording import error_text, number, parts_text
from lab.foundation.outcome import Outcome
from lab.telemetry.truth.readings import Reading

NS = 1_000_000_000


def row(
    truth: float | str | None, value: float | str | None, parts: Parts | None = None, **more: float
) -> Compared:
    answer = Answer(value=value, parts=parts, **more)  # type: ignore[arg-type]
    return Compared(
        group=Group.LOAD, question="q", unit="", truth=Answer(value=truth), prometheus=answer,
        datadog=cannot("none"),
    )  # fmt: skip


def comparison(*rows: Compared, costs: tuple[Cost, ...] = (), **more: object) -> Comparison:
    known: dict[str, object] = {"since_s": 60.0, "datadog": "the intake", "costs_since_s": 1.0}
    return Comparison(rows=rows, costs=costs, **{**known, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "exact"), [(101.0, 1), (99.0, 1), (101.01, 0), (98.99, 0), (None, 0), ("text", 0)]
)
def test_an_answer_is_exact_up_to_one_per_cent(value: float | str | None, exact: int) -> None:
    assert comparison(row(100.0, value)).summaries()[0].exact == exact


@pytest.mark.parametrize(
    ("truth", "observer", "wrong"),
    [
        (1000.0, 0.01, 0), (1000.0, -0.01, 0), (1000.0, 0.0101, 1), (1000.0, -0.0101, 1),
        (-1000.0, 0.005, 0), (0.0, 0.1, 1), ("text", 5.0, 0), (None, 5.0, 0),
    ],
)  # fmt: skip
def test_an_observers_error_is_more_than_the_rounding_of_its_format(
    truth: float | str | None, observer: float, wrong: int
) -> None:
    """A hundred-thousandth of the truth; without a number nothing can be wrong."""
    found = comparison(row(truth, 1.0, Parts(observer=observer)))
    assert found.summaries()[0].observer_errors == wrong


def test_a_summary_has_medians_of_what_is_known_and_the_cost_of_its_roles() -> None:
    """Shares with one decimal; a stack whose roles are unknown has no cost."""
    rows = (
        row(1.0, 1.0, age_s=2.0, resolution_s=10.0), row(1.0, 1.0, age_s=4.06), row(1.0, None, age_s=99.0),
    )  # fmt: skip
    costs = tuple(
        Cost(role=role, calls_per_s=1, ms_per_s=ms, share_percent=1, blocks_per_s=1, sessions=1)
        for role, ms in (("datadog", 2.0), ("datadog_explain", 0.5), ("lab", 7.0))
    )
    prometheus, datadog = comparison(*rows, costs=costs).summaries()
    assert (prometheus.stack, prometheus.questions, prometheus.answered) == ("Prometheus", 3, 2)
    assert (prometheus.cannot_percent, prometheus.age_s, prometheus.resolution_s) == (
        33.3,
        3.0,
        10.0,
    )
    assert (prometheus.ms_per_s, datadog.ms_per_s) == (None, 2.5)
    assert (datadog.answered, datadog.cannot_percent, datadog.age_s) == (0, 100.0, None)
    assert comparison().summaries()[0].cannot_percent == 0.0


def test_a_comparison_is_unknown_without_a_side_or_a_question() -> None:
    """It is never failed; its groups are in the order in which they are shown."""
    one = row(1.0, 1.0)
    assert comparison(one).outcome is Outcome.OK
    assert comparison().outcome is Outcome.UNKNOWN
    assert comparison(one, absent=("no Prometheus",)).outcome is Outcome.UNKNOWN
    cost = replace(one, group=Group.COST)
    assert comparison(cost, one).groups() == {Group.LOAD: [one], Group.COST: [cost]}
    assert list(comparison(cost, one).groups()) == [Group.LOAD, Group.COST]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (9_999.4, "", "9,999"), (10_000.4, "", "10,000"), (-12_345.6, "ms", "-12,346 ms"),
        (0.00012345, "", "0.0001234"), (0.9996, "s", "999.6 ms"), (1.0, "s", "1 s"),
        (-0.5, "s", "-500 ms"), (0.0, "s", "0 s"), (12.0, "", "12"), (999.0, "B", "999 B"),
        (1000.0, "B", "1 kB"),
        (0.0, "B", "0 B"), (2.5e6, "B", "2.5 MB"), (1e9, "B", "1 GB"), (-2e3, "B", "-2 kB"),
        ("text", "B", "text"), (None, "B", "cannot answer"),
    ],
)  # fmt: skip
def test_a_value_is_written_with_its_unit(value: float | str | None, unit: str, text: str) -> None:
    """Four digits, from 10,000 on all; bytes by thousands; text as it is."""
    found = replace(row(1.0, value), unit=unit)
    assert number(found.prometheus, found) == text


@pytest.mark.parametrize(
    ("value", "parts", "error", "text"),
    [
        (110.0, Parts(delay=10.0), "+10.0 d", "delay +10.0 %"),
        (199.94, Parts(delay=99.94), "+99.9 d", "delay +99.9 %"),
        (200.0, Parts(observer=100.0), "+100 !", "observer +100.0 %"),
        (0.4, Parts(resolution=-99.6), "-99.6 r", "resolution -99.6 %"),
        (
            99.0,
            Parts(extrapolation=3.0, delay=-4.0),
            "-1.0 d",
            "extrapolation +3.0 %, delay -4.0 %",
        ),
        (100.04, Parts(delay=0.04), "<0.1", ""),
        (100.06, Parts(delay=0.06), "+0.1 d", "delay +0.1 %"),
        (101.0, None, "+1.0", ""),
        (100.0, Parts(within=9.0), "0", ""),
        ("text", Parts(delay=1.0), "", "delay +1.0 %"),
    ],
)
def test_an_error_has_the_letter_of_its_largest_part(
    value: float | str, parts: Parts | None, error: str, text: str
) -> None:
    """A part that rounds to nothing is not named; from 100 % on there are no decimals."""
    found = row(100.0, value, parts)
    assert (error_text(found, found.prometheus), parts_text(found, found.prometheus)) == (
        error,
        text,
    )


def test_costs_outside_the_database_are_grouped_by_observer() -> None:
    """With decimals below a hundred."""
    given = [
        Spent(observer=name, what=what, value=value)
        for name, what, value in ((LAB, "a", 99.994), (DATADOG, "b", 100.0), (PROMETHEUS, "c", 0.0))
    ]
    found = gathered(iter(given[:1]), iter(given[1:]))
    assert [str(one) for one in found] == ["0.00", "100", "99.99"]
    assert one_line("first\nsecond") == "first"


def test_an_interval_is_the_median_step_in_seconds() -> None:
    assert interval_s([0, NS, 3 * NS, 4 * NS]) == 1.0
    assert interval_s([0, NS * 5 // 4]) == 1.2
    assert (interval_s([7]), interval_s([])) == (None, None)


def test_rates_leave_out_resets_and_points_of_one_time() -> None:
    """Growth of zero is a rate; a value below the last one is a restart."""
    totals = [(0, 1.0), (2 * NS, 5.0), (2 * NS, 6.0), (4 * NS, 6.0), (5 * NS, 2.0), (6 * NS, 3.0)]
    assert rates(totals) == ((2 * NS, 2.0), (4 * NS, 0.0), (6 * NS, 1.0))


def track() -> Track:
    """Read at 10, 20 and 30 s, each in one second: 1, 3 and 9."""
    return Track(
        begins=[10 * NS, 20 * NS, 30 * NS], ends=[11 * NS, 21 * NS, 31 * NS], values=[1.0, 3.0, 9.0]
    )


def test_a_value_between_two_readings_is_interpolated() -> None:
    """Before the first and after the last it is theirs."""
    found = [track().at(at * NS) for at in (0, 10, 15, 20, 25, 30, 99)]
    assert found == [1.0, 1.0, 2.0, 3.0, 6.0, 9.0, 9.0]
    assert track().within(10 * NS, 20 * NS) == [1.0, 3.0]
    assert track().points(11 * NS, 30 * NS) == [(20 * NS, 3.0), (30 * NS, 9.0)]


@pytest.mark.parametrize(
    ("early", "late", "bracket"),
    [
        (11, 30, (1.0, 9.0)), (11, 20, (1.0, 3.0)), (12, 13, (1.0, 3.0)), (20, 20, (1.0, 3.0)),
        (21, 22, (3.0, 9.0)), (10, 20, None), (21, 31, None),
    ],
)  # fmt: skip
def test_a_moment_is_between_the_readings_around_it(
    early: int, late: int, bracket: tuple[float, float] | None
) -> None:
    """None when it began before the first reading had ended, or ended after the last one began."""
    assert track().bracket(Moment(early_ns=early * NS, late_ns=late * NS)) == bracket


def test_a_reading_of_another_version_is_ignored() -> None:
    """It has another number of columns, or a kind that is not known."""
    values = {"role": {"a": (1.0, 2.0, 3.0), "b": (1.0,)}, "strange": {"c": (1.0,)}}
    found = Readings([Reading(begin_ns=0, end_ns=1, values=values)])  # type: ignore[arg-type]
    assert found.names("role") == {"a"}
    assert found.names("strange") == set()
    assert found.counter((("role", "b", "calls"),)) is None
    assert found.aligned(5, 9) == (5, 9)
