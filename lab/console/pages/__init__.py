"""The console's pages: HTML rendered on the server from lab/console/overview and lab/drilldown.

Pages do not query the store, Prometheus or PostgreSQL themselves: they call these two packages, lab/drills
for injected faults and lab/compare for the comparison, and render the results.
"""

from lab.console.pages.site import Site
from lab.console.pages.table import PAGES

__all__ = ["PAGES", "Site"]
