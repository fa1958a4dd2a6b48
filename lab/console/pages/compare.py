"""`/compare`: both observers compared with the ground truth, as `./creditlab compare` prints it.

The comparison runs only with a window in the URL, because it sends dozens of queries to PostgreSQL and
Prometheus: a link to the page alone does not start it.
"""

from types import MappingProxyType

from starlette.requests import Request

from lab.compare.answers import CLOSE_PERCENT, number
from lab.compare.run import run
from lab.console.pages import asking
from lab.console.pages.site import Page
from lab.drilldown import Drilldown
from lab.foundation import clock

# By URL parameter: label, seconds.
WINDOWS = MappingProxyType({
    "5m": ("5 min", 300.0),
    "10m": ("10 min", 600.0),
    "30m": ("30 min", 1800.0),
    "1h": ("1 h", 3600.0),
})  # fmt: skip
DEFAULT = "10m"


def page(drilldown: Drilldown, request: Request) -> Page:
    """Show the comparison of a window, or its description when no window is selected."""
    window = request.query_params.get("window")
    known = WINDOWS.get(window or "")
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
    }
    return Page(template="compare.html", values=values)
