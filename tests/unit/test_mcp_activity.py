"""MCP tools on activity samples: load by column, single samples, blockers; and the limits of a window."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.mcp.tools import activity
from lab.mcp.tools.activity import ActivityTools
from lab.telemetry.store import ActivityRound, Record, Source
from tests import evidence as of
from tests.mcp_store import END, SINCE, START, UNTIL, S, answered, holding

AT = SINCE + 10 * S
ONE = of.sample(None, at_ns=AT, pid=1, statement="pay")


def rounds(*at_ns: int, source: Source = Source.EMBEDDED, interval_s: float = 10.0) -> list[Record]:
    return [
        ActivityRound(at_ns=one, source=source, interval_s=interval_s, sessions=0) for one in at_ns
    ]


def load(lab: Path, *records: Record, **arguments: Any) -> dict[str, Any]:
    with holding(lab, *records) as sources:
        return ActivityTools(sources).dbm_activity(start=START, end=END, **arguments)


def test_the_load_is_samples_by_rounds(tmp_path: Path) -> None:
    """Of active sessions that Datadog received, the largest first; the window's end is not in it."""
    lock = replace(ONE, pid=2, wait_event_type="Lock", wait_event="relation", blocking_pids=(1,))
    found = load(
        tmp_path,
        ONE, replace(ONE, at_ns=SINCE), replace(ONE, at_ns=SINCE + 20 * S, pid=3),
        lock, replace(lock, at_ns=UNTIL - 1, blocking_pids=()),
        replace(ONE, at_ns=SINCE - 1), replace(ONE, at_ns=UNTIL), replace(ONE, source=Source.LAB),
        replace(ONE, state="idle"),
        *rounds(SINCE - 1, SINCE, AT, SINCE + 20 * S, UNTIL - 1, UNTIL),
        *rounds(SINCE + 1, source=Source.LAB, interval_s=1.0),
    )  # fmt: skip
    assert (found["rounds"], found["interval_s"]) == (4, 10)
    assert found["sent_by"] == "embedded agent, not Datadog's"
    assert found["rows"] == [
        {"wait_event": "CPU", "average_sessions": 0.75, "samples": 3, "sessions": 2, "blocked_samples": 0,
         "first": answered(SINCE), "last": answered(SINCE + 20 * S)},
        {"wait_event": "Lock/relation", "average_sessions": 0.5, "samples": 2, "sessions": 1,
         "blocked_samples": 1, "first": answered(AT), "last": answered(UNTIL - 1)},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("group_by", "values"),
    [
        ("state", {"active": 2}), ("statement", {"pay": 1, "(none)": 1}), ("queryid", {str(of.QUERYID): 2}),
        ("service", {"credit-risk": 2}), ("role", {"credit_app": 2}), ("pid", {1: 1, 2: 1}),
    ],
)  # fmt: skip
def test_the_load_is_counted_by_any_column(
    tmp_path: Path, group_by: activity.Column, values: dict[object, int]
) -> None:
    found = load(tmp_path, ONE, replace(ONE, pid=2, statement=None), group_by=group_by)
    assert {row[group_by]: row["samples"] for row in found["rows"]} == values


def test_the_load_of_any_state_without_rounds_has_no_average(tmp_path: Path) -> None:
    """And the reason why: no sample of all sessions was received."""
    found = load(tmp_path, replace(ONE, state="idle"), state="any")
    assert [(row["samples"], row.get("average_sessions")) for row in found["rows"]] == [(1, None)]
    assert found["absent"] == {"rows": "no activity sample was received in this time range"}
    assert (found["rounds"], "sent_by" in found) == (0, False)


def test_the_load_has_pages(tmp_path: Path) -> None:
    records = [replace(ONE, pid=pid) for pid in (1, 2, 3)] + [replace(ONE, pid=1, at_ns=AT + 1)]
    with holding(tmp_path, *records) as sources:
        tools = ActivityTools(sources)
        first = tools.dbm_activity(group_by="pid", start=START, end=END, limit=2)
        assert len(first["rows"]) == 2
        last = tools.dbm_activity(
            group_by="pid", start=START, end=END, limit=2, cursor=first["next_cursor"]
        )
    assert len(last["rows"]) == 1
    assert "next_cursor" not in last
    assert {row["pid"] for row in [*first["rows"], *last["rows"]]} == {1, 2, 3}
    assert first["rows"][0]["pid"] == 1


def test_samples_are_listed_newest_first_with_their_ages(tmp_path: Path) -> None:
    long = replace(
        ONE, at_ns=AT, query_start_ns=AT - 1_234_567_890, xact_start_ns=AT - 5 * S, blocking_pids=(7,),
        wait_event_type="Lock", wait_event="tuple", trace_id="a" * 32, span_id="b" * 16,
        backend_type="walsender",
    )  # fmt: skip
    records = [long, replace(ONE, at_ns=AT + 1, queryid=None), replace(ONE, source=Source.LAB)]
    with holding(tmp_path, *records) as sources:
        found = ActivityTools(sources).dbm_activity_samples(start=START, end=END)["rows"]
    assert found == [
        {"at": answered(AT + 1), "pid": 1, "state": "active", "application": "credit-risk",
         "service": "credit-risk", "role": "credit_app", "statement": "pay"},
        {"at": answered(AT), "pid": 1, "state": "active", "wait_event": "Lock/tuple", "blocked_by_pids": [7],
         "application": "credit-risk", "service": "credit-risk", "role": "credit_app", "statement": "pay",
         "queryid": str(of.QUERYID), "query_age_s": 1.235, "transaction_age_s": 5, "trace_id": "a" * 32,
         "span_id": "b" * 16, "backend_type": "walsender"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "pids"),
    [
        ({}, {1, 2, 3, 4}),
        ({"pid": 2}, {2}),
        ({"state": "idle in transaction"}, {2}),
        ({"queryid": "7"}, {3}),
        ({"statement": "other"}, {3}),
        ({"service": "credit-customers"}, {4}),
        ({"waiting_for": "IO"}, {4}),
        ({"only_blocked": True}, {2}),
        ({"only_blocked": True, "pid": 3}, set()),
    ],
)
def test_samples_are_filtered_by_each_argument(
    tmp_path: Path, arguments: dict[str, Any], pids: set[int]
) -> None:
    records = [
        ONE,
        replace(ONE, pid=2, state="idle in transaction", blocking_pids=(1,)),
        replace(ONE, pid=3, queryid=7, statement="other"),
        replace(ONE, pid=4, service="credit-customers", wait_event_type="IO", wait_event="x"),
    ]
    with holding(tmp_path, *records) as sources:
        tools = ActivityTools(sources)
        found = tools.dbm_activity_samples(start=START, end=END, **arguments)
    assert {row["pid"] for row in found["rows"]} == pids


def test_blockers_are_listed_with_their_victims_and_their_own_sample(tmp_path: Path) -> None:
    """The one that blocks most samples first; its state is that of a round in which it blocked."""

    def waits(pid: int, at_ns: int, *by: int, statement: str = "pay") -> Record:
        return replace(
            ONE, pid=pid, at_ns=at_ns, blocking_pids=by, statement=statement, wait_event_type="Lock",
            wait_event="tuple",
        )  # fmt: skip

    later = AT + 10 * S
    records = [
        replace(ONE, pid=9, at_ns=AT - S, statement="first"),
        replace(ONE, pid=9, at_ns=later, statement="second"),
        replace(ONE, pid=9, at_ns=later + S, statement="third"),
        waits(2, AT, 9), waits(2, later, 9), waits(3, later, 9, statement="move"), waits(4, later, 3),
        waits(4, AT, 99), replace(ONE, pid=5, blocking_pids=(9,), source=Source.LAB),
        *rounds(AT, later),
    ]  # fmt: skip
    with holding(tmp_path, *records) as sources:
        found = ActivityTools(sources).dbm_blocking(start=START, end=END)
    assert (found["blocked_samples"], found["rounds"], "note" in found) == (5, 2, False)
    head, *others = found["rows"]
    blocker = head.pop("blocker")
    assert blocker["statement"] == "second"
    assert head == {
        "pid": 9, "root": True, "blocked_samples": 3, "blocked_pids": [2, 3], "first": answered(AT),
        "last": answered(later), "blocked_statements": {"pay": 2, "move": 1}, "blocked_on": ["Lock/tuple"],
    }  # fmt: skip
    by_pid = {row["pid"]: row for row in others}
    assert (by_pid[3]["root"], by_pid[3]["blocked_pids"]) == (False, [4])
    assert (by_pid[99]["root"], by_pid[99].get("blocker")) == (True, None)
    assert "no sample of its own" in by_pid[99]["absent"]["blocker"]


def test_blocked_samples_are_bounded_with_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "MAX_BLOCKED", 2)
    records = [replace(ONE, pid=pid, blocking_pids=(9,)) for pid in (1, 2, 3)]
    with holding(tmp_path, *records) as sources:
        found = ActivityTools(sources).dbm_blocking(start=START, end=END)
    assert (found["blocked_samples"], found["note"]) == (2, "of the last 2 samples")
