"""Answers of the MCP server by hand: figures, sizes, pages, time ranges, conditions, plans as lines."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lab.drilldown.plans.reading import tree
from lab.foundation import clock
from lab.foundation.errors import LabError
from lab.mcp import plan_lines
from lab.mcp.answer import MAX_BYTES, CursorError, Page, compact, figure, fitting
from lab.mcp.schema import shortened
from lab.mcp.selection import Selection
from lab.mcp.tool import Reply, bounded
from lab.mcp.window import TimeRangeError, Window, moment_of, window

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOURS = Window(since=NOON - HOUR, until=NOON)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.0, 1), (-2.0, -2), (0.1234564, 0.123456), (123456.7, 123457.0),
        (999_999_999_999_999.0, 999_999_999_999_999),
        (1e15, 1e15), (float("inf"), "+Inf"), (float("-inf"), "-Inf"), (float("nan"), "NaN"),
    ],
)  # fmt: skip
def test_a_figure_has_six_digits(value: float, expected: float | str) -> None:
    """Whole numbers have all of theirs, as integers, below 10**15."""
    found = figure(value)
    assert found == expected
    assert isinstance(found, int) is (isinstance(expected, int))


def test_empty_fields_are_left_out_and_zeros_are_not() -> None:
    given: dict[str, Any] = {
        "a": None,
        "b": [],
        "c": {},
        "d": "",
        "e": (),
        "f": 0,
        "g": False,
        "h": [None, 1.5, {"i": ""}],
    }
    assert compact(given) == {"f": 0, "g": False, "h": [None, 1.5, {}]}


def row(size: int) -> dict[str, str]:
    """Return a row that has this many bytes as JSON."""
    return {"a": "x" * (size - 8)}


def test_rows_fit_into_an_answer_with_what_is_beside_them() -> None:
    """To the byte; the first row is always there, and a character counts by its bytes."""
    room = MAX_BYTES - 400 - len("null")
    assert len(fitting([row(room - 100 - 1), row(99)])) == 2
    assert len(fitting([row(room - 100 - 1), row(100)])) == 1
    assert len(fitting([row(3 * MAX_BYTES), row(9)])) == 1
    assert len(fitting([{"a": "é" * (room // 2)}, row(9)])) == 1
    assert len(fitting([row(room - 100), row(99)], {"note": "x" * 100})) == 1


def test_an_answer_may_be_twice_as_long_as_rows() -> None:
    assert bounded("x" * 2 * MAX_BYTES)
    with pytest.raises(LabError, match=r"the answer has 96,001 bytes; at most 96,000 are returned"):
        bounded("x" * (2 * MAX_BYTES + 1))
    with pytest.raises(LabError, match="96,002 bytes"):
        bounded("é" * (MAX_BYTES + 1))


def test_the_data_of_an_answer_are_its_rows() -> None:
    """The time range beside them is an echo of the request."""
    reply = Reply.of({"time_range": {"start": "x"}, "rows": [1]})
    assert (reply.text, reply.data) == ('{"time_range":{"start":"x"},"rows":[1]}', "[1]")
    assert Reply.of({"a": 1}).data == '{"a":1}'


def page(limit: int, cursor: str | None = None, most: int = 10, **arguments: object) -> Page:
    return Page.of(arguments, limit=limit, cursor=cursor, window=lambda: HOURS, most=most)


def test_pages_follow_each_other_until_the_last_row() -> None:
    """One row more than a page is read: whether another page follows."""
    first = page(2, a=1)
    assert first.wanted == 3
    found = first.answer([1, 2, 3], note="n")
    assert (found["rows"], found["note"]) == ([1, 2], "n")
    assert found["time_range"] == {
        "start": "2026-01-31T11:00:00.000Z",
        "end": "2026-01-31T12:00:00.000Z",
    }
    second = page(2, found["next_cursor"], a=1)
    assert (second.offset, second.wanted, second.window) == (2, 5, HOURS)
    last = second.answer([1, 2, 3, 4])
    assert (last["rows"], "next_cursor" in last, "more" in last) == ([3, 4], False, False)
    with pytest.raises(CursorError):
        page(2, found["next_cursor"], a=2)
    for wrong in ("", "AAAA", found["next_cursor"][:-4], "é"):
        with pytest.raises(CursorError):
            page(2, wrong, a=1)


def test_no_page_is_beyond_what_the_source_returns() -> None:
    whole = page(20)
    assert whole.wanted == 11
    found = whole.answer(list(range(11)))
    assert len(found["rows"]) == 10
    assert found["more"] == "more than 10 rows: use a shorter time range or more filters"
    assert "next_cursor" not in found
    assert "more" not in whole.answer(list(range(10)))


def test_a_page_that_is_too_large_ends_earlier() -> None:
    rows = [row(MAX_BYTES // 2), row(MAX_BYTES // 2), row(9)]
    found = page(3).answer(rows)
    assert len(found["rows"]) == 1
    assert len(page(3, found["next_cursor"]).answer(rows)["rows"]) == 2


@pytest.mark.parametrize(
    ("text", "before", "expected"),
    [
        ("-90s", NOON, NOON - timedelta(seconds=90)), ("-2m", NOON, NOON - timedelta(minutes=2)),
        (" -3h ", NOON, NOON - timedelta(hours=3)), ("-1d", NOON, NOON - timedelta(days=1)),
        ("2026-01-31t12:00:00z", None, NOON),
        ("2026-01-31T09:00:00.5-03:00", None, NOON + timedelta(seconds=0.5)),
    ],
)  # fmt: skip
def test_a_time_is_absolute_or_before_the_end(
    text: str, before: datetime | None, expected: datetime
) -> None:
    assert moment_of(text, "start", before=before) == expected


def test_a_relative_time_without_an_end_is_before_now() -> None:
    at = clock.now()
    assert at <= moment_of("now", "end") <= clock.now()
    assert at - HOUR <= moment_of("-1h", "end") <= clock.now() - HOUR


@pytest.mark.parametrize(
    "text", ["", "0", "-5", "-5w", "+5m", "2026-01-31T12:00:00", "2026-02-30T12:00:00Z"]
)
def test_another_text_is_no_time(text: str) -> None:
    with pytest.raises(TimeRangeError, match=r"is not a time\. Expected: RFC 3339"):
        moment_of(text, "start")


def test_a_range_has_a_length_and_a_limit() -> None:
    """The limit itself is allowed; an end at the start is not."""
    end = "2026-01-31T12:00:00Z"
    usual = window(None, end, default=HOUR, most=HOUR)
    assert usual == HOURS
    assert (usual.seconds, usual.until_ns - usual.since_ns) == (3600, 3_600_000_000_000)
    with pytest.raises(TimeRangeError, match=r"is 1\.0 h long; at most 1\.0 h are allowed"):
        window("-3601s", end, default=HOUR, most=HOUR)
    for start in (end, "2026-01-31T12:00:01Z", "-0s"):
        with pytest.raises(TimeRangeError, match="is not before end 2026-01-31T12:00:00Z"):
            window(start, end, default=HOUR, most=HOUR)
    with pytest.raises(TimeRangeError, match=r"is 10,000\.0 h long"):
        window("-10000h", end, default=HOUR, most=HOUR)


def test_a_condition_joins_its_parts() -> None:
    chosen = Selection.during(HOURS).equal(pid=7, state=None).one_of("kind", ["a", "b"])
    chosen.where("x OR y > ?", 5)
    assert (
        chosen.condition
        == "(at_ns >= ?) AND (at_ns < ?) AND (pid = ?) AND (kind IN (?, ?)) AND (x OR y > ?)"
    )
    assert chosen.parameters == [HOURS.since_ns, HOURS.until_ns, 7, "a", "b", 5]


def test_a_schema_keeps_what_a_model_needs() -> None:
    found = shortened({
        "$defs": {"K": {"title": "K", "description": "of the type", "enum": [1], "properties": {
            "p": {"title": "P", "anyOf": [{"type": "string"}, {"type": "null"}], "default": None}}}},
        "properties": {
            "a": {"title": "A", "anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}],
                  "default": None},
            "b": {"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}], "default": 3},
            "c": {"$ref": "#/$defs/K", "description": "own"},
            "d": {"type": "array", "items": {"$ref": "#/$defs/K"}},
        },
        "required": ["c"], "additionalProperties": False, "title": "T",
    })  # fmt: skip
    kind = {"enum": [1], "properties": {"p": {"type": "string"}}}
    assert found == {
        "type": "object",
        "properties": {
            "a": {"type": "integer", "minimum": 1},
            "b": {"anyOf": [{"type": "integer"}, {"type": "string"}], "default": 3},
            "c": {**kind, "description": "own"},
            "d": {"type": "array", "items": kind},
        },
        "required": ["c"],
        "additionalProperties": False,
    }


def node(
    kind: str, fields: dict[str, Any], *plans: dict[str, Any], executed: bool = True
) -> dict[str, Any]:
    known = {"Node Type": kind, "Plan Rows": 10, "Total Cost": 5.25, "Plans": list(plans)}
    actual = {"Actual Total Time": 4.0, "Actual Rows": 8, "Actual Loops": 1} if executed else {}
    return {**known, **actual, **fields}


def lines(root: dict[str, Any]) -> list[str]:
    return plan_lines.plan_lines(tree(json.dumps({"Plan": root})))


def test_an_executed_plan_has_rows_times_and_blocks_of_each_node() -> None:
    """Indented by depth, with the conditions; the slowest node is marked."""
    inner = node(
        "Index Scan",
        {
            "Relation Name": "b", "Index Name": "b_key", "Actual Loops": 2, "Actual Total Time": 1.0,
            "Index Cond": "(id = 1)", "Rows Removed by Filter": 3, "Shared Hit Blocks": 7,
            "Shared Read Blocks": 2, "Temp Written Blocks": 1,
        },
    )  # fmt: skip
    blocks = {"Shared Hit Blocks": 9, "Shared Read Blocks": 2, "Temp Written Blocks": 1}
    never = node("Seq Scan", {"Relation Name": "c", "Actual Loops": 0})
    first, scan, condition, other = lines(node("Nested Loop", blocks, inner, never))
    assert first == (
        "Nested Loop (self_ms=2 total_ms=4 rows=8 estimated_rows=10 blocks_hit=2) <- slowest node"
    )
    assert scan.strip().startswith("Index Scan")
    assert scan.startswith("  ")
    assert scan.endswith(
        "(self_ms=2 total_ms=2 rows=8 estimated_rows=10 loops=2 rows_removed_by_filter=6 blocks_hit=7"
        " blocks_read=2 temp_blocks_written=1)"
    )
    assert condition.strip().endswith(": (id = 1)")
    assert condition.startswith("      ")
    assert other == "  Seq Scan on c (never executed)"


def test_an_estimated_plan_has_costs_only() -> None:
    assert lines(node("Seq Scan", {"Relation Name": "c"}, executed=False)) == [
        "Seq Scan on c (cost=5.25 estimated_rows=10)"
    ]


def test_a_large_plan_names_how_many_nodes_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_lines, "MAX_NODES", 2)
    monkeypatch.setattr(plan_lines, "MAX_CONDITION", 5)
    scans = [node("Seq Scan", {"Filter": "(x > 100)", "Relation Name": name}) for name in "abc"]
    found = lines(node("Append", {}, *scans))
    assert found[-1] == "2 further nodes are not shown"
    assert "      Filter: (x > " in found
    assert len(found) == 4
