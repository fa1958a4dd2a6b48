"""Parses a plan of PostgreSQL 15 or newer: EXPLAIN (FORMAT JSON) or auto_explain.

EXPLAIN has a node's time and rows per loop, and inclusive times and blocks; own.py calculates each node's
own.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from lab.drilldown.plans import wording as plan_words
from lab.drilldown.plans.early_stop import may_stop_early
from lab.drilldown.plans.forest import Entry, Forest
from lab.drilldown.plans.outside import jit_ms, outside
from lab.drilldown.plans.own import Own, OwnTimes, own_blocks, times_of
from lab.drilldown.plans.tree import Buffers, Cause, Node, Tree

JSON: msgspec.json.Decoder[dict[str, Any] | list[Any]] = msgspec.json.Decoder(
    dict[str, Any] | list[Any]
)
CONDITIONS = (
    "Index Cond", "Recheck Cond", "Hash Cond", "Merge Cond", "Join Filter", "One-Time Filter", "Filter",
    "Sort Key", "Group Key", "TID Cond",
)  # fmt: skip
BLOCKS: Mapping[str, str] = {
    "hit": "Shared Hit Blocks", "read": "Shared Read Blocks", "dirtied": "Shared Dirtied Blocks",
    "written": "Shared Written Blocks", "temp_read": "Temp Read Blocks",
    "temp_written": "Temp Written Blocks",
}  # fmt: skip


def tree(definition: str, *, server_ms: float | None = None, known: Iterable[Cause] = ()) -> Tree:
    """Parse a plan: JSON with "Plan", as in the store or as EXPLAIN prints it.

    Args:
        definition: the plan.
        server_ms: the time of the execution by the server's log.
        known: causes of time outside the plan, from other sources.

    Raises:
        msgspec.DecodeError: when it is not JSON.
        KeyError: when it is not a plan.
    """
    document = JSON.decode(definition)
    if isinstance(document, list):
        [document] = document
    forest = Forest(document["Plan"])
    carriers = forest.carriers()
    executed = "Actual Loops" in document["Plan"]
    times, evenly = None, None
    if "Actual Total Time" in document["Plan"]:
        times, evenly = times_of(forest, carriers)
    root = _nodes(forest, carriers, times)
    worst = max(root.walk(), key=lambda node: (node.self_ms or 0.0) if times else node.own_cost)
    beside = outside(document, root, server_ms, known)
    words = plan_words.sentence(worst, root, beside, jit_ms(document))
    return Tree(
        executed=executed,
        total_ms=root.total_ms,
        outside=beside,
        jit_ms=jit_ms(document),
        worst=worst.id if plan_words.stands_out(worst) else None,
        worst_node=words + (plan_words.if_evenly(root, evenly) if evenly else ""),
        summary=plan_words.summary(root),
        nodes=len(forest.entries),
        root=root,
    )


def _nodes(forest: Forest, carriers: Mapping[int, Sequence[int]], times: OwnTimes | None) -> Node:
    """Build the nodes from the last to the first, so that children are built before their parents."""
    counted = "Shared Hit Blocks" in forest[0].raw
    blocks = {name: own_blocks(forest, carriers, key) for name, key in BLOCKS.items() if counted}
    made: dict[int, Node] = {}
    for entry in reversed(forest.entries):
        children = tuple(made.pop(number) for number in entry.children)
        made[entry.number] = _node(forest, entry, children, times, blocks)
    return made[0]


def _node(
    forest: Forest,
    entry: Entry,
    children: tuple[Node, ...],
    times: OwnTimes | None,
    blocks: Mapping[str, Own],
) -> Node:
    raw, number = entry.raw, entry.number
    loops = raw.get("Actual Loops")
    rows = raw.get("Actual Rows") if loops else None
    whole = forest[0].summed_ms
    own_ms = times.during[number] if times else None
    return Node(
        id=number,
        type=raw["Node Type"],
        relation=raw.get("Relation Name"),
        index=raw.get("Index Name"),
        label=_label(raw),
        role=str(raw["Subplan Name"]) if "Subplan Name" in raw else None,
        conditions={key: _text(raw[key]) for key in CONDITIONS if key in raw},
        estimated_rows=raw.get("Plan Rows", 0),
        rows=rows,
        loops=loops,
        removed_rows=_removed(raw) * (loops or 0),
        misestimate=_misestimate(forest, entry, rows),
        cost=raw.get("Total Cost", 0.0),
        total_ms=round(times.total[number], 3) if times else None,
        self_ms=own_ms,
        after_ms=(times.after[number] or None) if times else None,
        share=round(own_ms / whole, 4) if own_ms is not None and whole else None,
        buffers=_buffers({name: own.during for name, own in blocks.items()}, number),
        after_buffers=_after(blocks, number),
        children=children,
    )


def _buffers(blocks: Mapping[str, Sequence[float]], number: int) -> Buffers | None:
    return Buffers(**{name: int(own[number]) for name, own in blocks.items()}) if blocks else None


def _after(blocks: Mapping[str, Own], number: int) -> Buffers | None:
    ran = any(own.after[number] and own.after is not own.during for own in blocks.values())
    return _buffers({name: own.after for name, own in blocks.items()}, number) if ran else None


def _removed(raw: Mapping[str, Any]) -> float:
    return float(sum(v for k, v in raw.items() if k.startswith("Rows Removed by ")))


def _misestimate(forest: Forest, entry: Entry, rows: float | None) -> float | None:
    """Return actual divided by estimated rows; both are at least 1, as the planner estimates at least 1.

    None for too few rows of a node that may have been stopped early, as below a LIMIT.
    """
    if rows is None:
        return None
    ratio = round(max(rows, 1.0) / max(entry.raw.get("Plan Rows", 0), 1.0), 4)
    return None if ratio < 1 and may_stop_early(forest, entry) else ratio


def _label(raw: Mapping[str, Any]) -> str:
    words = [raw["Node Type"]]
    if raw["Node Type"] == "ModifyTable":
        words = [raw.get("Operation", "Modify")]
    if "Join Type" in raw and raw["Join Type"] != "Inner":
        words.insert(0, raw["Join Type"])
    if "Index Name" in raw:
        words.append(f"using {raw['Index Name']}")
    target = raw.get("Relation Name") or raw.get("CTE Name") or raw.get("Function Name")
    alias = raw.get("Alias")
    if target:
        words.append(f"on {target}" + (f" {alias}" if alias not in (None, target) else ""))
    return " ".join(words)


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
