"""A plan as text: the slowest node and the time outside the plan in a sentence, the whole plan in a line.

Only data of the plan are reported; of an estimated plan, the planner's estimates.
"""

from collections.abc import Iterator, Sequence

from lab.drilldown.plans.tree import MISESTIMATED, Node, Outside
from lab.foundation.plural import plural

# Causes that explain less than this share of the time outside leave the rest unknown.
EXPLAINED = 0.5
# A node of an estimated plan with less is not the cause of anything: one cost unit is one page read.
LEAST_COST = 0.5
# Cost units have a decimal below this.
TENS = 10
# JIT compilation below this share of the plan's time is not reported.
JIT_SHARE = 0.1


def stands_out(node: Node) -> bool:
    """Whether a node of the most time or cost is the cause of anything: an estimate of almost 0 is not."""
    return node.self_ms is not None or node.own_cost >= LEAST_COST


def sentence(node: Node, root: Node, outside: Outside | None, jit_ms: float | None) -> str:
    """Return where a plan spent its time: in its slowest node, and outside the plan if mostly there."""
    if node.self_ms is None or root.total_ms is None:
        measured = "was not executed" if root.loops is None else "was executed with TIMING OFF"
        if not stands_out(node):
            whole = f"the planner estimates its whole cost at {root.cost:,.2f} units"
            return f"No node of the plan stands out: {whole}; the plan {measured}."
        cost = f"{node.own_cost:,.{0 if node.own_cost >= TENS else 1}f} of the planner's cost units"
        return f"{node.label}, most expensive node (estimate): {cost}; the plan {measured}."
    mostly_outside = outside is not None and outside.mostly
    slowest = "slowest node of the plan" if mostly_outside else "slowest node"
    times = f"{_ms(node.self_ms)} of {_ms(root.total_ms)}"
    parts = [*_node(node, f"{slowest}: {times}")]
    if jit_ms and jit_ms >= JIT_SHARE * root.total_ms:
        parts.append(f"JIT compilation took {_ms(jit_ms)}, counted in the nodes that waited for it")
    words = "; ".join(parts) + "."
    return f"{_outside(outside)} {words}" if outside and mostly_outside else words


def _outside(outside: Outside) -> str:
    causes = [f"{cause.what} {_ms(cause.ms)}" for cause in outside.causes]
    explained = sum(cause.ms for cause in outside.causes)
    if explained < EXPLAINED * outside.ms:
        causes.append("not known on what (PostgreSQL does not log it)")
    times = f"{_ms(outside.ms)} of {_ms(outside.server_ms)}"
    return f"Most of the time, {times}, was spent outside the plan: {', '.join(causes)}."


def _node(node: Node, times: str) -> Iterator[str]:
    share = f" ({100 * node.share:.0f} %)" if node.share is not None else ""
    yield f"{node.label}, {times}{share}"
    loops = node.loops or 0
    if node.rows is not None:
        each = f" in {loops:,.0f} loops" if loops > 1 else ""
        removed = f", {plural(node.removed_rows, 'row')} removed by filter"
        returned = f"returned {plural(node.rows * loops, 'row')}{each}"
        yield returned + (removed if node.removed_rows else "")
    if node.misestimate is not None and (words := _misestimated(node, node.misestimate)):
        yield words
    if node.buffers and node.buffers.read:
        yield f"{plural(node.buffers.read, 'block')} not found in shared_buffers"
    if node.buffers and node.buffers.temp_written:
        yield f"{plural(node.buffers.temp_written, 'block')} spilled to disk"


def _misestimated(node: Node, factor: float) -> str | None:
    estimated = f"the planner estimated {plural(node.estimated_rows, 'row')}"
    each = " in each" if (node.loops or 0) > 1 else ""
    if factor >= MISESTIMATED:
        return f"{estimated}{each}, {factor:,.0f} times too few"
    if factor <= 1 / MISESTIMATED:
        return f"{estimated}{each}, {1 / factor:,.0f} times too many"
    return None


def if_evenly(root: Node, during: Sequence[float]) -> str:
    """Return the slowest node of a plan without times per worker, if the work was shared evenly."""
    slowest = max(root.walk(), key=lambda node: during[node.id])
    return (
        " The plan does not show how the processes of its Gather shared the work"
        " (auto_explain.log_verbose = on logs times per worker):"
        f" if evenly, the slowest node is {slowest.label}, {_ms(during[slowest.id])}."
    )


def summary(root: Node) -> str:
    """Return a plan in one line: its root, its joins and its scans, without sorts, hashes and limits."""
    tables = [node.label for node in root.walk() if node.relation and node.type != "ModifyTable"]
    joins = [node.type for node in root.walk() if node.type == "Nested Loop" or "Join" in node.type]
    parts = [root.label, *dict.fromkeys(joins), *tables]
    return " > ".join(dict.fromkeys(parts))


def _ms(value: float) -> str:
    return f"{value:,.0f} ms" if value >= 10 else f"{value:,.2g} ms"  # noqa: PLR2004
