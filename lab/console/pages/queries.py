"""`/queries` and `/queries/{key}`: statements by what they cost, and one of them over time."""

from collections.abc import Callable

from starlette.requests import Request

from lab import overview
from lab.console.pages import asking
from lab.console.pages.chart import Chart, Series
from lab.console.pages.site import Page
from lab.drilldown import Desk, queries, query
from lab.drilldown.queries import By
from lab.drilldown.series import Counted, Point

LIMIT = 100
DEFAULT_WINDOW = "1h"
PROMETHEUS, DBM = "Prometheus", "DBM"


def listed(desk: Desk, request: Request) -> Page:
    """List the statements that did most in a window."""
    window = asking.window(request, DEFAULT_WINDOW)
    asked = request.query_params.get("by")
    by = By(asked) if asked in set(By) else By.TIME
    everybody = bool(request.query_params.get("all"))
    found = asking.attempt(
        lambda: desk.queries(
            by,
            since=window.since,
            until=window.until,
            role=None if everybody else queries.APPLICATION,
            limit=LIMIT,
        )
    )
    values = {
        **window.values(),
        "by": by,
        "orders": tuple(By),
        "everybody": everybody,
        "found": found,
        "seconds": (window.until - window.since).total_seconds(),
        "largest_share": max((q.share for q in found.value or ()), default=1.0) or 1.0,
        "dbm_source": asking.attempt(lambda: overview.dbm_source(desk.reader)).value,
    }
    return Page(template="queries.html", values=values)


def one(desk: Desk, request: Request) -> Page:
    """Show one statement, by queryid or by name."""
    window = asking.window(request, DEFAULT_WINDOW)
    key = request.path_params["key"]
    found = query.query(
        desk.reader, desk.prometheus, key, since=window.since, until=window.until, role=None
    )
    queryid = found.queryids[0] if len(found.queryids) == 1 else None
    points = found.series.points
    step_s = found.series.step_s
    changes = [round(p.since.timestamp() * 1000) for p in found.plans if p.changed]
    values = {
        **window.values(),
        "it": found,
        "calls_chart": _compared(
            "Calls per second", "per_second", points, lambda c: c.calls / step_s, changes
        ),
        "mean_chart": _compared("Mean time of a call", "ms", points, lambda c: c.mean_ms, changes),
        "query_links": desk.links.query(queryid, found.statement),
        "table_links": {table.name: desk.links.table(table.name) for table in found.tables},
        "slowest_ms": max((each.server_ms for each in found.slowest), default=1.0) or 1.0,
    }
    return Page(template="query.html", values=values)


def _compared(
    title: str,
    unit: str,
    points: tuple[Point, ...],
    read: Callable[[Counted], float | None],
    changes: list[int],
) -> Chart:
    """Draw both observers over each other: where they agree, one line hides the other."""

    def values(counted: list[Counted | None]) -> list[float | None]:
        return [None if one is None else read(one) for one in counted]

    return Chart(
        title=title,
        unit=unit,
        times_ms=[round(point.end.timestamp() * 1000) for point in points],
        series=[
            Series(
                label=PROMETHEUS, css="c-prometheus", values=values([p.prometheus for p in points])
            ),
            Series(label=DBM, css="c-dbm", values=values([p.dbm for p in points])),
        ],
        marks_ms=changes,
    )
