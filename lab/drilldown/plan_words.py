"""A plan in words: its worst node in a sentence, the whole of it in a line.

Nothing but what the nodes hold is said; of an estimated plan that is what the planner expected.
"""

from lab.drilldown.plan import MISESTIMATED, Node


def sentence(node: Node, root: Node) -> str:
    """Return what a node took of its plan, and where the planner was wrong about it."""
    if node.self_ms is None or root.total_ms is None:
        cost = f"{node.own_cost:,.0f} of the planner's units"
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


def summary(root: Node) -> str:
    """Return a plan in one line.

    Joins and scans name it; what only sorts, hashes or limits between them does not.
    """
    tables = [node.label for node in root.walk() if node.relation and node.type != "ModifyTable"]
    joins = [node.type for node in root.walk() if node.type == "Nested Loop" or "Join" in node.type]
    parts = [root.label, *dict.fromkeys(joins), *tables]
    return " > ".join(dict.fromkeys(parts))


def _ms(value: float) -> str:
    return f"{value:,.0f} ms" if value >= 10 else f"{value:,.2g} ms"  # noqa: PLR2004


def _count(number: float, noun: str) -> str:
    return f"{number:,.0f} {noun}{'' if round(number) == 1 else 's'}"
