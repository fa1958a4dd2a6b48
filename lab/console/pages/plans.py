"""`/plans?a=TRACE/SPAN&b=TRACE/SPAN`: the plans of two executions side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request

from lab.console.pages import asking
from lab.console.pages.execution import nodes_of
from lab.console.pages.site import Page
from lab.drilldown import Drilldown
from lab.drilldown.errors import MalformedIdError
from lab.drilldown.execution import StatementExecution
from lab.drilldown.ids import parse
from lab.drilldown.plans.tree import Node


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """One execution; `nodes` with their depths, `own` the labels that the other has not."""

    it: StatementExecution
    nodes: Sequence[tuple[int, Node]]
    own: frozenset[str]


def page(drilldown: Drilldown, request: Request) -> Page:
    """Show two executions.

    Raises:
        MalformedIdError: when one of them is not TRACE/SPAN.
        NotFoundError: when the store does not have it.
    """
    found = [_execution(drilldown, asking.word(request, name), name) for name in ("a", "b")]
    trees = [it.plan.tree for it in found]
    nodes = [nodes_of(tree) if tree else [] for tree in trees]
    labels = [{node.label for _, node in each} for each in nodes]
    sides = [
        Side(it=it, nodes=nodes[i], own=frozenset(labels[i] - labels[1 - i]))
        for i, it in enumerate(found)
    ]
    return Page(
        template="plans.html",
        values={"sides": sides, "same": found[0].plan.shape == found[1].plan.shape},
    )


def _execution(drilldown: Drilldown, given: str | None, name: str) -> StatementExecution:
    trace_id, _, span_id = (given or "").partition("/")
    if not span_id:
        raise MalformedIdError(
            f"{name}={given or ''} is not an execution: TRACE_ID/SPAN_ID is expected."
            "\nThe page of a statement links to comparisons of its executions."
        )
    return drilldown.execution(parse(trace_id).trace_id, span_id.lower())
