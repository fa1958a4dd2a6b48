"""A plan as a tree to look at: where its time went, and where the planner was wrong.

PostgreSQL writes a node's time, rows and buffers per loop, and the first and the last including its
children. Here each node has both, its total and what it did itself, so that the worst one has a name.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

JSON: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])
CONDITIONS = (
    "Index Cond", "Recheck Cond", "Hash Cond", "Merge Cond", "Join Filter", "Filter", "Sort Key",
    "Group Key", "TID Cond",
)  # fmt: skip
# From here on the planner's estimate is worth a word.
MISESTIMATED = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Buffers:
    """Blocks of 8 KiB that a node touched, with all its loops and without its children."""

    hit: int = 0
    read: int = 0
    dirtied: int = 0
    written: int = 0
    temp_read: int = 0
    temp_written: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """One node of a plan.

    Attributes:
        id: its number in the order in which EXPLAIN prints the nodes; 0 is the root.
        type: PostgreSQL's word, such as `Seq Scan`.
        relation: the table it reads or writes; None for most nodes.
        index: the index it uses.
        label: how a person calls it: `Seq Scan on installments i`.
        role: what it is to its parent, such as `InitPlan 1`, when that is more than an input.
        conditions: what it filters, joins or sorts by, literals replaced by `?`.
        estimated_rows: per loop, by the planner.
        rows: per loop, as they came; None in an estimated plan or of a node that never ran.
        loops: how often it ran; 0 when it never did, None in an estimated plan.
        removed_rows: rows that its conditions threw away, over all loops.
        misestimate: how many times too few (above 1) or too many (below 1) rows were expected.
        cost: the planner's, children included.
        total_ms: over all loops, children included; None when it was not measured.
        self_ms: the same without the children.
        share: `self_ms` as a share of the plan's time, 0 to 1.
        buffers: without the children; None when they were not counted.
    """

    id: int
    type: str
    relation: str | None
    index: str | None
    label: str
    role: str | None
    conditions: Mapping[str, str]
    estimated_rows: float
    rows: float | None
    loops: float | None
    removed_rows: float
    misestimate: float | None
    cost: float
    total_ms: float | None
    self_ms: float | None
    share: float | None
    buffers: Buffers | None
    children: tuple["Node", ...]

    def walk(self) -> Iterator["Node"]:
        """Yield this node and all below it, in the order in which EXPLAIN prints them."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, kw_only=True, slots=True)
class Tree:
    """A plan. `executed` says whether it has actual rows and times, or the planner's estimates only.

    Attributes:
        total_ms: of the root; None in an estimated plan.
        worst: the id of the node that took most of the time, by estimated cost if nothing was measured.
        worst_node: one sentence about that node.
        summary: the plan in one line, from the root down to its tables.
    """

    executed: bool
    total_ms: float | None
    worst: int
    worst_node: str
    summary: str
    root: Node


def tree(definition: str) -> Tree:
    """Read a plan as the store keeps it: JSON with "Plan".

    Raises:
        msgspec.DecodeError: when it is no JSON object.
        KeyError: when it is no plan.
    """
    raw = JSON.decode(definition)["Plan"]
    measured = _Measured(raw)
    root = measured.node(raw)
    executed = "Actual Loops" in raw
    worst = max(root.walk(), key=lambda node: _weight(node, executed=executed))
    return Tree(
        executed=executed,
        total_ms=root.total_ms,
        worst=worst.id,
        worst_node=_sentence(worst, root),
        summary=_summary(root),
        root=root,
    )


class _Measured:
    """Turns what PostgreSQL wrote into nodes, with what must be known of the whole plan.

    The rows of a CTE are computed when a CTE Scan asks for them, so its time is part of that scan's, not
    of the node under which the CTE is printed.
    """

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self._count = 0
        self._cte_ms: dict[str, float] = {}
        self._find_ctes(raw)

    def node(self, raw: Mapping[str, Any], workers: int = 0) -> Node:
        identity = self._count
        self._count += 1
        inner = raw.get("Workers Launched", workers)
        children = tuple(self.node(child, inner) for child in raw.get("Plans", ()))
        total_ms = _total_ms(raw, workers)
        self_ms = self._self_ms(raw, total_ms, children)
        loops = raw.get("Actual Loops")
        rows = raw.get("Actual Rows") if loops else None
        whole = self._whole_ms
        return Node(
            id=identity,
            type=raw["Node Type"],
            relation=raw.get("Relation Name"),
            index=raw.get("Index Name"),
            label=_label(raw),
            role=_role(raw),
            conditions={key: _text(raw[key]) for key in CONDITIONS if key in raw},
            estimated_rows=raw.get("Plan Rows", 0),
            rows=rows,
            loops=loops,
            removed_rows=_removed(raw) * (loops or 0),
            misestimate=_misestimate(raw.get("Plan Rows", 0), rows),
            cost=raw.get("Total Cost", 0.0),
            total_ms=total_ms,
            self_ms=self_ms,
            share=round(self_ms / whole, 4) if self_ms is not None and whole else None,
            buffers=_buffers(raw),
            children=children,
        )

    def _find_ctes(self, root: Mapping[str, Any]) -> None:
        self._whole_ms = _total_ms(root, 0)
        pending = [root]
        while pending:
            raw = pending.pop()
            pending += raw.get("Plans", ())
            name = _cte(raw)
            if name:
                self._cte_ms[name] = _total_ms(raw, 0) or 0.0

    def _self_ms(
        self, raw: Mapping[str, Any], total_ms: float | None, children: Sequence[Node]
    ) -> float | None:
        if total_ms is None:
            return None
        below = sum(
            child.total_ms or 0.0
            for child, child_raw in zip(children, raw.get("Plans", ()), strict=True)
            if not _cte(child_raw)
        )
        # The first scan of a CTE is the one that waits for it; the others read what it left.
        below += self._cte_ms.pop(raw.get("CTE Name", ""), 0.0)
        return round(max(total_ms - below, 0.0), 3)


def _cte(raw: Mapping[str, Any]) -> str | None:
    if raw.get("Parent Relationship") != "InitPlan":
        return None
    name = str(raw.get("Subplan Name", ""))
    return name.removeprefix("CTE ") if name.startswith("CTE ") else None


def _total_ms(raw: Mapping[str, Any], workers: int) -> float | None:
    """Times of nodes below a Gather are of all its processes, which ran side by side."""
    if "Actual Total Time" not in raw:
        return 0.0 if raw.get("Actual Loops") == 0 else None
    loops = float(raw["Actual Loops"])
    processes = min(workers + 1, loops) or 1
    return round(float(raw["Actual Total Time"]) * loops / processes, 3)


def _removed(raw: Mapping[str, Any]) -> float:
    return float(sum(v for k, v in raw.items() if k.startswith("Rows Removed by ")))


def _misestimate(estimated: float, rows: float | None) -> float | None:
    """The planner never expects less than a row, so neither does this."""
    return None if rows is None else round(max(rows, 1.0) / max(estimated, 1.0), 4)


def _buffers(raw: Mapping[str, Any]) -> Buffers | None:
    if "Shared Hit Blocks" not in raw:
        return None

    def own(key: str) -> int:
        below = sum(int(child.get(key, 0)) for child in raw.get("Plans", ()))
        return max(int(raw.get(key, 0)) - below, 0)

    return Buffers(
        hit=own("Shared Hit Blocks"),
        read=own("Shared Read Blocks"),
        dirtied=own("Shared Dirtied Blocks"),
        written=own("Shared Written Blocks"),
        temp_read=own("Temp Read Blocks"),
        temp_written=own("Temp Written Blocks"),
    )


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


def _role(raw: Mapping[str, Any]) -> str | None:
    if "Subplan Name" in raw:
        return str(raw["Subplan Name"])
    return None


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _weight(node: Node, *, executed: bool) -> float:
    if executed:
        return node.self_ms or 0.0
    return _own_cost(node)


def _own_cost(node: Node) -> float:
    """A LIMIT is cheaper than what it reads from, which it stops early."""
    return max(node.cost - sum(child.cost for child in node.children), 0.0)


def _sentence(node: Node, root: Node) -> str:
    if node.self_ms is None or root.total_ms is None:
        cost = f"{_own_cost(node):,.0f} of the planner's units"
        return f"{node.label} is expected to cost most ({cost}); nothing was measured."
    parts = [
        f"{node.label} took {_ms(node.self_ms)} of {_ms(root.total_ms)}"
        + (f" ({node.share:.0%})" if node.share is not None else "")
    ]
    loops = node.loops or 0
    if node.rows is not None:
        times = f" in {loops:,.0f} loops" if loops > 1 else ""
        removed = f", and threw {node.removed_rows:,.0f} away" if node.removed_rows else ""
        parts.append(f"it gave {_count(node.rows * loops, 'row')}{times}{removed}")
    if node.misestimate is not None and (words := _misestimated(node)):
        parts.append(words)
    if node.buffers and node.buffers.read:
        parts.append(f"{_count(node.buffers.read, 'block')} came from outside the buffer cache")
    if node.buffers and node.buffers.temp_written:
        parts.append(f"{_count(node.buffers.temp_written, 'block')} spilled to disk")
    return "; ".join(parts) + "."


def _misestimated(node: Node) -> str | None:
    factor = node.misestimate or 1.0
    expected = f"the planner expected {_count(node.estimated_rows, 'row')}"
    each = " in each" if (node.loops or 0) > 1 else ""
    if factor >= MISESTIMATED:
        return f"{expected}{each}, {factor:,.0f} times too few"
    if factor <= 1 / MISESTIMATED:
        return f"{expected}{each}, {1 / factor:,.0f} times too many"
    return None


def _summary(root: Node) -> str:
    """Joins and scans name a plan; what only sorts, hashes or limits between them does not."""
    tables = [node.label for node in root.walk() if node.relation and node.type != "ModifyTable"]
    joins = [node.type for node in root.walk() if node.type == "Nested Loop" or "Join" in node.type]
    parts = [root.label, *dict.fromkeys(joins), *tables]
    return " > ".join(dict.fromkeys(parts))


def _ms(value: float) -> str:
    return f"{value:,.0f} ms" if value >= 10 else f"{value:,.2g} ms"  # noqa: PLR2004


def _count(number: float, noun: str) -> str:
    return f"{number:,.0f} {noun}{'' if round(number) == 1 else 's'}"
