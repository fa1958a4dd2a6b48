"""The server over streamable HTTP: on loopback, with a bearer token, for this machine's programs only.

The rules are those of the console: requests under another Host (DNS rebinding) or from a web page (Origin,
Sec-Fetch-Site) are refused before the token is compared, and wrong tokens are limited by address.
"""

import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from lab.foundation import statefile
from lab.foundation.errors import LabError
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.telemetry.intake import Gate
from workload.request_policy import RequestPolicy

HOST = "127.0.0.1"
PATH = "/mcp"
# A call has a few hundred bytes; a PromQL expression at most 4,000 characters.
MAX_REQUEST_BYTES = 100_000
MAX_SESSIONS = 32
IDLE_S = 900.0
DRAIN_S = 3
# Connections and waiting requests; beyond it 503.
MAX_CONNECTIONS = 64


class Protected:
    """ASGI middleware: loopback hosts, no web pages, and the bearer token."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate
        # The default: loopback names only, whatever BIND_ADDRESS is.
        self._policy = RequestPolicy()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or pass it on."""
        if scope["type"] == "http" and (answer := self._refusal(scope)):
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers = Headers(scope=scope)

        def header(name: str) -> str | None:
            found = headers.getlist(name)
            return ", ".join(found) if found else None

        refusal = self._policy.refusal(scope["method"], header, own_pages=False)
        if refusal is not None:
            return JSONResponse({"errors": [refusal.message]}, status_code=refusal.status)
        request = Request(scope)
        if self._gate.is_blocked(request):
            message = "Too many wrong tokens from this address. Try again in a minute."
            return JSONResponse({"errors": [message]}, status_code=429)
        if not self._gate.knows(request):
            message = (
                "The bearer token is missing or wrong. Send Authorization: Bearer TOKEN with the token of the"
                " file that `./creditlab mcp --http` names."
            )
            challenge = {"WWW-Authenticate": 'Bearer realm="credit-lab"'}
            return JSONResponse({"errors": [message]}, status_code=401, headers=challenge)
        return None


def application(server: MCPServer, token: str) -> ASGIApp:
    """Return the ASGI application of a server."""
    inner = server.streamable_http_app(
        streamable_http_path=PATH,
        json_response=True,
        max_request_body_size=MAX_REQUEST_BYTES,
        session_idle_timeout=IDLE_S,
        max_sessions=MAX_SESSIONS,
        # The same rules again, in the SDK: Host and Origin.
        transport_security=TransportSecuritySettings(
            enable_dns_rebinding_protection=True,
            allowed_hosts=["127.0.0.1:*", "localhost:*", "[::1]:*"],
            allowed_origins=[],
        ),
        host=HOST,
    )
    return Protected(inner, Gate(token))


def serve(server: MCPServer, token: str, listener: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM."""
    config = uvicorn.Config(
        application(server, token),
        loop="asyncio",
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_graceful_shutdown=DRAIN_S,
    )
    uvicorn.Server(config).run(sockets=[listener])


@contextmanager
def listening(port: int) -> Iterator[socket.socket]:
    """Open the listening socket on loopback; port 0 selects a free one.

    Raises:
        LabError: when the port is in use.
    """
    try:
        listener = socket.create_server((HOST, port))
    except OSError as error:
        raise LabError(
            f"The MCP server cannot listen on {HOST}:{port}: {error.strerror}.\n"
            "Choose a free port: ./creditlab mcp --http --port PORT."
        ) from error
    with listener:
        yield listener


def token_file(settings: LabSettings) -> Path:
    """Return the file with the token, readable by its owner only."""
    return Paths.of(settings).mcp_token


def token_of(settings: LabSettings) -> str:
    """Return the token: LAB_CONSOLE_TOKEN, else that of the file, which is created when it is missing."""
    if settings.lab_console_token is not None:
        return settings.lab_console_token.get_secret_value()
    path = token_file(settings)
    try:
        kept = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        kept = ""
    if not kept:
        kept = secrets.token_urlsafe(32)
        statefile.write(path, f"{kept}\n".encode())
        path.chmod(0o600)
    return kept
