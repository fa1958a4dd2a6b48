"""The embedded agent's rules: what a delta is, what is explained, what is kept while the intake is away."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.telemetry.embedded import delivery
from lab.telemetry.embedded.deltas import FIGURES, Counters, Key, deltas
from lab.telemetry.embedded.explain import EVERY_S, Limits, NoPlan, refusal
from tests.fix_postgres import free_port

RESET = datetime(2026, 11, 21, tzinfo=UTC)
LATER = datetime(2026, 11, 22, tzinfo=UTC)
KEY: Key = (7, "creditdb", "credit_app")
OIDS = (7, 16384, 16385)


def counters(calls: int | None, reset_at: datetime = RESET) -> Counters:
    rows = {} if calls is None else {OIDS: (calls, *[float(calls)] * (len(FIGURES) - 1))}
    return Counters(reset_at=reset_at, rows=rows, names={OIDS: KEY})


@pytest.mark.parametrize(
    ("before", "now", "calls"),
    [
        (counters(5), counters(8), 3),
        (counters(5), counters(5), None),
        (counters(None), counters(4), 4),  # first seen
        (counters(5), counters(2), 2),  # evicted, and come again
        (counters(5), counters(None), None),  # evicted
        (counters(5), counters(9, LATER), 9),  # reset, and grown past its old value meanwhile
        (counters(5), counters(5, LATER), 5),  # reset, and grown to its old value
    ],
)
def test_deltas(before: Counters, now: Counters, calls: int | None) -> None:
    """What is new is what was counted since, through evictions and resets."""
    found = deltas(before, now)
    assert (found[KEY][0] if found else None) == calls


def test_the_first_look_tells_nothing() -> None:
    """What was counted before the first look happened at no known time."""
    assert deltas(None, counters(5)) == {}


@given(st.lists(st.one_of(st.integers(0, 9), st.just("evict"), st.just("reset")), max_size=40))
def test_deltas_add_up(history: list[int | str]) -> None:
    """Over any history with a look after each step, the deltas add up to the calls."""
    current: int | None = 0
    reset_at, before = RESET, counters(0)
    made = reported = 0
    for index, step in enumerate(history):
        if step == "evict":
            current = None
        elif step == "reset":
            current, reset_at = None, datetime(2027, 1, 1, second=index, tzinfo=UTC)
        else:
            assert isinstance(step, int)
            made += step
            if step:
                current = (current or 0) + step
        now = counters(current, reset_at)
        reported += sum(int(figures[0]) for figures in deltas(before, now).values())
        before = now
    assert reported == made


def test_a_statement_is_reported_every_ten_seconds() -> None:
    """Of each database and signature, as `explained_queries_per_hour_per_query: 360` sets it."""
    limits = Limits()
    assert limits.allows(("creditdb", "a"), now=0)
    assert not limits.allows(("creditdb", "a"), now=EVERY_S - 1)
    assert limits.allows(("creditdb", "a"), now=EVERY_S)
    assert limits.allows(("creditdb", "b"), now=0)
    assert limits.allows(("other", "a"), now=0)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("/*traceparent='x'*/ SELECT 1", None),
        ("with x as (select 1) table x", None),
        ("COMMIT", NoPlan.NOT_EXPLAINABLE),
        ("SELECT datadog.explain_statement('SELECT 1')", NoPlan.NOT_EXPLAINABLE),
        ("SELECT '" + "x" * 90 + "'", NoPlan.TRUNCATED),
        ("SELECT '" + "x" * 75 + "'", None),
    ],
)
def test_what_is_explained(text: str, reason: NoPlan | None) -> None:
    """Whole statements that EXPLAIN takes, and not the EXPLAIN of another agent."""
    assert refusal(text, size=100) is reason


def test_deltas_outlive_samples_while_the_intake_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """With nobody listening the queue stays bounded, and it is samples that are given up."""
    monkeypatch.setattr(delivery, "MAX_WAITING", 3)
    queue = delivery.Delivery("127.0.0.1", free_port(), "0" * 32)
    queue.put(delivery.DELTAS, [{"a": 1}])
    for _ in range(5):
        queue.put("/api/v2/dbmactivity", [{"a": 1}])
        queue.flush()
    assert queue.flush() == 3
    assert queue.dropped == 3
    assert queue._waiting[0].path == delivery.DELTAS
