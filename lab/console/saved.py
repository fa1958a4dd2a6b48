"""The forms of `/saved`: add and delete, by POST from the console's own page.

lab/console/guard.py has refused other sites before. The page is in lab/console/pages/saved.py.
"""

from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, urlencode

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from lab.console.answering import Access
from lab.console.saved_links import SavedLinks
from lab.foundation.errors import LabError

MAX_BYTES = 8_000
Fields = Mapping[str, str]


def routes(links: SavedLinks, access: Access) -> list[Route]:
    """Return the routes of the forms."""

    def add(fields: Fields) -> None:
        links.add(fields.get("name", ""), fields.get("page", ""))

    def delete(fields: Fields) -> None:
        links.delete(fields.get("key", ""))

    def endpoint(action: Callable[[Fields], None]) -> Callable[[Request], object]:
        async def respond(request: Request) -> Response:
            if not access.is_authorized(request):
                return PlainTextResponse("a bearer token is needed", status_code=401)
            body = b""
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BYTES:
                    return PlainTextResponse("the form is too large", status_code=413)
            fields = dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
            return await to_thread.run_sync(_done, action, fields)

        return respond

    return [
        Route("/saved/add", endpoint(add), methods=["POST"]),
        Route("/saved/delete", endpoint(delete), methods=["POST"]),
    ]


def _done(action: Callable[[Fields], None], fields: Fields) -> Response:
    """Return to the page; an error is shown there, with what was filled in."""
    try:
        action(fields)
    except (LabError, OSError) as error:
        given = {"error": str(error)[:400], "name": fields.get("name", "")[:200]}
        query = urlencode({**given, "page": fields.get("page", "")[:200]})
        return RedirectResponse(f"/saved?{query}", status_code=303)
    return RedirectResponse("/saved", status_code=303)
