"""A plan's tree: whose time it was, how wrong the planner was, and which node to name."""

import json
from typing import Any

import pytest

from lab.drilldown.plans.reading import tree
from lab.drilldown.plans.tree import Cause, Tree


def node(kind: str, *below: dict[str, Any], **keys: Any) -> dict[str, Any]:
    """One node as PostgreSQL writes it; `ms` and `rows` are per loop."""
    found: dict[str, Any] = {
        "Node Type": kind, "Plan Rows": keys.pop("expected", 1), "Total Cost": keys.pop("cost", 1.0),
    }  # fmt: skip
    if "ms" in keys:
        found |= {
            "Actual Total Time": keys.pop("ms"), "Actual Rows": keys.pop("rows", 1),
            "Actual Loops": keys.pop("loops", 1),
        }  # fmt: skip
    found |= {key.replace("_", " "): value for key, value in keys.items()}
    return found | ({"Plans": list(below)} if below else {})


def read(root: dict[str, Any]) -> Tree:
    return tree(json.dumps({"Plan": root}))


def test_a_node_has_the_time_that_its_children_had_not() -> None:
    found = read(node("Sort", node("Seq Scan", ms=70.0, Relation_Name="installments"), ms=100.0))
    assert [(each.type, each.self_ms, each.share) for each in found.root.walk()] == [
        ("Sort", 30.0, 0.3),
        ("Seq Scan", 70.0, 0.7),
    ]
    assert found.worst == 1
    assert found.worst_node.startswith(
        "Seq Scan on installments, slowest node: 70 ms of 100 ms (70 %)"
    )


def test_times_and_rows_are_per_loop() -> None:
    inner = node("Index Scan", ms=0.5, rows=2, loops=100, Rows_Removed_by_Filter=3)
    found = read(node("Nested Loop", node("Seq Scan", ms=10.0, rows=100), inner, ms=80.0, rows=200))
    scan = found.root.children[1]
    assert (scan.total_ms, scan.removed_rows) == (50.0, 300)
    assert found.root.self_ms == 20.0
    assert "returned 200 rows in 100 loops, 300 rows removed by filter" in found.worst_node


def test_a_ctes_time_is_that_of_the_scan_that_waits_for_it() -> None:
    """The node under which PostgreSQL prints a CTE does not wait for it; its first CTE Scan does."""
    cte = node("ModifyTable", ms=60.0, Parent_Relationship="InitPlan", Subplan_Name="CTE changed")
    scan = node("CTE Scan", ms=61.0, CTE_Name="changed")
    found = read(node("ModifyTable", cte, scan, ms=70.0))
    assert found.root.self_ms == pytest.approx(9.0)
    assert [child.self_ms for child in found.root.children] == [60.0, 1.0]


def test_a_data_modifying_cte_that_nothing_reads_runs_after_the_main_plan() -> None:
    """PostgreSQL completes it when the root has ended: its time is no part of the root's."""
    cte = node("ModifyTable", ms=60.0, Parent_Relationship="InitPlan", Subplan_Name="CTE changed")
    found = read(node("Result", cte, ms=1.0))
    changed = found.root.children[0]
    assert (found.root.self_ms, changed.self_ms, changed.after_ms) == (1.0, 0.0, 60.0)
    assert found.worst == 0


def test_a_subplan_that_the_leader_runs_is_not_divided_among_the_workers() -> None:
    """Below a Gather EXPLAIN prints its parallel input and the SubPlans of its own target list."""
    scan = node("Seq Scan", ms=40.0, loops=3, Parent_Relationship="Outer")
    sub = node(
        "Aggregate", ms=1.0, loops=200, Parent_Relationship="SubPlan", Subplan_Name="SubPlan 1"
    )
    found = read(node("Gather", scan, sub, ms=220.0, Workers_Launched=2))
    assert [each.self_ms for each in found.root.walk()] == [0.0, 20.0, 200.0]
    assert found.root.children[1].total_ms == 200.0


def test_the_time_outside_the_plan_is_reported_when_it_is_most_of_it() -> None:
    """By the time in the server's log; lock waits are known from the log too."""
    raw = {"Plan": node("Update", ms=10.0), "Triggers": []}
    waited = [Cause(what="lock wait", ms=480.0)]
    mostly = tree(json.dumps(raw), server_ms=500.0, known=waited)
    assert mostly.worst_node.startswith(
        "Most of the time, 490 ms of 500 ms, was spent outside the plan: lock wait 480 ms."
    )
    assert "not known on what" in tree(json.dumps(raw), server_ms=500.0).worst_node
    assert "outside the plan" not in tree(json.dumps(raw), server_ms=19.0).worst_node


def test_processes_side_by_side_do_not_add_up() -> None:
    workers = node("Seq Scan", ms=50.0, loops=3)
    found = read(node("Gather", workers, ms=52.0, Workers_Launched=2))
    assert found.root.children[0].total_ms == 50.0
    assert found.root.self_ms == 2.0


def test_a_node_that_never_ran_has_no_rows_and_no_time() -> None:
    never = node("Index Scan", ms=0.0, rows=0, loops=0)
    found = read(node("Nested Loop", node("Seq Scan", ms=1.0), never, ms=1.0))
    last = found.root.children[1]
    assert (last.rows, last.misestimate, last.self_ms) == (None, None, 0.0)


@pytest.mark.parametrize(
    ("expected", "rows", "words"),
    [(1, 5_000, "5,000 times too few"), (5_000, 0, "5,000 times too many"), (10, 50, None)],
)
def test_a_wrong_estimate_is_reported_from_a_factor_of_ten(
    expected: int, rows: int, words: str | None
) -> None:
    sentence = read(node("Seq Scan", ms=1.0, expected=expected, rows=rows)).worst_node
    assert (words or "times too") in sentence if words else "times too" not in sentence


def test_buffers_are_a_nodes_own() -> None:
    scan = node("Seq Scan", ms=1.0, Shared_Hit_Blocks=40, Shared_Read_Blocks=60)
    sort = node(
        "Sort", scan, ms=9.0, Shared_Hit_Blocks=41, Shared_Read_Blocks=60, Temp_Written_Blocks=7
    )
    found = read(sort)
    assert found.root.buffers
    assert (found.root.buffers.hit, found.root.buffers.read, found.root.buffers.temp_written) == (
        1,
        0,
        7,
    )
    assert "7 blocks spilled to disk" in found.worst_node


def test_the_text_of_an_estimated_plan_has_no_measured_values() -> None:
    found = read(node("Limit", node("Seq Scan", cost=453.0, Relation_Name="customers"), cost=2.0))
    assert not found.executed
    assert found.total_ms is None
    assert found.worst == 1
    assert found.worst_node == (
        "Seq Scan on customers, most expensive node (estimate): 453 of the planner's cost units;"
        " the plan was not executed."
    )


def test_a_plan_without_timing_still_has_its_rows() -> None:
    """auto_explain.log_timing = off: rows and loops, but no times."""
    raw = {"Node Type": "Seq Scan", "Plan Rows": 1, "Actual Rows": 8, "Actual Loops": 1}
    found = tree(json.dumps({"Plan": raw}))
    assert (found.executed, found.root.rows, found.root.self_ms) == (True, 8, None)


def test_a_before_trigger_is_no_time_outside_the_plan() -> None:
    """It runs inside its ModifyTable, and is listed like an AFTER trigger, which does not."""
    triggers = [
        {"Trigger Name": "before_it", "Relation": "t", "Time": 290.0, "Calls": 1},
        {"Trigger Name": "after_it", "Relation": "t", "Time": 390.0, "Calls": 2},
    ]
    raw = {"Plan": node("ModifyTable", ms=300.0), "Triggers": triggers, "Execution Time": 692.0}
    found = tree(json.dumps(raw))
    assert found.outside
    assert [cause.what for cause in found.outside.causes] == ["trigger after_it on t (2 calls)"]
    assert "spent outside the plan: trigger after_it on t (2 calls) 390 ms." in found.worst_node


def test_a_plan_that_never_ran_has_no_time() -> None:
    """A cursor that was opened and closed: its root has no loop."""
    found = read(node("Limit", node("Seq Scan", ms=0.0, loops=0), ms=0.0, loops=0))
    assert [each.self_ms for each in found.root.walk()] == [0.0, 0.0]


def test_a_plan_of_a_hundred_levels_is_read() -> None:
    """Some ORMs join a hundred tables, one level of the plan for each."""
    deep = node("Seq Scan", ms=0.5)
    for level in range(150):
        deep = node("Nested Loop", deep, node("Seq Scan", ms=0.1), ms=1.0 + level)
    found = read(deep)
    assert found.nodes == 301
    assert sum(each.self_ms or 0 for each in found.root.walk()) == pytest.approx(150.0)


def test_of_a_plan_of_thousands_of_nodes_those_that_did_most_are_shown() -> None:
    parts = [node("Seq Scan", ms=0.01 * n, Relation_Name=f"p_{n}") for n in range(1, 4001)]
    found = read(node("Aggregate", node("Append", *parts, ms=80_100.0), ms=80_101.0))
    shown = found.shown(10)
    assert [each.type for each in shown[:2]] == ["Aggregate", "Append"]
    assert [each.relation for each in shown[2:]] == [f"p_{n}" for n in range(3993, 4001)]
