"""The HTTP server of the services, the shop and the embedded agent: waitress, with limits on connections.

waitress reads headers and bodies in one thread and passes complete requests to a few others, so that a client
that sends slowly uses no thread. In addition, a request must arrive within a time limit, and when all
connections are in use, the one without a complete request for the longest time is closed: half-open
connections never block a scrape or a health check.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer

from workload.errors import PortTakenError
from workload.request_policy import Header, RequestPolicy

THREADS = 8
MAX_CONNECTIONS = 100
MAX_HEADER_BYTES = 16_384
MAX_BODY_BYTES = 4096
# From the first byte of a request to its last, or from the connection to the first request.
REQUEST_TIMEOUT_S = 5.0
KEEP_ALIVE_S = 30

# Do not log a connection that is closed for a new one.
logging.getLogger("waitress").setLevel(logging.ERROR)


class _Channel(HTTPChannel):  # type: ignore[misc]
    """A connection; `waiting_since` is the time of its last complete request."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.waiting_since = time.monotonic()
        self.has_asked = False
        super().__init__(*arguments, **options)

    def received(self, data: bytes) -> bool:
        begins = self.request is None
        if begins and self.has_asked:
            self.waiting_since = time.monotonic()
        taken: bool = super().received(data)
        if self.requests:
            self.waiting_since, self.has_asked = time.monotonic(), True
        return taken

    @property
    def is_idle(self) -> bool:
        """Whether no request of it is under way."""
        return not self.requests

    def is_late(self, now: float) -> bool:
        """Whether the time limit of a request is exceeded."""
        is_partial = self.request is not None or not self.has_asked
        return self.is_idle and is_partial and now - self.waiting_since > REQUEST_TIMEOUT_S


class _Server(TcpWSGIServer):  # type: ignore[misc]
    channel_class = _Channel

    def handle_accept(self) -> None:
        if len(self.active_channels) >= MAX_CONNECTIONS:
            self._make_room()
        super().handle_accept()

    def maintenance(self, now: float) -> None:
        super().maintenance(now)
        for channel in list(self.active_channels.values()):
            if channel.is_late(time.monotonic()):
                # The loop closes it; it is iterating over its channels now.
                channel.will_close = True

    def _make_room(self) -> None:
        idle = [channel for channel in self.active_channels.values() if channel.is_idle]
        if idle:
            min(idle, key=lambda channel: (channel.has_asked, channel.waiting_since)).handle_close()


def serve(application: WSGIApplication, *, address: str, port: int, setting: str) -> None:
    """Serve an application from its own threads; `setting` is the name of the port's setting.

    Raises:
        PortTakenError: when another process listens there.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        listener = socket.create_server((address, port), family=family)
    except OSError as error:
        raise PortTakenError(
            f"cannot listen on {address}:{port}: {os.strerror(error.errno or 0)};"
            f" {setting} in .env changes the port"
        ) from error
    adjustments = Adjustments(
        sockets=[listener],
        threads=THREADS,
        # Twice: at MAX_CONNECTIONS a connection is closed; at waitress's own limit it would stop accepting.
        connection_limit=2 * MAX_CONNECTIONS,
        channel_timeout=KEEP_ALIVE_S,
        cleanup_interval=1,
        asyncore_use_poll=True,
        max_request_header_size=MAX_HEADER_BYTES,
        max_request_body_size=MAX_BODY_BYTES,
        ident=None,
    )
    server = _Server(
        application,
        map={},
        _sock=listener,
        adj=adjustments,
        bind_socket=False,
        sockinfo=(family, socket.SOCK_STREAM, 0, listener.getsockname()),
    )
    threading.Thread(target=server.run, name="http", daemon=True).start()


def header_of(environ: WSGIEnvironment) -> Header:
    """Return the function by which a RequestPolicy reads headers."""

    def header(name: str) -> str | None:
        value: str | None = environ.get(f"HTTP_{name.upper().replace('-', '_')}")
        return value

    return header


class Guarded:
    """A WSGI application behind a RequestPolicy: refused requests do not reach it."""

    def __init__(
        self, application: WSGIApplication, policy: RequestPolicy, *, own_pages: bool = False
    ) -> None:
        self._application = application
        self._policy = policy
        self._own_pages = own_pages

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        refusal = self._policy.refusal(
            environ["REQUEST_METHOD"], header_of(environ), own_pages=self._own_pages
        )
        if refusal is None:
            return self._application(environ, start_response)
        body = f"{refusal.message}\n".encode()
        start_response(
            f"{refusal.status.value} {refusal.status.phrase}",
            [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))],
        )
        return [body]
