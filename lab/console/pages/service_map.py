"""`/map`: the service map as a drawing and as a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import Request

from lab.console.overview.service_map import Edge
from lab.console.overview.service_map import service_map as edges_of
from lab.console.pages import asking
from lab.console.pages.site import Page
from lab.drilldown import Drilldown

# In SVG units: a column of callers, a column of callees.
LEFT, RIGHT, LINE, TOP = 190, 710, 52, 34
LEAST_WIDTH, MOST_WIDTH = 1.0, 14.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """A node of the drawing, at the end of its lines."""

    name: str
    x: int
    y: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """An edge of the drawing: as wide as its share of the time."""

    edge: Edge
    begin: Node
    end: Node
    width: float


def page(drilldown: Drilldown, request: Request) -> Page:
    """Show who calls whom in the window."""
    window = asking.window(request)
    found = asking.attempt(
        lambda: edges_of(drilldown.reader, since=window.since, until=window.until)
    )
    edges = found.value or ()
    callers, callees = _places(edges)
    values = {
        **window.values(),
        "found": found,
        "lines": _lines(edges, callers, callees),
        "places": [*callers.values(), *callees.values()],
        "height": TOP + LINE * max(len(callers), len(callees), 1),
        "right": RIGHT,
        "seconds": (window.until - window.since).total_seconds(),
        "parameters": window.parameters,
    }
    return Page(template="map.html", values=values)


def _places(edges: Sequence[Edge]) -> tuple[Mapping[str, Node], Mapping[str, Node]]:
    """Place the callers on the left and the callees on the right, spread over the same height."""
    callers = sorted({edge.caller for edge in edges})
    callees = sorted({edge.callee for edge in edges})
    height = LINE * max(len(callers), len(callees), 1)

    def column(names: Sequence[str], x: int) -> dict[str, Node]:
        step = height / max(len(names), 1)
        return {n: Node(name=n, x=x, y=TOP / 2 + step * (i + 0.5)) for i, n in enumerate(names)}

    return column(callers, LEFT), column(callees, RIGHT)


def _lines(
    edges: Sequence[Edge], callers: Mapping[str, Node], callees: Mapping[str, Node]
) -> list[Line]:
    most = max((edge.total_ms for edge in edges), default=0.0) or 1.0
    return [
        Line(
            edge=edge,
            begin=callers[edge.caller],
            end=callees[edge.callee],
            width=max(LEAST_WIDTH, MOST_WIDTH * edge.total_ms / most),
        )
        for edge in edges
    ]
