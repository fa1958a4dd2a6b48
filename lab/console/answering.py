"""Endpoints for programs: access control, worker threads, limits of bodies, and the format of errors.

lab/console/pages does the same for HTML. The endpoints have a few worker threads of their own, so that a
slow source does not block the event loop that receives spans.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus

import msgspec
from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lab.console.access import Access
from lab.drilldown import MalformedIdError, NotFoundError
from lab.foundation.errors import LabError
from lab.telemetry.store import StoreError

THREADS = 2
Handler = Callable[[Request], object]
Endpoint = Callable[[Request], object]
# The error document of an API, from status and message.
ErrorFormatter = Callable[[int, str], object]


class JsonEndpoints:
    """Makes endpoints of functions that return a document or raise a LabError."""

    def __init__(self, access: Access, format_error: ErrorFormatter) -> None:
        self._access = access
        self._format_error = format_error
        self._threads = CapacityLimiter(THREADS)

    def routes(self, prefix: str, handlers: Mapping[str, Handler]) -> list[Route]:
        """Return the routes of handlers by their paths below `prefix`."""
        return [
            Route(f"{prefix}{path}", self._endpoint(handler)) for path, handler in handlers.items()
        ]

    def _endpoint(self, handler: Handler) -> Endpoint:
        """Return an endpoint for authorized requests; it converts the handler's document to JSON."""

        async def respond(request: Request) -> Response:
            if not self._access.is_authorized(request):
                return self._failed(HTTPStatus.UNAUTHORIZED, "a bearer token is needed")
            return await to_thread.run_sync(self._handle, handler, request, limiter=self._threads)

        return respond

    def _handle(self, handler: Handler, request: Request) -> Response:
        try:
            return _json(handler(request))
        except NotFoundError as error:
            return self._failed(HTTPStatus.NOT_FOUND, str(error))
        except MalformedIdError as error:
            return self._failed(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
        except StoreError as error:
            return self._failed(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        except LabError as error:
            return self._failed(HTTPStatus.BAD_REQUEST, str(error))

    def _failed(self, status: HTTPStatus, message: str) -> Response:
        return _json(self._format_error(status, message), status)


def _json(document: object, status: int = HTTPStatus.OK) -> Response:
    body = msgspec.json.encode(msgspec.to_builtins(document))
    return Response(body, status_code=status, media_type="application/json")


def receiver(access: Access, most: int, action: Callable[[bytes], object]) -> Endpoint:
    """Return an endpoint that calls `action` with the body of a request, of at most `most` bytes."""

    async def respond(request: Request) -> Response:
        if not access.is_authorized(request):
            return refused("a bearer token is needed", HTTPStatus.UNAUTHORIZED)
        body = await body_of(request, most)
        if body is None:
            return refused(f"more than {most:,} bytes", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        try:
            await to_thread.run_sync(action, body)
        except LabError as error:
            return refused(str(error), HTTPStatus.BAD_REQUEST)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    return respond


async def body_of(request: Request, most: int) -> bytes | None:
    """Return the body of a request; None, before all of it is read, when it has more than `most` bytes."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            return None
    return bytes(body)


def refused(message: str, status: HTTPStatus) -> Response:
    """Return the response to a request that a receiver refuses."""
    return JSONResponse({"errors": [message]}, status_code=status)
