"""Forms of the console's own pages, sent by POST; lab/console/guard.py has refused other sites before."""

from collections.abc import Callable, Mapping
from typing import TypeAlias
from urllib.parse import parse_qs, urlencode

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from lab.console.access import Access
from lab.console.answering import body_of
from lab.foundation.errors import LabError

MAX_BYTES = 20_000
Fields: TypeAlias = Mapping[str, str]


def form(page: str, path: str, action: Callable[[Fields], object], access: Access) -> Route:
    """Return the route of a form.

    Args:
        page: the path to which the response leads; it shows an error, with what was filled in.
        path: to which the form is sent.
        action: called with the fields; the values of a field that was sent several times are separated by
            commas.
        access: who may send it.
    """

    async def respond(request: Request) -> Response:
        if not access.is_authorized(request):
            return PlainTextResponse("a bearer token is needed", status_code=401)
        body = await body_of(request, MAX_BYTES)
        if body is None:
            return PlainTextResponse("the form is too large", status_code=413)
        given = parse_qs(body.decode(errors="replace"), keep_blank_values=True)
        fields = {name: ",".join(values).strip() for name, values in given.items()}
        return await to_thread.run_sync(_done, page, action, fields)

    return Route(path, respond, methods=["POST"])


def _done(page: str, action: Callable[[Fields], object], fields: Fields) -> Response:
    try:
        action(fields)
    except (LabError, OSError) as error:
        kept = {name: value[:200] for name, value in fields.items() if value}
        query = urlencode({**kept, "error": str(error)[:400]})
        return RedirectResponse(f"{page}?{query}", status_code=303)
    return RedirectResponse(page, status_code=303)
