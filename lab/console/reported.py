"""`PUT /api/drills/summary`: the drills of a lab whose state directory this console does not share."""

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lab.console.answering import Access
from lab.drills.reporting import PATH
from lab.drills.summary import MAX_BYTES, SummaryFile
from lab.foundation.errors import LabError


def route(drills: SummaryFile, access: Access) -> Route:
    """Return the route; lab/drills/reporting.py is its client."""

    async def put(request: Request) -> Response:
        if not access.is_authorized(request):
            return _refused("a bearer token is needed", 401)
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > MAX_BYTES:
                return _refused(f"more than {MAX_BYTES:,} bytes", 413)
        try:
            await to_thread.run_sync(drills.update, bytes(body))
        except LabError as error:
            return _refused(str(error), 400)
        return Response(status_code=204)

    return Route(PATH, put, methods=["PUT"])


def _refused(message: str, status: int) -> Response:
    return JSONResponse({"errors": [message]}, status_code=status)
