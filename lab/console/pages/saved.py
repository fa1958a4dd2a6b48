"""`/saved`: saved links, and the form that saves the page from which it was opened."""

from starlette.requests import Request

from lab.console.pages import asking
from lab.console.pages.site import Page
from lab.console.saved_links import MOST, MOST_NAME, SavedLinks, is_page
from lab.drilldown import Drilldown
from lab.foundation.paths import Paths
from lab.foundation.timestamps import moment


def page(drilldown: Drilldown, request: Request) -> Page:
    """List the saved links, the newest first."""
    given = asking.word(request, "page") or ""
    links = SavedLinks(Paths.of(drilldown.settings)).all()
    values = {
        "saved": [(link, moment(link.at_ns)) for link in links],
        "page": given if is_page(given) else "",
        "name": asking.word(request, "name") or "",
        "error": asking.word(request, "error"),
        "most": MOST,
        "most_name": MOST_NAME,
    }
    return Page(template="saved.html", values=values)
