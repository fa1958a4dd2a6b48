"""Plans at and beyond what is stored: deep ones, wide ones, and conditions that name a subplan."""

import json
from typing import Any

import msgspec
import pytest

from lab.drilldown.plans.reading import tree
from lab.drilldown.plans.tree import Tree
from lab.telemetry import redact
from lab.telemetry.pglog import parse, records_of
from lab.telemetry.redact.plans import MAX_BYTES, MAX_LEVELS, MAX_NODES
from lab.telemetry.store import Event
from tests import payloads
from tests.unit.test_decode import decode
from tests.unit.test_pglog_extract import COMMENT, SPAN, line


def deep(levels: int) -> str:
    """A plan of so many levels, as auto_explain writes it; made as text, because it is deep."""
    opening = '{"Node Type":"Nested Loop","Plans":[' * (levels - 1)
    plan = f'{opening}{{"Node Type":"Result"}}{"]}" * (levels - 1)}'
    return f'{{"Query Text":"{COMMENT}SELECT 1","Plan":{plan}}}'


def logged(plan: str) -> list[Any]:
    return records_of(parse(line(f"duration: 250.000 ms  plan:\n{plan}")))


def test_a_plan_of_the_deepest_kind_is_stored_read_and_sent() -> None:
    plan = redact.plan(deep(MAX_LEVELS))
    assert plan.definition.count("Nested Loop") == MAX_LEVELS - 1
    assert json.loads(plan.definition)["Statement"] == "SELECT ?"
    found = tree(plan.definition)
    assert found.nodes == MAX_LEVELS
    sent = msgspec.json.encode(msgspec.to_builtins(found))
    assert msgspec.json.decode(sent, type=Tree).nodes == MAX_LEVELS


@pytest.mark.parametrize("levels", [MAX_LEVELS + 1, 2_000, MAX_NODES])
def test_a_deeper_plan_is_rejected_with_its_levels(levels: int) -> None:
    """The execution keeps its trace: the drilldown shows the reason."""
    [event] = logged(deep(levels))
    assert isinstance(event, Event)
    assert (event.kind, event.span_id) == ("plan_rejected", SPAN)
    assert event.message == f"plan too deep: {levels:,} levels; the limit is {MAX_LEVELS}"


@pytest.mark.parametrize(
    ("nodes", "measure"),
    [
        (MAX_BYTES // 20, "10.0 MB; the limit is 8 MB"),
        (MAX_NODES, "10,001 nodes; the limit is 10,000"),
    ],
)
def test_a_larger_plan_is_rejected_with_its_size(nodes: int, measure: str) -> None:
    node = {"Node Type": "Append", "Plans": [{"Node Type": "Result"}] * nodes}
    [event] = logged(json.dumps({"Query Text": f"{COMMENT}SELECT 1", "Plan": node}))
    assert (event.kind, event.span_id, event.text) == ("plan_rejected", SPAN, "SELECT ?")
    assert event.message == f"plan too large: {measure}"


def test_a_rejected_plan_of_dbm_takes_no_other_event_with_it() -> None:
    """One payload of samples holds those of a second: only the plan is left out."""
    samples = json.loads(payloads.samples())
    before = decode("/api/v2/databasequery", json.dumps(samples).encode())
    plan = next(sample for sample in samples if sample["dbm_type"] == "plan")
    plan["db"]["plan"]["definition"] = deep(2_000)
    after = decode("/api/v2/databasequery", json.dumps(samples).encode())
    assert len(after) == len(before) - 1


def test_a_condition_keeps_the_number_of_its_subplan() -> None:
    """PostgreSQL 17 and later name a subplan where 15 has a parameter; both lead to who ran it."""
    node = {
        "Node Type": "Seq Scan",
        "Filter": "((a > (InitPlan 1).col1) AND (NOT (hashed SubPlan 12)) AND (b = 7))",
        "Recheck Cond": "(a > $0)",
    }
    kept = json.loads(redact.plan(json.dumps({"Plan": node})).definition)["Plan"]
    assert kept["Filter"] == ("((a > (InitPlan 1).col1) AND (NOT (hashed SubPlan 12)) AND (b = ?))")
    assert kept["Recheck Cond"] == "(a > $0)"


def test_a_plan_of_many_small_values_is_rejected_before_it_is_built() -> None:
    """2.5 million empty lists are 7.5 MB, and took 800 MB in memory."""
    plan = f'{{"Query Text":"{COMMENT}SELECT 1","Plan":{{"Node Type":"Result","Output":[%s]}}}}'
    [event] = logged(plan % ",".join(["[]"] * 2_500_000))
    assert isinstance(event, Event)
    assert (event.kind, event.span_id) == ("plan_rejected", SPAN)
    assert event.message == "plan too large: 15,000,016 values, a list as 5; the limit is 600,000"


def test_the_largest_plan_is_read_with_all_that_a_node_may_have() -> None:
    """As many nodes as are stored, each with the keys of EXPLAIN (ANALYZE, VERBOSE, BUFFERS, WAL)."""
    node: dict[str, object] = {"Node Type": "Seq Scan", "Output": ["a"] * 15, "Workers": []}
    node |= {f"{kind} {what} Blocks": 0 for kind in ("Shared", "Local", "Temp") for what in "hrdw"}
    node |= {f"Actual {what}": 0 for what in ("Rows", "Loops", "Total Time", "Startup Time")}
    plan = {"Plan": {"Node Type": "Append", "Plans": [node] * (MAX_NODES - 1)}}
    assert len(json.dumps(plan)) < MAX_BYTES
    assert tree(redact.plan(json.dumps(plan)).definition).nodes == MAX_NODES


def test_a_statement_with_a_long_list_is_no_large_plan() -> None:
    """The commas in a text are not those of the plan."""
    text = f"SELECT 1 WHERE x IN ({','.join(['1'] * 700_000)})"
    plan = redact.plan(json.dumps({"Query Text": text, "Plan": {"Node Type": "Result"}}))
    assert tree(plan.definition).nodes == 1


def cte(name: str, of: str) -> dict[str, Any]:
    scan = {"Node Type": "CTE Scan", "CTE Name": of, **timed(2.0)}
    return {**scan, "Parent Relationship": "InitPlan", "Subplan Name": f"CTE {name}"}


def timed(ms: float) -> dict[str, float]:
    return {"Actual Total Time": ms, "Actual Startup Time": ms, "Actual Loops": 1, "Actual Rows": 1}


def test_a_long_chain_of_ctes_is_read() -> None:
    """Generated SQL has hundreds, each of which reads the one before it."""
    first = {**cte("c0", "none"), "Node Type": "Seq Scan"}
    chain = [first, *(cte(f"c{number}", f"c{number - 1}") for number in range(1, 1_300))]
    scan = {"Node Type": "CTE Scan", "CTE Name": "c1299", **timed(3.0)}
    found = tree(
        json.dumps({"Plan": {"Node Type": "Limit", **timed(3.0), "Plans": [*chain, scan]}})
    )
    assert sum(node.self_ms or 0.0 for node in found.root.walk()) == pytest.approx(3.0)
    assert found.worst == 1


def test_ctes_that_read_each_other_are_no_endless_loop() -> None:
    """No PostgreSQL makes such a plan; a payload may have it."""
    plans = [cte("a", "b"), cte("b", "a"), {"Node Type": "CTE Scan", "CTE Name": "a", **timed(2.0)}]
    assert (
        tree(json.dumps({"Plan": {"Node Type": "Limit", **timed(3.0), "Plans": plans}})).nodes == 4
    )


def test_a_plan_of_thousands_of_subplans_is_rejected_with_their_number() -> None:
    """Each node may be the one that ran a subplan: to find it out would take minutes."""
    nodes = [
        {"Node Type": "Result", "Subplan Name": f"InitPlan {number}"} for number in range(3_000)
    ]
    with pytest.raises(redact.RejectedPlanError, match="3,000 subplans in 3,001 nodes"):
        redact.plan(json.dumps({"Plan": {"Node Type": "Append", "Plans": nodes}}))
