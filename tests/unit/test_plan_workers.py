"""Plans with a Gather: the process that did the work is found, or the plan's uncertainty is reported."""

import json
from typing import Any

import pytest

from tests.plan_invariants import check
from tests.unit.test_drilldown_plan import node, read


def scan(*workers: float, ms: float, name: str = "big", **keys: Any) -> dict[str, Any]:
    """A scan by a leader and two workers, as EXPLAIN (VERBOSE) prints it: `ms` is the sum of all three."""
    printed = [
        {"Worker Number": number, "Actual Total Time": each, "Actual Loops": 1, "Actual Rows": 1}
        for number, each in enumerate(workers)
    ]
    known = {"Workers": printed} if workers else {}
    return node("Seq Scan", ms=ms / 3, loops=3, Relation_Name=name, **known, **keys)


def test_a_gather_that_waits_for_one_process_is_not_the_slowest_node() -> None:
    """One of three processes works for 600 ms; the plan has the average of 200 ms."""
    found = read(node("Gather", scan(ms=606.0), ms=640.0, Workers_Launched=2))
    assert [round(each.self_ms or 0) for each in found.root.walk()] == [34, 606]
    assert found.root.children[0].total_ms == pytest.approx(606)
    assert found.worst_node.startswith("Seq Scan on big, slowest node: 606 ms of 640 ms (95 %)")
    assert found.worst_node.endswith(
        "The plan does not show how the processes of its Gather shared the work"
        " (auto_explain.log_verbose = on logs times per worker):"
        " if evenly, the slowest node is Gather, 438 ms."
    )


def test_a_gather_that_did_more_than_all_of_its_processes_is_the_slowest_node() -> None:
    """Starting workers, or handing over rows: no process of it worked for so long."""
    found = read(node("Gather", scan(ms=90.0), ms=400.0, Workers_Launched=2))
    assert [round(each.self_ms or 0) for each in found.root.walk()] == [370, 30]
    assert found.worst_node.startswith("Gather, slowest node: 370 ms of 400 ms")
    assert "shared the work" not in found.worst_node


@pytest.mark.parametrize(
    ("workers", "own"),
    [
        ((3.0, 3.0), [40, 600]),  # the leader's 600 are the rest
        ((3.0, 600.0), [40, 600]),
        ((202.0, 202.0), [438, 202]),
    ],
)
def test_times_per_worker_are_those_of_the_slowest_process(
    workers: tuple[float, ...], own: list[int]
) -> None:
    """Nothing is left to guess: the Gather's own time is what its slowest process did not take."""
    found = read(node("Gather", scan(*workers, ms=606.0), ms=640.0, Workers_Launched=2))
    assert [round(each.self_ms or 0) for each in found.root.walk()] == own
    assert "shared the work" not in found.worst_node


def test_the_slowest_process_decides_also_among_several_tables() -> None:
    """By sums the small table, which two processes read, would be the slowest."""
    large, small = scan(0.0, 0.0, ms=500.0), scan(300.0, 320.0, ms=620.0, name="small")
    append = node("Append", large, small, ms=1125 / 3, loops=3, Workers=[
        {"Worker Number": 0, "Actual Total Time": 301.0, "Actual Loops": 1},
        {"Worker Number": 1, "Actual Total Time": 321.0, "Actual Loops": 1},
    ])  # fmt: skip
    found = read(node("Gather", append, ms=510.0, Workers_Launched=2))
    assert found.worst_node.startswith("Seq Scan on big, slowest node: 500 ms of 510 ms")


def test_another_node_than_the_gather_may_be_the_slowest() -> None:
    """The sort above is the slowest only if the work below was shared evenly."""
    gather = node("Gather", scan(ms=450.0), ms=460.0, Workers_Launched=2)
    found = read(node("Sort", gather, ms=810.0))
    assert found.worst_node.startswith("Seq Scan on big, slowest node: 450 ms of 810 ms")
    assert found.worst_node.endswith("the slowest node is Sort, 350 ms.")


@pytest.mark.parametrize("workers", [[{}], "3", 5, None, [{"Worker Number": "0"}], [[]], {"a": 1}])
def test_odd_workers_are_ignored(workers: object) -> None:
    found = read(node("Gather", node("Seq Scan", ms=50.0, loops=3, Workers=workers), ms=52.0))
    assert [each.self_ms for each in found.root.walk()] == [2.0, 50.0]


def test_the_invariants_hold_in_each_reading() -> None:
    for each in (scan(ms=606.0), scan(3.0, 600.0, ms=606.0), scan(1e3, 1e3, ms=30.0)):
        check(json.dumps({"Plan": node("Limit", node("Gather", each, ms=640.0), ms=641.0)}))
