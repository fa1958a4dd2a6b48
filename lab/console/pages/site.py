"""The pages as routes: access control, worker threads, rendering, and error pages.

Pages are rendered in a few worker threads of their own, so that neither a slow response of PostgreSQL nor a
long list blocks the event loop that receives spans.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs, quote, urlencode

from anyio import CapacityLimiter, to_thread
from jinja2 import (
    ChoiceLoader,
    Environment,
    PackageLoader,
    PrefixLoader,
    StrictUndefined,
    select_autoescape,
)
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from lab.console.access import Access
from lab.console.answering import body_of
from lab.console.pages import asking, colours, formats
from lab.drilldown import Drilldown
from lab.drilldown.errors import MalformedIdError, NotFoundError, PendingTraceError
from lab.foundation.errors import LabError
from lab.foundation.plural import plural
from lab.foundation.settings import LabSettings
from lab.telemetry.store import OutOfRangeError
from lab.telemetry.store.senders import CHECK_LABEL, embedded_label
from workload import __version__

STATIC = Path(__file__).with_name("static")
RENDERERS = 3
MAX_FORM_BYTES = 4_000
# No external content, no inline script or style: markup injected by a value of the database would have no
# effect.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # Not "no-referrer": browsers would send Origin "null" with the login's own form.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """The result of a page handler: a template and its values."""

    template: str
    values: Mapping[str, object]
    status: int = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Redirect:
    """The result of a page handler that redirects to another path of the console."""

    path: str


PageHandler = Callable[[Drilldown, Request], Page | Redirect]


class Site:
    """All pages; `routes` come before the intake's, which match all other paths."""

    def __init__(
        self, drilldown: Drilldown, access: Access, pages: Mapping[str, PageHandler]
    ) -> None:
        self._drilldown = drilldown
        self._access = access
        self._pages = pages
        self._threads = CapacityLimiter(RENDERERS)
        self._templates = _environment(drilldown.settings)

    def routes(self) -> list[BaseRoute]:
        """Return the routes of the pages, of the login, and of their style and script."""
        return [
            Mount("/static", StaticFiles(directory=STATIC), name="static"),
            Route("/login", self._login, methods=["POST"]),
            *(Route(path, self._endpoint(handler)) for path, handler in self._pages.items()),
        ]

    def not_found(self, request: Request) -> Response:
        """Return the response for an unknown path."""
        what = f"There is no page {request.url.path}."
        return self._failure(request, 404, "Not found", what)

    def _endpoint(self, handler: PageHandler) -> Callable[[Request], object]:
        async def answer(request: Request) -> Response:
            refusal = self._refusal(request)
            if refusal is not None:
                return refusal
            return await to_thread.run_sync(self._handle, handler, request, limiter=self._threads)

        return answer

    def _handle(self, handler: PageHandler, request: Request) -> Response:
        try:
            result = handler(self._drilldown, request)
        except PendingTraceError as error:
            return self._failure(request, HTTPStatus.OK, "Not here yet", str(error))
        except (NotFoundError, MalformedIdError, OutOfRangeError) as error:
            return self._failure(request, 404, "Not found", str(error))
        except LabError as error:
            return self._failure(request, 503, "No answer", str(error))
        if isinstance(result, Redirect):
            return RedirectResponse(result.path, status_code=303)
        return self._render(request, result)

    def _failure(self, request: Request, status: int, title: str, message: str) -> Response:
        first, _, rest = message.partition("\n")
        pending = status == HTTPStatus.OK
        values = {"title": title, "message": first, "advice": rest, "pending": pending}
        return self._render(request, Page(template="failure.html", values=values, status=status))

    def _render(self, request: Request, page: Page) -> Response:
        template = self._templates.get_template(page.template)
        body = template.render(
            {"selected": None, **page.values},
            path=request.url.path,
            links=self._drilldown.links,
            keep=_time_range(request),
            here=_here(request),
            reported=asking.reported(request),
        )
        return HTMLResponse(body, status_code=page.status, headers=HEADERS)

    def _refusal(self, request: Request) -> Response | None:
        if self._access.is_authorized(request):
            return None
        values = {"then": f"{request.url.path}?{request.url.query}", "wrong": False}
        response = self._render(request, Page(template="login.html", values=values, status=401))
        self._access.forget(response)
        return response

    async def _login(self, request: Request) -> Response:
        body = await body_of(request, MAX_FORM_BYTES)
        if body is None:
            return HTMLResponse("", status_code=413)
        form = parse_qs(body.decode(errors="replace"))
        then = form.get("then", ["/"])[0]
        if self._access.is_blocked(request):
            message = "Too many wrong tokens came from your address.\nTry again in a minute."
            return self._failure(request, 429, "Wait a minute", message)
        if not self._access.is_token(request, form.get("token", [""])[0]):
            values = {"then": then, "wrong": True}
            return self._render(request, Page(template="login.html", values=values, status=403))
        response = RedirectResponse(_own_path(then), status_code=303)
        self._access.remember(response)
        return response


def _time_range(request: Request) -> str:
    """Return the time range of the URL as a query, for links to other pages; empty without one."""
    given = {name: request.query_params.get(name, "") for name in ("window", "from", "to")}
    return urlencode({name: value for name, value in given.items() if value})


def _here(request: Request) -> str:
    """Return the address of this page as a parameter of `/saved`."""
    query = f"?{request.url.query}" if request.url.query else ""
    return urlencode({"page": f"{request.url.path}{query}"})


def _own_path(path: str) -> str:
    """Return a path of the console; two slashes or backslashes at the start would leave the console."""
    return quote(path, safe="/?&=%+-_.") if path[:1] == "/" and path[1:2] not in "/\\" else "/"


def _environment(settings: LabSettings) -> Environment:
    environment = Environment(
        loader=ChoiceLoader(
            [
                PackageLoader("lab.console.pages"),
                PrefixLoader(
                    {
                        "compare": PackageLoader("lab.compare", "."),
                        "exam": PackageLoader("lab.exam", "."),
                    }
                ),
            ]
        ),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update({
        "ms": formats.milliseconds,
        "signed_ms": formats.signed_milliseconds,
        "seconds": formats.seconds,
        "whole_seconds": formats.whole_seconds,
        "number": formats.number,
        "compact": formats.compact,
        "per_second": formats.per_second,
        "share": formats.share,
        "size": formats.size,
        "age": formats.age,
        "figure": formats.figure,
        "sentence": formats.sentence,
        "code": formats.code,
        "plural": plural,
        "service": colours.of_service,
    })  # fmt: skip
    environment.globals.update(
        version=__version__,
        embedded=embedded_label(settings.embedded_agent_activity_seconds),
        check=CHECK_LABEL,
        wait=colours.of_wait,
    )
    return environment
