"""The drilldown's JSON API, for the command line when the store is in a container, and for other programs.

lab/drilldown/remote.py is a client of it. Every response is an object of lab/drilldown, converted by
`msgspec.to_builtins`; an error is `{"errors": [message]}`.
"""

from datetime import datetime

from starlette.requests import Request
from starlette.routing import Route

from lab.console.access import Access
from lab.console.answering import Handler, JsonEndpoints
from lab.drilldown import By, Drilldown
from lab.drilldown.remote import API
from lab.exam.doors import Door, doors
from lab.foundation.errors import LabError
from lab.foundation.suggestions import unknown


def routes(drilldown: Drilldown, access: Access) -> list[Route]:
    """Return the API's routes; all of them only read."""
    endpoints = JsonEndpoints(access, lambda _, message: {"errors": [message]})
    handlers: dict[str, Handler] = {
        "/trace/{key:path}": lambda request: drilldown.report(
            request.path_params["key"], request.query_params.get("service")
        ),
        "/slowest-explained": lambda request: drilldown.report_explained(_since(request)),
        "/queries": lambda request: drilldown.queries(_by(request)),
        "/query/{key:path}": lambda request: drilldown.query(
            request.path_params["key"],
            # PostgreSQL's plans are evidence that an exam may close.
            advise="advise" in request.query_params and doors(drilldown.settings).is_open(Door.SQL),
        ),
        "/sessions": lambda _: drilldown.sessions(),
    }
    return endpoints.routes(API, handlers)


def _by(request: Request) -> By:
    given = request.query_params.get("by", By.TIME.value)
    if given not in list(By):
        raise LabError(unknown("order", given, By))
    return By(given)


def _since(request: Request) -> datetime:
    given = request.query_params.get("since", "")
    try:
        return datetime.fromisoformat(given)
    except ValueError:
        raise LabError(f'since="{given[:40]}" is not a time: ISO 8601 is expected.') from None
