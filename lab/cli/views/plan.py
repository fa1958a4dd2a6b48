"""A plan as a tree: each node with its own time, its actual and estimated rows, and its blocks."""

from rich.text import Text
from rich.tree import Tree as Branch

from lab.cli.views import figures
from lab.drilldown.plans.tree import MISESTIMATED, Node, Tree
from lab.foundation.plural import plural

HOT_SHARE = 0.3
# Deeper nodes are not indented further: a plan of a hundred levels would not fit the terminal.
MAX_DEPTH = 24
MAX_NODES = 400


def render(tree: Tree) -> Branch:
    """Return the tree, its slowest node in red; of a large plan only the most important nodes."""
    root = Branch(_line(tree.root, tree), guide_style="dim")
    shown = {node.id for node in tree.shown(MAX_NODES)}
    pending = [(child, root, 1) for child in reversed(tree.root.children)]
    while pending:
        node, above, depth = pending.pop()
        if node.id not in shown:
            continue
        branch = above.add(_line(node, tree))
        below = branch if depth < MAX_DEPTH else above
        pending += [(child, below, depth + 1) for child in reversed(node.children)]
    if left_out := tree.nodes - len(shown):
        root.add(Text(f"{left_out:,} further nodes are not shown", "dim"))
    return root


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
            line.append("  never executed", "dim")
        if node.after_ms:
            line.append(f"  {figures.ms(node.after_ms)} after the main plan")
        line.append(_blocks(node), "dim")
    else:
        line.append(f"  cost {node.cost:,.0f}, {plural(node.estimated_rows, 'row')}", "dim")
    for condition, text in node.conditions.items():
        line.append(f"\n  {condition}: {text}", "dim")
    return line


def _rows(node: Node) -> str:
    rows = f"{figures.count(node.rows)} (estimated {figures.count(node.estimated_rows)})"
    removed = f", {figures.count(node.removed_rows)} removed by filter"
    return rows + (removed if node.removed_rows else "")


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
    counts = ", ".join(
        f"{figures.count(number)} {what}" for what, number in found.items() if number
    )
    return f"  blocks {counts}" if counts else ""
