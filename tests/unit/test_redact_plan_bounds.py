"""Bounds of a plan that is stored: nodes, subplans, values, levels, keys; and what makes its shape."""

import json
from typing import Any

import pytest

from lab.telemetry import redact
from lab.telemetry.redact import plans

NODE = {"Node Type": "Result"}


def plan(root: object, **more: object) -> str:
    return json.dumps({"Plan": root, **more})


def chain(levels: int, **fields: object) -> dict[str, Any]:
    found: dict[str, Any] = {**NODE, **fields}
    for _ in range(levels - 1):
        found = {**NODE, **fields, "Plans": [found]}
    return found


def rejected(text: str) -> str | None:
    try:
        redact.plan(text)
    except redact.RejectedPlanError as error:
        return str(error)
    return None


def test_the_number_of_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "MAX_NODES", 3)
    assert rejected(plan(chain(3))) is None
    assert rejected(plan(chain(4))) == "plan too large: 4 nodes; the limit is 3"


def test_nodes_times_subplans(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each node may be the one that executed a subplan."""
    monkeypatch.setattr(plans, "MAX_PAIRS", 4)
    named = {"Subplan Name": "InitPlan 1"}
    assert rejected(plan(chain(2, **named))) is None
    assert rejected(plan(chain(3, **named))) == (
        "plan too large: 3 subplans in 3 nodes; the limit of both is 4"
    )


def test_the_number_of_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """By commas and brackets; those in a text do not count, and a list counts as five values."""
    monkeypatch.setattr(plans, "MAX_VALUES", 20)
    # Two objects and a list are 15; five values have four commas, one more separates the keys.
    assert rejected(plan({**NODE, "Output": ["a"] * 5})) is None
    assert rejected(plan({**NODE, "Output": ["a"] * 6})) == (
        "plan too large: 21 values, a list as 5; the limit is 20"
    )
    assert rejected(plan({**NODE, "Filter": "(a IN (1,2,3,4,5,6,7,8,9,[{[{]}]}))"})) is None


def test_the_number_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rejected plan keeps its statement, which auto_explain writes first."""
    text = '{"Query Text": "SELECT 1", "Plan": {"Node Type": "Result"}}'
    monkeypatch.setattr(plans, "MAX_BYTES", len(text))
    assert rejected(text) is None
    monkeypatch.setattr(plans, "MAX_BYTES", len(text) - 1)
    with pytest.raises(redact.RejectedPlanError) as error:
        redact.plan(text)
    assert error.value.statement is not None
    assert error.value.statement.text == "SELECT ?"
    monkeypatch.setattr(plans, "MAX_BYTES", 12_300)
    assert rejected("x" * 12_400_000) == "plan too large: 12.4 MB; the limit is 0.0123 MB"


def test_the_number_of_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    """A level of the plan is two levels of its JSON."""
    monkeypatch.setattr(plans, "MAX_LEVELS", 4)
    assert rejected(plan(chain(4))) is None
    assert rejected(plan(chain(5))) == "plan too deep: 5 levels; the limit is 4"


@pytest.mark.parametrize(
    ("key", "kept"),
    [
        ("Odd Key", True), ("K" + "x" * 63, True), ("K" + "x" * 64, False), ("Key 1", False),
        ("Maria Silva", False),
    ],
)  # fmt: skip
def test_keys_that_explain_does_not_write(key: str, kept: bool) -> None:
    """A key may contain anything; one that is short, without digits and harmless is kept."""
    found = json.loads(redact.plan(plan({**NODE, key: 5})).definition)
    assert (key in found["Plan"]) is kept


def test_names_are_kept_and_any_other_text_is_sql() -> None:
    """Also in lists; numbers and logical values are unchanged."""
    root = {
        **NODE, "Relation Name": "customers", "Alias": "Maria Silva", "Subplan Name": "CTE Maria Silva",
        "Filter": "(cpf = '39053344705')", "Output": ["a", "'x'::text"], "Plan Rows": 5,
        "Parallel Aware": False, "Workers": [{"Worker Number": 0}], "Sort Key": None,
    }  # fmt: skip
    found = json.loads(redact.plan(plan(root)).definition)["Plan"]
    assert found == {
        **NODE, "Relation Name": "customers", "Alias": redact.hashed("Maria Silva"),
        "Subplan Name": f"CTE {redact.hashed('Maria Silva')}", "Filter": "(cpf = ?)",
        "Output": ["a", "?::text"], "Plan Rows": 5, "Parallel Aware": False,
        "Workers": [{"Worker Number": 0}], "Sort Key": None,
    }  # fmt: skip
    assert json.loads(redact.plan(plan({**NODE, "Subplan Name": "InitPlan 1"})).definition)["Plan"] == {
        **NODE, "Subplan Name": "InitPlan 1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "is_same"),
    [
        ({"Total Cost": 5.0}, True), ({"Filter": "(a = 1)"}, True), ({"Alias": "x"}, True),
        ({"Node Type": "Limit"}, False), ({"Relation Name": "x"}, False), ({"Index Name": "x"}, False),
        ({"Join Type": "Left"}, False), ({"Strategy": "Hashed"}, False),
        ({"Scan Direction": "Backward"}, False),
        ({"Plans": [NODE, NODE]}, False), ({"Plans": []}, False),
    ],
)  # fmt: skip
def test_a_shape_has_the_nodes_and_their_objects(change: dict[str, object], is_same: bool) -> None:
    """And no figures, so that two executions of one plan have one shape."""
    before = redact.plan(plan({**NODE, "Plans": [NODE]})).shape
    assert len(before) == 16
    assert (redact.plan(plan({**NODE, "Plans": [NODE], **change})).shape == before) is is_same


@pytest.mark.parametrize(
    ("root", "is_read"),
    [
        (NODE, True), ({"Node Type": 5}, False), ({}, False), ({**NODE, "Plans": [5]}, False),
        ({**NODE, "Plans": [{}]}, False), ({**NODE, "Plans": {}}, False),
        ({**NODE, "Actual Rows": "5"}, False),
        ({**NODE, "Actual Rows": 5.5, "Plan Rows": 5, "Other": "x"}, True),
    ],
)  # fmt: skip
def test_a_plan_without_types_or_numbers_is_rejected(root: object, is_read: bool) -> None:
    reason = "a node of the plan has no type, or a text where a number was expected"
    assert rejected(plan(root)) == (None if is_read else reason)


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"Plan": []}', "[1, 2]", "5", '[{"Plan": {}}, {}]', "x"]
)
def test_another_document_is_no_plan(text: str) -> None:
    with pytest.raises(redact.InvalidPlanError) as error:
        redact.plan(text)
    assert str(error.value) in {"no JSON", 'an object with "Plan" was expected'}
    assert redact.plan(f"[{plan(NODE)}]").shape == redact.plan(plan(NODE)).shape
