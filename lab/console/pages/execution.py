"""`/traces/{trace_id}/{span_id}`: one execution of one statement, with its own plan."""

from starlette.requests import Request

from lab.console.pages.site import Page
from lab.drilldown import Drilldown, insight
from lab.drilldown.ids import parse
from lab.drilldown.plans.tree import Node, Tree
from lab.drilldown.trace import Trace, TraceSpan

# Deeper nodes are not indented further: some ORMs cause plans that would exceed the page's width.
MAX_DEPTH = 24
MAX_NODES = 500


def page(drilldown: Drilldown, request: Request) -> Page:
    """Show one execution."""
    trace_id = parse(request.path_params["trace_id"]).trace_id
    span_id = request.path_params["span_id"].lower()
    trace = drilldown.trace(trace_id)
    found = drilldown.execution(trace, span_id)
    values = {
        "it": found,
        "where": insight.of_statement(found) if found.locked_ms else None,
        "trace": trace,
        "neighbours": _neighbours(trace, span_id),
        "nodes": nodes_of(found.plan.tree) if found.plan.tree else [],
        "most_samples": max((wait.samples for wait in found.waits), default=1),
        "span_links": drilldown.links.trace(trace_id, start=found.start, span_id=span_id),
        "query_links": drilldown.links.query(found.queryid, found.statement),
    }
    return Page(template="execution.html", values=values)


def _neighbours(trace: Trace, span_id: str) -> dict[str, TraceSpan | None]:
    """Return the statements before and after this one in its trace."""
    spans = trace.statements
    at = next(number for number, span in enumerate(spans) if span.span_id == span_id)
    return {
        "previous": spans[at - 1] if at else None,
        "next": spans[at + 1] if at + 1 < len(spans) else None,
    }


def nodes_of(tree: Tree) -> list[tuple[int, Node]]:
    """Return the plan's nodes with their depths in EXPLAIN's order; of a large plan the slowest ones."""
    shown = {node.id for node in tree.shown(MAX_NODES)}
    rows: list[tuple[int, Node]] = []
    pending = [(0, tree.root)]
    while pending:
        depth, node = pending.pop()
        if node.id in shown:
            rows.append((min(depth, MAX_DEPTH), node))
            pending += [(depth + 1, child) for child in reversed(node.children)]
    return rows
