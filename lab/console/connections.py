"""The console's connections: a time limit for headers, and a new connection replaces the longest idle one.

uvicorn itself answers all requests with 503 when its limit of connections is reached, and waits for headers
without a limit; so a few hundred half-open connections would make it unavailable. Here the connection that
has been without a request for longest is closed, and a body that continues after its response is discarded
and cut off.
"""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_CONNECTIONS = 200
# From the connection, or from the first byte of a later request, to the end of the headers.
HEADER_TIMEOUT_S = 5.0
# For how long the rest of a refused body is discarded, so that its sender can read the response.
LINGER_S = 2.0


class BoundedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 protocol, one object per connection, with limits."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._since = self.loop.time()
        self._header_timer: asyncio.TimerHandle | None = None
        self._is_discarding = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept the connection; at the limit, close the one that has been idle for longest."""
        if len(self.connections) >= MAX_CONNECTIONS:
            self._make_room()
        super().connection_made(transport)
        self._await_headers()

    def data_received(self, data: bytes) -> None:
        """Read data; discard them when the request has already been answered."""
        if self._is_discarding:
            return
        if self._is_waiting and self._header_timer is None:
            self._await_headers()
        super().data_received(data)
        if not self._is_waiting:
            self._forget_timer()

    def on_response_complete(self) -> None:
        """Wait for the next request; discard and cut off the rest of an unread body."""
        self._since = self.loop.time()
        self._forget_timer()
        if self.conn.their_state is h11.SEND_BODY:
            self._is_discarding = True
            self.flow.resume_reading()
            self.loop.call_later(LINGER_S, self.transport.abort)
        else:
            super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._forget_timer()
        super().connection_lost(exc)

    @property
    def _is_waiting(self) -> bool:
        """Whether no request is in progress."""
        return self.cycle is None or self.cycle.response_complete

    def _await_headers(self) -> None:
        self._since = self.loop.time()
        self._header_timer = self.loop.call_later(HEADER_TIMEOUT_S, self._end_if_waiting)

    def _end_if_waiting(self) -> None:
        self._header_timer = None
        if self._is_waiting:
            self.transport.abort()

    def _forget_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _make_room(self) -> None:
        others = [each for each in self.connections if isinstance(each, BoundedProtocol)]
        longest = min(others, key=lambda each: (not each._is_waiting, each._since))
        self.connections.discard(longest)
        longest.transport.abort()
