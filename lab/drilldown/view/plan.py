"""A plan as a tree: each node with its time, its rows as expected and as they came, and its blocks."""

from rich.text import Text
from rich.tree import Tree as Branch

from lab.drilldown.plan import MISESTIMATED, Node, Tree
from lab.drilldown.view import figures

HOT_SHARE = 0.3


def render(tree: Tree) -> Branch:
    """Return the tree, its worst node in red."""
    root = Branch(_line(tree.root, tree), guide_style="dim")
    _grow(root, tree.root, tree)
    return root


def _grow(branch: Branch, node: Node, tree: Tree) -> None:
    for child in node.children:
        _grow(branch.add(_line(child, tree)), child, tree)


def _line(node: Node, tree: Tree) -> Text:
    worst = node.id == tree.worst
    line = Text()
    if node.role:
        line.append(f"{node.role}: ", "dim")
    line.append(node.label, "bold red" if worst else "bold")
    if tree.executed:
        line.append(
            f"  {figures.ms(node.self_ms)}", "red" if (node.share or 0) >= HOT_SHARE else ""
        )
        line.append(f" of {figures.ms(node.total_ms)}", "dim")
        line.append(f"  rows {_rows(node)}", _style(node))
        if (node.loops or 0) > 1:
            line.append(f" x {figures.count(node.loops)} loops", "dim")
        if node.loops == 0:
            line.append("  never run", "dim")
        line.append(_blocks(node), "dim")
    else:
        line.append(f"  cost {node.cost:,.0f}, {figures.count(node.estimated_rows)} rows", "dim")
    for condition, text in node.conditions.items():
        line.append(f"\n  {condition}: {text}", "dim")
    return line


def _rows(node: Node) -> str:
    expected = f"{figures.count(node.rows)} (expected {figures.count(node.estimated_rows)})"
    return expected + (
        f", {figures.count(node.removed_rows)} thrown away" if node.removed_rows else ""
    )


def _style(node: Node) -> str:
    factor = node.misestimate or 1.0
    return "yellow" if factor >= MISESTIMATED or factor <= 1 / MISESTIMATED else ""


def _blocks(node: Node) -> str:
    if node.buffers is None:
        return ""
    found = {
        "hit": node.buffers.hit,
        "read": node.buffers.read,
        "spilled": node.buffers.temp_written,
    }
    told = ", ".join(f"{figures.count(number)} {what}" for what, number in found.items() if number)
    return f"  blocks {told}" if told else ""
