"""A request to a component, by a real socket: any response is returned, no valid one is an error."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

from lab.clients import http

WITHIN_S = 30.0
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
REFUSED = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\n\xff!"


@contextmanager
def answering(answer: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """Yield the port of a server that answers one request with these bytes, and what it received."""
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                received.append(connection.recv(65_536))
                connection.sendall(answer)

        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], received
        thread.join(WITHIN_S)


def test_a_response_has_its_status_and_body() -> None:
    with answering(OK) as (port, received):
        found = http.send("GET", "127.0.0.1", port, "/x?y=1", timeout_s=WITHIN_S, token="t0ken")
    assert (found.is_ok, found.status, found.body) == (True, 200, b"hello")
    assert received[0].startswith(b"GET /x?y=1 HTTP/1.1\r\n")
    assert b"Authorization: Bearer t0ken\r\n" in received[0]


def test_a_refusal_is_a_response() -> None:
    with answering(REFUSED) as (port, _):
        found = http.send("GET", f"127.0.0.1:{port}", None, "/", timeout_s=WITHIN_S)
    assert (found.is_ok, found.status, found.text) == (False, 503, "\ufffd!")


def test_a_large_body_is_read_in_part() -> None:
    with answering(OK) as (port, _):
        found = http.send("GET", "127.0.0.1", port, "/", timeout_s=WITHIN_S, most_bytes=4)
    assert found.body == b"hell"


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", OK[:-1]])
def test_what_is_no_response_is_an_error_with_the_reason(answer: bytes) -> None:
    with answering(answer) as (port, _), pytest.raises(http.NoResponseError, match=r"\w"):
        http.send("GET", "127.0.0.1", port, "/", timeout_s=WITHIN_S)


def test_a_closed_port_is_an_error_with_the_reason() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # nothing listens, and no other process can
        with pytest.raises(http.NoResponseError, match="refused"):
            http.send("GET", "127.0.0.1", bound.getsockname()[1], "/", timeout_s=WITHIN_S)
