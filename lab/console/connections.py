"""The console's connections: short time limits for headers, and always room for one more reader.

uvicorn itself answers 503 to everybody once its limit of connections is reached, and waits for a header
without end; so a few hundred half-open connections would silence it. Here the connection that has been
without a request for longest makes room, and a body that goes on after its answer is discarded and cut off.
"""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_CONNECTIONS = 200
# From the connection, or from the first byte of a later request, to the end of the headers.
HEADER_TIMEOUT_S = 5.0
# How long what remains of a refused body is discarded, so that its sender can read the answer.
LINGER_S = 2.0


class BoundedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 protocol, one object per connection, with limits."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._since = self.loop.time()
        self._header_timer: asyncio.TimerHandle | None = None
        self._is_discarding = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, if need be in the place of another."""
        if len(self.connections) >= MAX_CONNECTIONS:
            self._make_room()
        super().connection_made(transport)
        self._await_headers()

    def data_received(self, data: bytes) -> None:
        """Read on, unless the request has had its answer already."""
        if self._is_discarding:
            return
        if self._is_waiting and self._header_timer is None:
            self._await_headers()
        super().data_received(data)
        if not self._is_waiting:
            self._forget_timer()

    def on_response_complete(self) -> None:
        """Wait for the next request; cut off what remains of a body that nobody reads."""
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
        """Whether no request is under way."""
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
