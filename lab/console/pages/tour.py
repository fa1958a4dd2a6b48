"""`/tour`: the steps of `./creditlab tour`, with commands to copy and pages to open."""

from starlette.requests import Request

from lab.console.pages import asking
from lab.console.pages.site import Page
from lab.drilldown import Drilldown
from lab.learn.tour import Language, steps

LABELS = {
    Language.EN: {"title": "Tour", "look": "What to observe", "open": "Open the page"},
    Language.PT: {"title": "Tour", "look": "O que observar", "open": "Abrir a página"},
}


def page(drilldown: Drilldown, request: Request) -> Page:
    """Show the tour in the language of the URL, else of the browser."""
    del drilldown
    accepted = request.headers.get("accept-language", "")
    default = Language.PT if accepted.lower().startswith("pt") else Language.EN
    language = asking.choice(request, "lang", default)
    values = {
        "language": language,
        "languages": tuple(Language),
        "labels": LABELS[language],
        "steps": steps(language),
    }
    return Page(template="tour.html", values=values)
