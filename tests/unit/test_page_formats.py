"""Figures at the edges between two ways to write them: on the pages and in the comparison."""

import pytest

from lab.compare.answers import Answer, Compared, Group
from lab.compare.wording import number as compared_number
from lab.console.pages import formats
from lab.foundation.timestamps import NS_PER_MS, NS_PER_S, NS_PER_US

GAP, NOTHING = formats.GAP, formats.NOTHING
S, MS, US = NS_PER_S, NS_PER_MS, NS_PER_US


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (None, NOTHING), (0, "0 ms"), (1, "1 ns"), (999, "999 ns"), (US, "1.00 µs"), (MS - US, "999 µs"),
        (MS, "1.00 ms"), (S, "1.00 s"), (59 * S, "59.0 s"), (60 * S, "1 min 0 s"),
        (3_725 * S, "62 min 5 s"),
    ],
)  # fmt: skip
def test_durations(ns: float | None, text: str) -> None:
    assert formats.duration(ns).replace(GAP, " ") == text


@pytest.mark.parametrize(
    ("ms", "text"), [(None, NOTHING), (0.25, "+250µs"), (-2.0, "-2.00ms"), (0.0, "0ms")]
)
def test_differences_have_a_sign(ms: float | None, text: str) -> None:
    assert formats.signed_milliseconds(ms).replace(GAP, "") == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, NOTHING), (0, "0"), (0.00005, "<0.0001"), (0.0001, "0.0001"), (0.0099, "0.0099"),
        (0.01, "0.010"), (0.0999, "0.100"), (0.1, "0.10"), (9.994, "9.99"), (10.5, "10.5"),
        (99.94, "99.9"), (100.5, "100"), (-10.5, "-10.5"), (12_345.0, "12,345"),
    ],
)  # fmt: skip
def test_three_digits_count(value: float | None, text: str) -> None:
    assert formats.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, NOTHING), (9_999, "9,999"), (10_000, "10.0k"), (-10_000, "-10.0k"), (999_999, "1,000k"),
        (1_000_000, "1.00M"), (-2_500_000, "-2.50M"),
    ],
)  # fmt: skip
def test_where_there_is_little_room(value: float | None, text: str) -> None:
    assert formats.compact(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, formats.NOTHING),
        (0.9994, "99.9"),
        (0.9995, ">99.9"),
        (0.99999, ">99.9"),
        (1.0, "100"),
        (1.5, "150"),
    ],
)
def test_nearly_all_is_not_all(value: float | None, text: str) -> None:
    assert formats.share(value).replace(f"{GAP}%", "") == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, NOTHING), (999, "999B"), (1_000, "1kB"), (1_500_000, "1.50MB"), (2e12, "2.00TB"),
        (-1_500, "-1.50kB"), (5e15, "5,000TB"),
    ],
)  # fmt: skip
def test_bytes_by_thousands(value: float | None, text: str) -> None:
    assert formats.size(value).replace(GAP, "") == text


@pytest.mark.parametrize(
    ("s", "text"),
    [
        (None, "never"), (0.99, "now"), (1, "1s ago"), (119, "119s ago"), (120, "2min ago"),
        (7_199, "119min ago"), (7_200, "2h ago"), (172_799, "47h ago"), (172_800, "2days ago"),
    ],
)  # fmt: skip
def test_how_long_ago(s: float | None, text: str) -> None:
    assert formats.age(s).replace(GAP, "") == text


def test_a_rate_and_seconds_have_their_units() -> None:
    assert formats.per_second(2.5).replace(GAP, "") == "2.50/s"
    assert (formats.per_second(None), formats.seconds(None), formats.milliseconds(None)) == (
        (formats.NOTHING,) * 3
    )
    assert formats.seconds(0.5).replace(GAP, "") == "500ms"
    assert formats.sentence("") == ""


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (9_999.0, "", "9,999"), (10_000.0, "ms", "10,000 ms"), (-10_000.0, "", "-10,000"),
        (0.12345, "s", "123.5 ms"), (12_345_678.0, "B", "12.35 MB"), (0.0, "B", "0 B"),
        ("three", "ms", "three"), (None, "ms", "cannot answer"),
    ],
)  # fmt: skip
def test_a_compared_value_has_its_unit(value: float | str | None, unit: str, text: str) -> None:
    empty = Answer()
    row = Compared(
        group=Group.LOAD, question="q", unit=unit, truth=empty, prometheus=empty, datadog=empty
    )
    assert compared_number(Answer(value=value), row) == text
