"""Middleware with the RequestPolicy of the services: requests of other origins and hosts are refused."""

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from workload.request_policy import Header, RequestPolicy


class Guarded:
    """ASGI middleware; a request that the policy refuses is answered with 403 or 421."""

    def __init__(self, app: ASGIApp, policy: RequestPolicy) -> None:
        self._app = app
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on."""
        if scope["type"] == "http":
            refusal = self._policy.refusal(scope["method"], _header_of(scope), own_pages=True)
            if refusal is not None:
                answer = JSONResponse({"errors": [refusal.message]}, status_code=refusal.status)
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _header_of(scope: Scope) -> Header:
    headers = Headers(scope=scope)

    def header(name: str) -> str | None:
        found = headers.getlist(name)
        return ", ".join(found) if found else None

    return header
