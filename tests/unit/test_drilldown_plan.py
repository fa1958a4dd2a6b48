"""A plan's tree: whose time it was, how wrong the planner was, and which node to name."""

import json
from typing import Any

import pytest

from lab.drilldown.plan import Tree
from lab.drilldown.plan_reading import tree


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
    assert found.worst_node.startswith("Seq Scan on installments took 70 ms of 100 ms (70%)")


def test_times_and_rows_are_per_loop() -> None:
    inner = node("Index Scan", ms=0.5, rows=2, loops=100, Rows_Removed_by_Filter=3)
    found = read(node("Nested Loop", node("Seq Scan", ms=10.0, rows=100), inner, ms=80.0, rows=200))
    scan = found.root.children[1]
    assert (scan.total_ms, scan.removed_rows) == (50.0, 300)
    assert found.root.self_ms == 20.0
    assert "it gave 200 rows in 100 loops, and threw 300 away" in found.worst_node


def test_a_ctes_time_is_that_of_the_scan_that_waits_for_it() -> None:
    """The node under which PostgreSQL prints a CTE does not wait for it; its first CTE Scan does."""
    cte = node("ModifyTable", ms=60.0, Parent_Relationship="InitPlan", Subplan_Name="CTE changed")
    scan = node("CTE Scan", ms=61.0, CTE_Name="changed")
    found = read(node("ModifyTable", cte, scan, ms=70.0))
    assert found.root.self_ms == pytest.approx(9.0)
    assert [child.self_ms for child in found.root.children] == [60.0, 1.0]


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
def test_a_wrong_estimate_is_told_from_a_factor_of_ten(
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


def test_an_estimated_plan_says_that_nothing_was_measured() -> None:
    found = read(node("Limit", node("Seq Scan", cost=453.0, Relation_Name="customers"), cost=2.0))
    assert not found.executed
    assert found.total_ms is None
    assert found.worst == 1
    assert found.worst_node.endswith("nothing was measured.")


def test_a_plan_without_timing_still_has_its_rows() -> None:
    """auto_explain.log_timing = off: rows and loops, but no times."""
    raw = {"Node Type": "Seq Scan", "Plan Rows": 1, "Actual Rows": 8, "Actual Loops": 1}
    found = tree(json.dumps({"Plan": raw}))
    assert (found.executed, found.root.rows, found.root.self_ms) == (True, 8, None)
