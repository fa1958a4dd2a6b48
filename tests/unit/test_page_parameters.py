"""Parameters of a page's address: the window of time, words and numbers."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from starlette.requests import Request

from lab.console.pages import asking
from lab.drilldown.traces import Order
from lab.foundation.errors import LabError

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
LENGTHS = {
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "3h": timedelta(hours=3),
    "24h": timedelta(days=1),
}


def request(query: str) -> Request:
    return Request({"type": "http", "query_string": query.encode(), "headers": []})


@pytest.mark.parametrize(
    ("query", "default", "key", "window_label"),
    [
        ("", "15m", "15m", "15 min"),
        ("", "3h", "3h", "3 h"),
        ("window=1h", "3h", "1h", "1 h"),
        ("window=24h", "15m", "24h", "24 h"),
        ("window=2h", "1h", "1h", "1 h"),
    ],
)
def test_a_window_ends_now(
    query: str, default: str, key: str, window_label: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown one is the page's default."""
    monkeypatch.setattr("lab.foundation.clock.now", lambda: NOW)
    window = asking.window(request(query), default)
    assert (window.key, window.label) == (key, window_label)
    assert (window.since, window.until) == (NOW - LENGTHS[key], NOW)
    assert window.values()["window"] == key
    assert window.values()["window_label"] == f"last {window_label}"
    assert window.values()["windows"] == [
        ("15m", "15 min"), ("1h", "1 h"), ("3h", "3 h"), ("24h", "24 h"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", 1.0), ("0.5", 0.5), ("1e3", 1000.0), ("0", None), ("-1", None), ("inf", None), ("nan", None),
        ("", None), ("ten", None),
    ],
)  # fmt: skip
def test_a_number_of_an_address_is_above_zero_and_finite(text: str, expected: float | None) -> None:
    assert asking.positive(request(f"min_ms={text}"), "min_ms") == expected


def test_a_word_of_an_address_is_not_blank() -> None:
    assert asking.word(request("service=+risk+"), "service") == "risk"
    assert asking.word(request("service=++"), "service") is None
    assert asking.word(request(""), "service") is None


def test_a_part_that_cannot_be_had_leaves_its_reason() -> None:
    def failing() -> int:
        raise LabError("Prometheus does not answer.")

    assert asking.attempt(lambda: 7) == asking.PartResult(value=7)
    assert asking.attempt(failing) == asking.PartResult(trouble="Prometheus does not answer.")


def test_from_and_to_select_a_time_range_that_other_pages_keep() -> None:
    """In seconds since 1970, as a chart's selection and the links of a drill give them."""
    window = asking.window(request("from=1800000000&to=1800000090"))
    assert (window.until - window.since, window.key) == (timedelta(seconds=90), asking.SELECTED)
    again = asking.window(request(urlencode(window.parameters)))
    assert (again.since, again.until) == (window.since, window.until)


@pytest.mark.parametrize(
    ("query", "note"),
    [
        ("window=2h", 'window="2h" was ignored: expected one of 15m, 1h, 3h, 24h.'),
        ("from=9&to=5", 'from and to="9 to 5" was ignored: expected two times in seconds'),
        ("from=now", 'from and to="now to nothing" was ignored'),
        ("from=nan&to=5", 'from and to="nan to 5" was ignored'),
        ("to=1e999", "was ignored"),
    ],
)
def test_an_invalid_time_range_is_reported_and_replaced(query: str, note: str) -> None:
    asked = request(query)
    assert asking.window(asked).key == asking.DEFAULT_WINDOW
    [text] = asking.reported(asked)
    assert note in text


def test_an_invalid_number_or_choice_is_reported_and_replaced() -> None:
    asked = request("min_ms=ten&order=" + "x" * 50)
    assert asking.positive(asked, "min_ms") is None
    assert asking.choice(asked, "order", Order.NEWEST) is Order.NEWEST
    number, order = asking.reported(asked)
    assert number == 'min_ms="ten" was ignored: expected a number above 0.'
    assert f'order="{"x" * 40}…" was ignored: expected one of ' in order
    assert asking.choice(request("order=slowest"), "order", Order.NEWEST) is Order.SLOWEST
