"""`/queries` and `/queries/{key}`: statements by cost, and one statement over time."""

from collections.abc import Sequence

from starlette.requests import Request

from lab.console import overview
from lab.console.pages import asking
from lab.console.pages.chart import Chart, ChartSeries
from lab.console.pages.faults import bands
from lab.console.pages.site import Page
from lab.drilldown import Drilldown, queries
from lab.drilldown.queries import By, QuerySummary
from lab.drilldown.series import Counted
from lab.exam.doors import Door, doors

LIMIT = 100
DEFAULT_WINDOW = "1h"


def listed(drilldown: Drilldown, request: Request) -> Page:
    """List the top statements of a window."""
    window = asking.window(request, DEFAULT_WINDOW)
    by = asking.choice(request, "by", By.TIME)
    all_roles = bool(request.query_params.get("all"))
    wanted, service = asking.word(request, "q"), asking.word(request, "service")
    found = asking.attempt(
        lambda: _matching(
            drilldown.queries(
                by,
                since=window.since,
                until=window.until,
                role=None if all_roles else queries.APPLICATION,
                limit=LIMIT,
            ),
            wanted,
            service,
        )
    )
    filtered = {
        "by": by.value,
        **({"q": wanted} if wanted else {}),
        **({"service": service} if service else {}),
        **({"all": "1"} if all_roles else {}),
    }
    values = {
        **window.values(),
        "by": by,
        "orders": tuple(By),
        "all_roles": all_roles,
        "wanted": wanted,
        "service_name": service,
        "services": drilldown.services(),
        "filtered": filtered,
        "asked": {**filtered, **window.parameters},
        "found": found,
        "seconds": (window.until - window.since).total_seconds(),
        "largest_share": max((q.share for q in found.value or ()), default=1.0) or 1.0,
        "dbm_source": asking.attempt(lambda: overview.dbm_source(drilldown.reader)).value,
    }
    return Page(template="queries.html", values=values)


def _matching(
    found: Sequence[QuerySummary], wanted: str | None, service: str | None
) -> list[QuerySummary]:
    """Return the statements of a service whose name, text or queryid contains a text; case is ignored."""
    part = (wanted or "").lower()
    return [
        row
        for row in found
        if (service is None or row.owner == service)
        and part in f"{row.statement or ''} {row.text} {row.queryid or ''}".lower()
    ]


def one(drilldown: Drilldown, request: Request) -> Page:
    """Show one statement, by queryid or by name."""
    window = asking.window(request, DEFAULT_WINDOW)
    key = request.path_params["key"]
    found = drilldown.query(
        key, since=window.since, until=window.until, role=None, advise=_may_plan(drilldown)
    )
    queryid = found.queryids[0] if len(found.queryids) == 1 else None
    points = found.series.points
    step_s = found.series.step_s
    times_ms = [round(point.end.timestamp() * 1000) for point in points]
    faults = bands(drilldown, window.since, window.until)
    changes = [round(p.since.timestamp() * 1000) for p in found.plans if p.changed]
    values = {
        **window.values(),
        "it": found,
        "calls_chart": Chart(
            title="Calls per second",
            unit="per_second",
            times_ms=times_ms,
            series=_both(
                [_rate(p.prometheus, step_s) for p in points],
                # DBM sends changes only, no zeros: a step without its data had no calls.
                [_rate(p.dbm, step_s) if p.dbm or not p.prometheus else 0.0 for p in points],
            ),
            marks_ms=changes,
            bands=faults,
        ),
        "mean_chart": Chart(
            title="Mean time of a call",
            unit="ms",
            times_ms=times_ms,
            series=_both(
                [p.prometheus.mean_ms if p.prometheus else None for p in points],
                [p.dbm.mean_ms if p.dbm else None for p in points],
            ),
            marks_ms=changes,
            bands=faults,
        ),
        "query_links": drilldown.links.query(queryid, found.statement),
        "table_links": {table.name: drilldown.links.table(table.name) for table in found.tables},
        "planned": [each for each in found.slowest if each.has_trace and each.has_plan],
        "slowest_ms": max((each.server_ms for each in found.slowest), default=1.0) or 1.0,
    }
    return Page(template="query.html", values=values)


def _may_plan(drilldown: Drilldown) -> bool:
    """Whether PostgreSQL itself is open: its plans are evidence that an exam may close."""
    return doors(drilldown.settings).is_open(Door.SQL)


def _rate(counted: Counted | None, step_s: int) -> float | None:
    return None if counted is None else counted.calls / step_s


def _both(prometheus: Sequence[float | None], dbm: Sequence[float | None]) -> list[ChartSeries]:
    """Draw both lines over each other; DBM's is dashed, so that equal values show both."""
    return [
        ChartSeries(label="Prometheus", css="c-prometheus", values=prometheus),
        ChartSeries(label="DBM", css="c-dbm", values=dbm),
    ]
