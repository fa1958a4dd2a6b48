"""`/compare`: both observers compared with the ground truth, as `./creditlab compare` prints it.

The comparison runs only with a window in the URL, because it sends dozens of queries to PostgreSQL and
Prometheus: a link to the page alone does not start it.
"""

from bisect import bisect_right
from collections.abc import Sequence
from types import MappingProxyType

from starlette.requests import Request

from lab.compare.answers import CLOSE_PERCENT, Compared
from lab.compare.comparison import EXACT_PERCENT, Comparison
from lab.compare.run import run
from lab.compare.wording import PARTS, number, parts_text, signed_percent
from lab.console.pages import asking
from lab.console.pages.chart import Chart, ChartSeries
from lab.console.pages.site import Page
from lab.drilldown import Drilldown
from lab.foundation import clock
from lab.foundation.timestamps import NS_PER_MS, NS_PER_S

# By URL parameter: label, seconds.
WINDOWS = MappingProxyType({
    "5m": ("5 min", 300.0),
    "10m": ("10 min", 600.0),
    "30m": ("30 min", 1800.0),
    "1h": ("1 h", 3600.0),
})  # fmt: skip
DEFAULT = "10m"
# A chart needs two sides to compare; points of a side are ten or fifteen seconds apart.
LEAST_SIDES = 2
MOST_POINTS = 60
LEAST_STEP_NS = 10 * NS_PER_S


def page(drilldown: Drilldown, request: Request) -> Page:
    """Show the comparison of a window, or its description when no window is selected."""
    window = request.query_params.get("window")
    known = WINDOWS.get(window or "")
    if window and known is None:
        asking.report(request, "window", window, f"one of {', '.join(WINDOWS)}")
    found = asking.attempt(lambda: run(drilldown.settings, since_s=known[1])) if known else None
    values = {
        "window": window,
        "default": DEFAULT,
        "windows": [(key, label) for key, (label, _) in WINDOWS.items()],
        "label": known[0] if known else "",
        "found": found,
        "at": clock.now(),
        "figure": number,
        "close": CLOSE_PERCENT,
        "exact": EXACT_PERCENT,
        "legend": PARTS,
        "parts_text": parts_text,
        "percent": signed_percent,
        "drawn": charts(found.value) if found and found.value else {},
    }
    return Page(template="compare.html", values=values)


def charts(found: Comparison) -> dict[str, Chart]:
    """Return a chart for each question whose sides have points over time."""
    drawn = ((row.question, _chart(row)) for row in found.rows)
    return {question: chart for question, chart in drawn if chart is not None}


def _chart(row: Compared) -> Chart | None:
    """Draw all three sides at the same times: each with its newest point then."""
    sides = [
        ("truth", "c-CPU", row.truth.points),
        ("Prometheus", "c-prometheus", row.prometheus.points),
        ("Datadog", "c-dbm", row.datadog.points),
    ]
    known = [points for _, _, points in sides if points]
    if len(known) < LEAST_SIDES:
        return None
    first, last = min(points[0][0] for points in known), max(points[-1][0] for points in known)
    step_ns = max((last - first) // MOST_POINTS, LEAST_STEP_NS)
    times = list(range(first + step_ns, last + step_ns, step_ns))
    return Chart(
        title=f"{row.question}, over time; counters per second",
        unit="value",
        times_ms=[at_ns // NS_PER_MS for at_ns in times],
        series=[
            ChartSeries(label=label, css=css, values=_at(points, times, step_ns))
            for label, css, points in sides
            if points
        ],
    )


def _at(
    points: Sequence[tuple[int, float]], times: Sequence[int], step_ns: int
) -> list[float | None]:
    """Return the newest value at each time; None where it is older than three steps."""
    known = [at_ns for at_ns, _ in points]
    indexes = [bisect_right(known, at_ns) - 1 for at_ns in times]
    return [
        points[index][1] if index >= 0 and at_ns - known[index] <= 3 * step_ns else None
        for index, at_ns in zip(indexes, times, strict=True)
    ]
