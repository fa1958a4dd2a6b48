"""Which node runs a subplan: one that names its parameter, before one that is nearer to its owner."""

from typing import Any

import pytest

from lab.drilldown.plans.forest import Forest


def node(kind: str, *plans: dict[str, Any], **fields: object) -> dict[str, Any]:
    times = {"Actual Loops": 1, "Actual Startup Time": 6.0, "Actual Total Time": 6.0}
    named = {key.replace("_", " "): value for key, value in fields.items()}
    return {"Node Type": kind, **times, "Plans": list(plans), **named}


@pytest.mark.parametrize(
    ("name", "conditions", "likeliest"),
    [
        ("InitPlan 1 (returns $0)", ("(a = 1)", "(b = $0)"), [3, 0, 2]),
        ("InitPlan 1 (returns $0)", ("(a = $0)", "(b = 1)"), [2, 0, 3]),
        ("InitPlan 1 (returns $0)", ("(a = $1)", "(b = $01)"), [0, 2, 3]),
        ("InitPlan 1", ("(a = 1)", "(b = (InitPlan 1).col1)"), [3, 0, 2]),
        ("unnamed", ("(a = 1)", "(b = $0)"), [0, 2, 3]),
    ],
)
def test_the_node_that_names_the_parameter_is_the_likeliest(
    name: str, conditions: tuple[str, str], likeliest: list[int]
) -> None:
    """All began late enough; without its name in a condition the nearest to the owner comes first."""
    init = node("Result", Parent_Relationship="InitPlan", Subplan_Name=name)
    scans = [node("Seq Scan", Filter=condition) for condition in conditions]
    forest = Forest(node("Nested Loop", init, *scans))
    assert list(forest.carriers()[1]) == likeliest


@pytest.mark.parametrize(("startup_ms", "likeliest"), [(97.5, [0, 2]), (96.0, [2, 0])])
def test_a_node_that_began_earlier_is_less_likely(startup_ms: float, likeliest: list[int]) -> None:
    """Averages are rounded: a little earlier is no earlier."""
    init = node("Result", Parent_Relationship="InitPlan", Subplan_Name="InitPlan 1")
    init["Actual Total Time"] = 100.0
    late = node("Seq Scan") | {"Actual Startup Time": 200.0}
    root = node("Limit", init, late) | {"Actual Startup Time": startup_ms}
    assert list(Forest(root).carriers()[1]) == likeliest


def test_a_cte_does_not_read_itself() -> None:
    """Of two with one name the inner one reads the outer, as in SQL."""
    named = {"Parent_Relationship": "InitPlan", "Subplan_Name": "CTE c"}
    outer = node("Seq Scan", **named)
    inner = node("CTE Scan", CTE_Name="c", **named)
    query = node("Subquery Scan", inner, node("CTE Scan", CTE_Name="c"))
    carriers = Forest(node("Result", outer, query)).carriers()
    assert {number: list(found) for number, found in carriers.items()} == {1: [3], 3: [4]}
