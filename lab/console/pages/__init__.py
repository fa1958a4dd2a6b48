"""The console's pages: HTML made on the server, from what lab/console/overview and lab/drilldown answer.

No page asks the store, Prometheus or PostgreSQL itself: it calls those two, lab/drills for what was broken
on purpose and lab/compare for the comparison, and writes down what they say.
"""

from lab.console.pages.access import Access
from lab.console.pages.site import Site
from lab.console.pages.table import PAGES

__all__ = ["PAGES", "Access", "Site"]
