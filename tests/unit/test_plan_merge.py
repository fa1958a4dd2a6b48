"""EXPLAIN ANALYZE of a MERGE into partitions is no valid JSON: PostgreSQL 15 to 18 close a list too late."""

import json

import pytest

from lab.telemetry import redact
from tests.plan_invariants import check

# As PostgreSQL 15.18 writes it, without the nodes below.
MERGE = """{
  "Query Text": "MERGE INTO parted p USING s ON p.id = s.i WHEN MATCHED THEN UPDATE SET v = 'Maria' /*traceparent='00-000000000000000000000000000000ab-00000000000000cd-01'*/",
  "Plan": {
    "Node Type": "ModifyTable",
    "Operation": "Merge",
    "Relation Name": "parted",
    "Alias": "p",
    "Startup Cost": 216.00,
    "Total Cost": 231.00,
    "Plan Rows": 0,
    "Plan Width": 0,
    "Actual Startup Time": 35.019,
    "Actual Total Time": 35.025,
    "Actual Rows": 0,
    "Actual Loops": 1,
    "Target Tables": [
      {
        "Relation Name": "parted_0",
        "Alias": "p_1"
      },
      {
        "Relation Name": "parted_1",
        "Alias": "p_2"
      },
      "Tuples Inserted": 300,
      "Tuples Updated": 300,
      "Tuples Deleted": 0,
      "Tuples Skipped": 0
    ],
    "Plans": [
      {
        "Node Type": "Seq Scan",
        "Parent Relationship": "Outer",
        "Relation Name": "s",
        "Alias": "s",
        "Startup Cost": 0.00,
        "Total Cost": 6.00,
        "Plan Rows": 600,
        "Plan Width": 4,
        "Actual Startup Time": 0.02,
        "Actual Total Time": 30.000,
        "Actual Rows": 600,
        "Actual Loops": 1,
        "Filter": "(v <> ']}'::text)"
      }
    ]
  }
}"""  # noqa: E501 - as the server writes it


@pytest.mark.parametrize("text", [MERGE, MERGE.encode()])
def test_the_plan_of_a_merge_into_partitions_is_read(text: str | bytes) -> None:
    """With its comment, its counts and all its tables."""
    read = redact.plan(text)
    assert read.comment.trace_id == f"{0xAB:032x}"
    plan = json.loads(read.definition)["Plan"]
    assert [table["Relation Name"] for table in plan["Target Tables"]] == ["parted_0", "parted_1"]
    assert plan["Tuples Inserted"] == 300
    assert check(read.definition).worst_node.startswith("Seq Scan on s")


def test_other_text_that_is_no_json_is_no_plan() -> None:
    for text in ("{", MERGE.replace('"Tuples Deleted": 0', '"Tuples Deleted": x'), MERGE[:-1]):
        with pytest.raises(redact.InvalidPlanError):
            redact.plan(text)


@pytest.mark.parametrize(
    "node",
    [
        {},
        {"Node Type": 5},
        {"Node Type": "Result", "Plans": None},
        {"Node Type": "Result", "Plans": [3]},
        {"Node Type": "Result", "Actual Loops": 1, "Actual Total Time": None},
        {"Node Type": "Result", "Actual Loops": 1, "Actual Total Time": "x"},
    ],
)
def test_a_plan_that_no_page_could_show_is_rejected(node: dict[str, object]) -> None:
    """Before it is stored: reading it failed the page of its trace."""
    with pytest.raises(redact.RejectedPlanError, match="has no type, or a text where a number"):
        redact.plan(json.dumps({"Plan": node}))
