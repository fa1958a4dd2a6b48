"""A plan as indented lines of text, as EXPLAIN prints it: short, and readable for a model."""

from collections.abc import Iterator

from lab.drilldown.plans.tree import Node, Tree

MAX_NODES = 120
MAX_CONDITION = 300


def plan_lines(tree: Tree) -> list[str]:
    """Return one line for each node, with its conditions; of a large plan only the most important nodes."""
    shown = {node.id for node in tree.shown(MAX_NODES)}
    lines = list(_lines(tree.root, tree, shown))
    if left_out := tree.nodes - len(shown):
        lines.append(f"{left_out:,} further nodes are not shown")
    return lines


def _lines(root: Node, tree: Tree, shown: set[int]) -> Iterator[str]:
    pending = [(root, 0)]
    while pending:
        node, depth = pending.pop()
        if node.id not in shown:
            continue
        indent = "  " * depth
        yield f"{indent}{_line(node, tree)}"
        for condition, text in node.conditions.items():
            yield f"{indent}    {condition}: {text[:MAX_CONDITION]}"
        pending += [(child, depth + 1) for child in reversed(node.children)]


def _line(node: Node, tree: Tree) -> str:
    role = f"{node.role}: " if node.role else ""
    slowest = " <- slowest node" if node.id == tree.worst and tree.executed else ""
    if not tree.executed:
        return f"{role}{node.label} (cost={node.cost:g} estimated_rows={node.estimated_rows:g})"
    if node.loops == 0:
        return f"{role}{node.label} (never executed)"
    parts = [f"rows={_figure(node.rows)} estimated_rows={_figure(node.estimated_rows)}"]
    if node.self_ms is not None:
        parts.insert(0, f"self_ms={_figure(node.self_ms)} total_ms={_figure(node.total_ms)}")
    if (node.loops or 1) > 1:
        parts.append(f"loops={_figure(node.loops)}")
    if node.removed_rows:
        parts.append(f"rows_removed_by_filter={_figure(node.removed_rows)}")
    parts += _blocks(node)
    return f"{role}{node.label} ({' '.join(parts)}){slowest}"


def _blocks(node: Node) -> Iterator[str]:
    if node.buffers:
        counts = {
            "blocks_hit": node.buffers.hit,
            "blocks_read": node.buffers.read,
            "temp_blocks_written": node.buffers.temp_written,
        }
        yield from (f"{name}={count}" for name, count in counts.items() if count)


def _figure(value: float | None) -> str:
    return "?" if value is None else f"{value:.10g}"
