"""Parameters of a page's address: the window of time, words and numbers."""

from datetime import UTC, datetime, timedelta

import pytest
from starlette.requests import Request

from lab.console.pages import asking
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
