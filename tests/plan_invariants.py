"""What holds for each plan of any shape: own times and own blocks add up to the root's, none is negative."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from lab.drilldown.plans.reading import BLOCKS, tree
from lab.drilldown.plans.tree import Tree

# Milliseconds: PostgreSQL writes three digits, and each own time is rounded to six.
ROUNDING_MS = 0.01


def check(definition: str) -> Tree:
    """Read a plan, and assert the invariants."""
    document = json.loads(definition)
    document = document[0] if isinstance(document, list) else document
    raw = document["Plan"]
    found = tree(definition)
    nodes = list(found.root.walk())
    assert [node.type for node in nodes] == list(_types(raw))
    for name, key in BLOCKS.items():
        own = [getattr(node.buffers, name) for node in nodes if node.buffers]
        assert min(own, default=0) >= 0, key
        assert sum(own) == raw.get(key, 0), key
    if "Actual Total Time" not in raw:
        assert {node.self_ms for node in nodes} == {None}
        return found
    assert found.total_ms == pytest.approx(raw["Actual Total Time"] * raw["Actual Loops"])
    own_ms = [node.self_ms or 0.0 for node in nodes]
    assert min(own_ms) >= 0
    assert sum(own_ms) == pytest.approx(found.total_ms, abs=ROUNDING_MS)
    assert found.worst is not None
    assert own_ms[found.worst] == max(own_ms)
    assert all(0 <= (node.share or 0) <= 1 for node in nodes)
    if "Execution Time" in document:
        server_ms = document["Execution Time"] + document.get("Planning Time", 0)
        mostly = "was spent outside the plan" in found.worst_node
        assert mostly == (raw["Actual Total Time"] < server_ms / 2)
    return found


def _types(raw: dict[str, Any]) -> Iterator[str]:
    yield raw["Node Type"]
    for child in raw.get("Plans", ()):
        yield from _types(child)
