"""The console's connections on a real server: the limit of their number, of headers, and of unread bodies."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from lab.console import connections
from lab.console.connections import BoundedProtocol
from lab.foundation.readiness import await_state

WITHIN_S = 60
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n"


async def _answer(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer at once, without reading a body."""
    del receive
    assert scope["type"] == "http"
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
    )
    await send({"type": "http.response.body", "body": b"ok"})


class Server:
    """A server with the protocol, and connections that a test opens."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        listener = socket.create_server(("127.0.0.1", 0))
        self._port = listener.getsockname()[1]
        config = uvicorn.Config(
            _answer,
            http=BoundedProtocol,
            ws="none",
            lifespan="off",
            log_level="critical",
            loop="asyncio",
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]})
        self._thread.start()

    def open(self, *sent: bytes) -> socket.socket:
        """Open a connection, and send something."""
        connection = socket.create_connection(("127.0.0.1", self._port), timeout=WITHIN_S)
        self._stack.enter_context(connection)
        for part in sent:
            connection.sendall(part)
        return connection

    def stop(self) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    with ExitStack() as stack:
        running = Server(stack)
        try:
            yield running
        finally:
            running.stop()


def answers(connection: socket.socket) -> bool:
    """Whether a request on a connection is answered; it may have been closed."""
    found = b""
    try:
        connection.sendall(GET)
        while part := connection.recv(1_000):
            found += part
            if found.endswith(b"\r\n\r\nok"):
                return found.startswith(b"HTTP/1.1 200")
    except OSError:
        pass
    return False


def is_closed(connection: socket.socket) -> bool:
    """Whether the server has closed a connection within the time-out, without an answer."""
    try:
        return connection.recv(1_000) == b""
    except ConnectionError:
        return True


def test_a_new_connection_replaces_the_one_that_has_been_idle_for_longest(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three the first is the longest idle, unless it has asked something since."""
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 3)
    first, second, third = (server.open() for _ in range(3))
    for each in (second, third, first):
        assert answers(each)
    fourth = server.open()
    assert answers(fourth)
    assert is_closed(second)
    assert [answers(each) for each in (third, first, fourth)] == [True] * 3


def test_headers_have_a_time(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the connection, and from the first byte of a later request; an idle connection has none."""
    monkeypatch.setattr(connections, "HEADER_TIMEOUT_S", WITHIN_S)
    idle, later = server.open(), server.open()
    assert answers(idle)
    assert answers(later)
    monkeypatch.setattr(connections, "HEADER_TIMEOUT_S", 0.2)
    assert is_closed(server.open())
    assert is_closed(server.open(b"GET / HT"))
    later.sendall(b"GET / HTTP/1.1\r\n")
    assert is_closed(later)
    monkeypatch.setattr(connections, "HEADER_TIMEOUT_S", WITHIN_S)
    assert answers(idle)


def test_the_rest_of_an_unread_body_is_discarded_and_cut_off(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sender can read the response; then the connection ends, and no second request is answered."""
    monkeypatch.setattr(connections, "LINGER_S", 0.2)
    connection = server.open(POST, b"x" * 1_000)
    assert connection.recv(1_000).startswith(b"HTTP/1.1 200")

    def still_open() -> str | None:
        try:
            connection.sendall(GET * 100)
        except OSError:
            return None
        return "it takes data"

    await_state("the connection is cut off", still_open, within_s=WITHIN_S)


def test_several_requests_follow_each_other_on_one_connection(server: Server) -> None:
    connection = server.open()
    assert [answers(connection) for _ in range(3)] == [True] * 3
