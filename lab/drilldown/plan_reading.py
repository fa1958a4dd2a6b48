"""Reads a plan as PostgreSQL writes it, with a node's time, rows and buffers per loop.

The first and the last include its children. Here each node gets both, its total and what it did itself, so
that the worst one has a name.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from lab.drilldown import plan_words
from lab.drilldown.plan import Buffers, Node, Tree

JSON: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])
CONDITIONS = (
    "Index Cond", "Recheck Cond", "Hash Cond", "Merge Cond", "Join Filter", "Filter", "Sort Key",
    "Group Key", "TID Cond",
)  # fmt: skip


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
        worst_node=plan_words.sentence(worst, root),
        summary=plan_words.summary(root),
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
    return (node.self_ms or 0.0) if executed else node.own_cost
