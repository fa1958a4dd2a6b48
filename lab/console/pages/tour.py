"""`/tour`: the steps of `./creditlab tour`, with commands to copy and pages to open."""

from starlette.requests import Request

from lab.console.pages import asking
from lab.console.pages.site import Page
from lab.drilldown import Drilldown
from lab.learn.tour import Language, steps

LABELS = {
    Language.EN: {
        "title": "Tour",
        "look": "What to observe",
        "open": "Open the page",
        "next": "Next, find a fault yourself. An exercise starts with a symptom and has hints. An exam"
        " starts a fault without naming it, opens the observers that you select, and gives a score.",
        "exam": "Start an exam",
        "exercises": "Exercises",
    },
    Language.PT: {
        "title": "Tour",
        "look": "O que observar",
        "open": "Abrir a página",
        "next": "A seguir, encontre uma falha. Um exercício começa com um sintoma e tem dicas. Um exame"
        " cria uma falha sem nome, abre os observadores que você escolhe e dá uma nota.",
        "exam": "Iniciar um exame",
        "exercises": "Exercícios",
    },
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
