"""JSON endpoints for programs: access control, worker threads, and the format of errors.

lab/console/pages does the same for HTML. The endpoints have a few worker threads of their own, so that a
slow source does not block the event loop that receives spans.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol

import msgspec
from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response

from lab.drilldown import MalformedIdError, NotFoundError, to_json
from lab.foundation.errors import LabError
from lab.telemetry.store import StoreError

THREADS = 2
Handler = Callable[[Request], object]
# The error document of an API, from status and message.
ErrorFormatter = Callable[[int, str], object]


class Access(Protocol):
    """Access control; see lab/console/pages/access.py."""

    def is_authorized(self, request: Request) -> bool:
        """Whether the request is authorized."""


class JsonEndpoints:
    """Makes endpoints of functions that return a document or raise a LabError."""

    def __init__(self, access: Access, format_error: ErrorFormatter) -> None:
        self._access = access
        self._format_error = format_error
        self._threads = CapacityLimiter(THREADS)

    def endpoint(self, handler: Handler) -> Callable[[Request], object]:
        """Return an endpoint for authorized requests; `to_json` converts the handler's document."""

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
    body = msgspec.json.encode(to_json(document))
    return Response(body, status_code=status, media_type="application/json")
