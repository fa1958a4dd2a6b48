"""Middleware with the doors of an exam: closed pages and APIs, and the log of requests.

Each path names the observers whose data it shows. Paths that are in no exam, such as the intake, /metrics
and the pages of the exam itself, are always open.
"""

import re
from http import HTTPStatus
from urllib.parse import urlencode

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lab.drilldown.remote import RECORDED
from lab.exam.doors import EXPLAINED, Door, Doors, doors
from lab.exam.errors import ClosedError
from lab.foundation.settings import LabSettings

EVERY = tuple(Door)
# None: closed in every exam, because it names faults or injects them.
NEEDS: tuple[tuple[re.Pattern[str], tuple[Door, ...] | None], ...] = (
    (re.compile(r"/"), EVERY),
    (re.compile(r"/traces"), (Door.APM,)),
    (re.compile(r"/traces/[^/]+"), (Door.APM,)),
    (re.compile(r"/traces/[^/]+/.+"), EXPLAINED),
    (re.compile(r"/map"), (Door.APM,)),
    (re.compile(r"/plans"), EXPLAINED),
    (re.compile(r"/queries(/.*)?"), (Door.PROMETHEUS, Door.DATADOG, Door.LOG)),
    (re.compile(r"/alerts"), (Door.PROMETHEUS,)),
    (re.compile(r"/sessions"), (Door.SQL,)),
    (re.compile(r"/compare"), EVERY),
    (re.compile(r"/prometheus"), (Door.PROMETHEUS,)),
    (re.compile(r"/drills(/.*)?"), None),
    (re.compile(r"/api/drilldown/(trace/.*|slowest-[a-z-]+)"), EXPLAINED),
    (re.compile(r"/api/drilldown/(queries|query/.*)"), (Door.PROMETHEUS, Door.DATADOG, Door.LOG)),
    (re.compile(r"/api/drilldown/sessions"), (Door.SQL,)),
    (re.compile(r"/jaeger/api/.+"), (Door.APM,)),
    (re.compile(r"/loki/api/.+"), (Door.LOG,)),
    (re.compile(r"/exam/evidence/prometheus"), (Door.PROMETHEUS,)),
    (re.compile(r"/exam/evidence/datadog"), (Door.DATADOG,)),
    (re.compile(r"/exam/evidence/apm"), (Door.APM,)),
    (re.compile(r"/exam/evidence/log"), (Door.LOG,)),
    (re.compile(r"/exam/evidence/sql"), (Door.SQL,)),
)  # fmt: skip
# One trace: with all of these doors open, its executions as well.
JOINED = re.compile(r"/traces/[^/]+|/jaeger/api/traces/.+")
MAX_RECORDED = 2_000_000


class Doored:
    """ASGI middleware; a closed page leads to /exam, a closed API answers 403."""

    def __init__(self, app: ASGIApp, settings: LabSettings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on and record the response."""
        found = _needed(Request(scope)) if scope["type"] == "http" else ()
        if found == ():
            await self._app(scope, receive, send)
            return
        state = await to_thread.run_sync(doors, self._settings)
        try:
            if found is None:
                state.require_none(scope["path"])
            else:
                state.require(*found)
                if JOINED.fullmatch(scope["path"]) and state.is_open(*EXPLAINED):
                    found = EXPLAINED
        except ClosedError as error:
            await _closed(Request(scope), str(error))(scope, receive, send)
            return
        if state.exam is None or found is None or _is_recorded(scope):
            await self._app(scope, receive, send)
            return
        await self._recorded(state, found, scope, receive, send)

    async def _recorded(
        self, state: Doors, needed: tuple[Door, ...], scope: Scope, receive: Receive, send: Send
    ) -> None:
        body = bytearray()
        statuses: list[int] = []

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
            elif message["type"] == "http.response.body":
                body.extend(message.get("body", b"")[: MAX_RECORDED - len(body)])
            await send(message)

        await self._app(scope, receive, keep)
        query = scope["query_string"].decode(errors="replace")
        what = f"{scope['path']}?{query}" if query else scope["path"]
        first, *further = needed
        failed = statuses != [HTTPStatus.OK]
        await to_thread.run_sync(
            lambda: state.record(first, what, bytes(body), *further, failed=failed)
        )


def _needed(request: Request) -> tuple[Door, ...] | None:
    """Return the doors that a path needs: none for a path that is always open, None for a closed one."""
    path = request.scope["path"]
    if path == "/metrics" and _is_person(request):
        return (Door.PROMETHEUS,)
    for pattern, needed in NEEDS:
        if pattern.fullmatch(path):
            return needed
    return ()


def _is_recorded(scope: Scope) -> bool:
    """Whether a command or an MCP tool of the lab asks, which records its request itself."""
    return all(Request(scope).headers.get(name) == value for name, value in RECORDED.items())


def _is_person(request: Request) -> bool:
    """Whether a browser asks, not Prometheus, an Agent or a script."""
    return "text/html" in request.headers.get("accept", "")


def _closed(request: Request, message: str) -> Response:
    if _is_person(request):
        where = urlencode({"closed": request.url.path})
        return RedirectResponse(f"/exam?{where}", status_code=303)
    return JSONResponse({"errors": [message]}, status_code=HTTPStatus.FORBIDDEN)
