"""Answers programs in JSON: who may ask, in which thread it is answered, and what an error looks like.

Beside lab/console/pages, which does the same for people. A few worker threads of its own keep a slow source
away from the event loop that takes spans in.
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
Answer = Callable[[Request], object]
# How an API words its errors: status and message in, the document out.
Complaint = Callable[[int, str], object]


class Access(Protocol):
    """Decides about readers; see lab/console/pages/access.py."""

    def knows(self, request: Request) -> bool:
        """Whether the reader may see anything."""


class Answering:
    """Makes endpoints out of functions that return a document, or raise an error of ours."""

    def __init__(self, access: Access, complaint: Complaint) -> None:
        self._access = access
        self._complaint = complaint
        self._threads = CapacityLimiter(THREADS)

    def endpoint(self, answer: Answer) -> Callable[[Request], object]:
        """Return an endpoint for readers only; what it returns becomes JSON as `to_json` makes it."""

        async def respond(request: Request) -> Response:
            if not self._access.knows(request):
                return self._failed(HTTPStatus.UNAUTHORIZED, "a bearer token is needed")
            return await to_thread.run_sync(self._made, answer, request, limiter=self._threads)

        return respond

    def _made(self, answer: Answer, request: Request) -> Response:
        try:
            return _json(answer(request))
        except NotFoundError as error:
            return self._failed(HTTPStatus.NOT_FOUND, str(error))
        except MalformedIdError as error:
            return self._failed(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
        except StoreError as error:
            return self._failed(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        except LabError as error:
            return self._failed(HTTPStatus.BAD_REQUEST, str(error))

    def _failed(self, status: HTTPStatus, message: str) -> Response:
        return _json(self._complaint(status, message), status)


def _json(document: object, status: int = HTTPStatus.OK) -> Response:
    body = msgspec.json.encode(to_json(document))
    return Response(body, status_code=status, media_type="application/json")
