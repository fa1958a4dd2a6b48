"""The sentence and the line about a plan, and its time outside: bounds, digits, and names of nodes."""

import json
from typing import Any

import pytest

from lab.drilldown.plans.reading import tree
from lab.drilldown.plans.tree import Cause, Tree
from tests.unit.test_drilldown_plan import node, read


def of(root: dict[str, Any], server_ms: float | None = None, **document: Any) -> Tree:
    named = {key.replace("_", " "): value for key, value in document.items()}
    return tree(json.dumps({"Plan": root, **named}), server_ms=server_ms)


def causes(server_ms: float, *ms: float) -> list[float]:
    """The causes that are named for a plan of 100 ms."""
    known = [Cause(what="lock wait", ms=each) for each in ms]
    found = tree(json.dumps({"Plan": node("Result", ms=100.0)}), server_ms=server_ms, known=known)
    assert found.outside
    return [each.ms for each in found.outside.causes]


@pytest.mark.parametrize(
    ("server_ms", "ms", "named"),
    [
        # A hundredth of the time outside is the smallest, and the rounding that is allowed.
        (200.0, (1.0, 0.9), [1.0]),
        (200.0, (101.0,), [101.0]),
        (200.0, (101.5,), []),
        (200.0, (41.0, 60.0), [60.0, 41.0]),
        (200.0, (60.0, 42.0), [60.0]),
        (100.5, (0.01, 0.009), [0.01]),
    ],
)
def test_causes_are_named_as_long_as_they_fit(
    server_ms: float, ms: tuple[float, ...], named: list[float]
) -> None:
    """The longest first, and none that is longer than what the others leave."""
    assert causes(server_ms, *ms) == named


def test_the_time_outside_is_most_of_it_from_more_than_half_on() -> None:
    """Without the server's log EXPLAIN's own planning and execution time are the whole."""
    assert "outside the plan" not in of(node("Result", ms=50.0), 100.0).worst_node
    assert "slowest node: 50 ms" in of(node("Result", ms=50.0), 100.0).worst_node
    mostly = of(node("Result", ms=49.0), 100.0).worst_node
    assert mostly == (
        "Most of the time, 51 ms of 100 ms, was spent outside the plan: not known on what (PostgreSQL does"
        " not log it). Result, slowest node of the plan: 49 ms of 49 ms (100 %); returned 1 row."
    )
    planned = of(node("Result", ms=10.0), Execution_Time=12.0, Planning_Time=30.0)
    assert planned.outside
    assert (planned.outside.ms, planned.outside.server_ms) == (32.0, 42.0)
    assert (
        "32 ms of 42 ms, was spent outside the plan: planning 30 ms. Result" in planned.worst_node
    )
    unplanned = of(node("Result", ms=10.0), Execution_Time=12.0).outside
    assert unplanned is not None
    assert unplanned.server_ms == 12.0
    assert of(node("Result", ms=10.0)).outside is None
    rounded = of(node("Result", ms=10.0), 10.1236).outside
    assert rounded is not None
    assert (rounded.ms, rounded.server_ms) == (0.124, 10.1236)
    longer = of(node("Result", ms=10.0), 8.0).outside
    assert longer is not None
    assert longer.ms == 0.0


@pytest.mark.parametrize(("waited_ms", "is_explained"), [(50.0, True), (49.0, False)])
def test_causes_of_half_the_time_explain_it(waited_ms: float, is_explained: bool) -> None:
    known = [Cause(what="lock wait", ms=waited_ms)]
    document = json.dumps({"Plan": node("Result", ms=10.0)})
    found = tree(document, server_ms=110.0, known=known).worst_node
    assert ("not known on what" in found) is not is_explained
    assert f"lock wait {waited_ms:.0f} ms" in found


def test_triggers_and_serialization_are_causes() -> None:
    """A trigger by its constraint, else by its own name, with its table and its calls."""
    found = of(
        node("Insert", ms=10.0),
        100.0,
        Triggers=[
            {"Constraint Name": "fk_a", "Trigger Name": "RI_1", "Relation": "t", "Calls": 1, "Time": 30.0},
            {"Trigger Name": "audit", "Calls": 1_234, "Time": 20.0},
            {"Time": 10.0},
        ],
        Planning_Time=5.0,
        Serialization={"Time": 4.0},
    ).outside  # fmt: skip
    assert found is not None
    assert [(each.what, each.ms) for each in found.causes] == [
        ("trigger fk_a on t (1 call)", 30.0),
        ("trigger audit (1,234 calls)", 20.0),
        ("trigger without a name (0 calls)", 10.0),
        ("planning", 5.0),
        ("serialization of the rows", 4.0),
    ]


def test_a_cte_that_runs_after_the_main_plan_is_a_cause() -> None:
    cte = node("ModifyTable", ms=60.0, Parent_Relationship="InitPlan", Subplan_Name="CTE changed",
               Operation="Update")  # fmt: skip
    found = of(node("Result", cte, ms=1.0), 65.0).outside
    assert found is not None
    assert [(each.what, each.ms) for each in found.causes] == [
        ("Update in a CTE, after the main plan", 60.0)
    ]


@pytest.mark.parametrize(
    ("jit", "words"),
    [
        ({"Timing": {"Total": 10.0}}, "; JIT compilation took 10 ms, counted in the nodes"),
        ({"Timing": {"Total": 9.9}}, None),
        ({"Timing": 12.0}, None),
        ({}, None),
    ],
)
def test_jit_compilation_is_reported_from_a_tenth_on(
    jit: dict[str, Any], words: str | None
) -> None:
    found = of(node("Result", ms=100.0), JIT=jit).worst_node
    assert (words or "JIT") in found if words else "JIT" not in found


@pytest.mark.parametrize(
    ("cost", "words"),
    [
        (
            0.49,
            "No node of the plan stands out: the planner estimates its whole cost at 0.49 units",
        ),
        (0.5, "Result, most expensive node (estimate): 0.5 of the planner's cost units"),
        (1_234.0, "Result, most expensive node (estimate): 1,234 of the planner's cost units"),
    ],
)
def test_a_plan_without_times_has_the_most_expensive_node(cost: float, words: str) -> None:
    found = read(node("Result", cost=cost))
    assert found.worst_node == f"{words}; the plan was not executed."
    assert found.worst == (None if words.startswith("No node") else 0)
    untimed = node("Result", cost=cost) | {"Actual Rows": 1, "Actual Loops": 1}
    assert read(untimed).worst_node == f"{words}; the plan was executed with TIMING OFF."


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"rows": 10}, "returned 10 rows; the planner estimated 1 row, 10 times too few."),
        ({"rows": 9}, "returned 9 rows."),
        ({"rows": 1, "expected": 10}, "returned 1 row; the planner estimated 10 rows, 10 times too many."),
        ({"rows": 0, "expected": 10}, "returned 0 rows; the planner estimated 10 rows, 10 times too many."),
        ({"rows": 1, "expected": 9}, "returned 1 row."),
        ({"rows": 0, "expected": 0}, "returned 0 rows."),
        (
            {"rows": 20, "loops": 3, "ms": 10.0},
            "returned 60 rows in 3 loops; the planner estimated 1 row in each, 20 times too few.",
        ),
        (
            {"Rows_Removed_by_Filter": 1, "Rows_Removed_by_Join_Filter": 2},
            "returned 1 row, 3 rows removed by filter.",
        ),
        (
            {"Shared_Hit_Blocks": 5, "Shared_Read_Blocks": 1, "Temp_Written_Blocks": 2_000},
            "returned 1 row; 1 block not found in shared_buffers; 2,000 blocks spilled to disk.",
        ),
        ({"Shared_Hit_Blocks": 5}, "returned 1 row."),
    ],
)  # fmt: skip
def test_the_slowest_node_has_its_rows_and_blocks(fields: dict[str, Any], words: str) -> None:
    """A wrong estimate is reported from a factor of ten on; a node returns one row at least."""
    ms = fields.pop("ms", 30.0)
    found = read(node("Seq Scan", ms=ms, **fields)).worst_node
    assert found == f"Seq Scan, slowest node: 30 ms of 30 ms (100 %); {words}"


@pytest.mark.parametrize(
    ("ms", "words"),
    [(10.0, "10 ms"), (9.94, "9.9 ms"), (0.0123, "0.012 ms"), (12_345.6, "12,346 ms")],
)
def test_times_have_two_digits_or_whole_milliseconds(ms: float, words: str) -> None:
    assert f": {words} of {words} (100 %)" in read(node("Result", ms=ms)).worst_node


@pytest.mark.parametrize(
    ("kind", "fields", "label"),
    [
        ("ModifyTable", {"Operation": "Update", "Relation_Name": "t", "Alias": "t"}, "Update on t"),
        ("ModifyTable", {}, "Modify"),
        ("Hash Join", {"Join_Type": "Left"}, "Left Hash Join"),
        ("Hash Join", {"Join_Type": "Inner"}, "Hash Join"),
        (
            "Index Scan",
            {"Index_Name": "i", "Relation_Name": "t", "Alias": "x"},
            "Index Scan using i on t x",
        ),
        ("CTE Scan", {"CTE_Name": "c", "Alias": "c"}, "CTE Scan on c"),
        ("Function Scan", {"Function_Name": "f", "Alias": "f"}, "Function Scan on f"),
        ("Seq Scan", {"Relation_Name": "t"}, "Seq Scan on t"),
    ],
)
def test_a_node_has_the_name_of_its_object(kind: str, fields: dict[str, Any], label: str) -> None:
    assert read(node(kind, **fields)).root.label == label


def test_the_line_of_a_plan_has_its_root_its_joins_and_its_tables() -> None:
    """Each once, without sorts, hashes and the table that is written."""
    scan = node("Seq Scan", Relation_Name="a")
    hashed = node("Hash", node("Index Scan", Relation_Name="b", Index_Name="i"))
    joined = node("Hash Join", scan, hashed)
    looped = node("Nested Loop", joined, node("Seq Scan", Relation_Name="a"))
    found = read(node("ModifyTable", node("Sort", looped), Operation="Insert", Relation_Name="c"))
    assert found.summary == (
        "Insert on c > Nested Loop > Hash Join > Seq Scan on a > Index Scan using i on b"
    )


def test_conditions_are_text() -> None:
    """Lists of keys are joined."""
    found = read(node("Sort", Sort_Key=["a", "b DESC"], Filter="(x = ?)")).root
    assert found.conditions == {"Sort Key": "a, b DESC", "Filter": "(x = ?)"}


def test_the_most_expensive_nodes_are_shown_with_their_ancestors() -> None:
    """A plan without times is ranked by its nodes' own estimated cost, with them by their own time."""
    cheap, dear = node("Seq Scan", cost=9.0), node("Index Scan", cost=70.0)
    estimated = read(node("Hash Join", cheap, node("Sort", dear, cost=71.0), cost=90.0))
    assert [each.own_cost for each in estimated.root.walk()] == [10.0, 9.0, 1.0, 70.0]
    assert [each.type for each in estimated.shown(4)] == [
        "Hash Join",
        "Seq Scan",
        "Sort",
        "Index Scan",
    ]
    assert [each.type for each in estimated.shown(3)] == ["Hash Join", "Sort", "Index Scan"]
    assert [each.type for each in estimated.shown(1)] == ["Hash Join"]
    short, long = node("Seq Scan", ms=1.0, cost=99.0), node("Index Scan", ms=5.0, cost=1.0)
    timed = read(node("Hash Join", short, long, ms=7.0, cost=100.0))
    assert [each.type for each in timed.shown(2)] == ["Hash Join", "Index Scan"]


def test_a_limit_does_not_cost_less_than_nothing() -> None:
    found = read(node("Limit", node("Seq Scan", cost=100.0), cost=2.0))
    assert [each.own_cost for each in found.root.walk()] == [0.0, 100.0]


def test_amounts_of_a_node_are_rounded_to_the_microsecond() -> None:
    """A node without an estimate has none, and one that was not counted has no blocks."""
    found = read(node("Result", ms=10.12345)).root
    assert (found.total_ms, found.self_ms, found.share) == (10.123, 10.12345, 1.0)
    assert found.buffers is None
    bare = tree(json.dumps({"Plan": {"Node Type": "Result"}})).root
    assert (bare.estimated_rows, bare.cost, bare.removed_rows, bare.loops) == (0, 0.0, 0.0, None)
