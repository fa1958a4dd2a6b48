"""What the intake refuses over HTTP: bodies that are not what their path is for, and more bytes than fit."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from lab.intake import limits
from lab.stack.readiness import await_state
from tests import payloads
from tests.fix_console import RunningConsole

WITHIN_S = 30.0
# A field of 100 bytes is announced, and one follows: no protobuf message.
CUT = b"\x0a\x64x"
# A whole message whose one tracer payload, or series, is cut.
CUT_INSIDE = b"\x2a\x03" + CUT
CUT_SERIES = b"\x0a\x03" + CUT


@pytest.mark.parametrize(
    ("path", "stream", "body"),
    [
        ("/api/v0.2/traces", "traces_agent", CUT),
        ("/api/v0.2/traces", "traces_agent", CUT_INSIDE),
        ("/api/v0.2/traces", "traces_agent", payloads.agent_traces()[:-1]),
        ("/api/v2/series", "series", CUT),
        ("/api/v2/series", "series", CUT_SERIES),
        ("/api/v2/series", "series", b'{"series": '),
        ("/api/v1/series", "series", b"[1,"),
        ("/api/v0.2/stats", "trace_stats", b"\x92\x01"),
        ("/api/v0.2/stats", "trace_stats", b""),
        ("/api/v2/dbmhealth", "dbm_health", b"not JSON"),
        ("/api/v1/check_run", "check_run", b"{"),
        ("/intake/", "host_metadata", b"\xff"),
        ("/v0.4/traces", "traces_v04", b"\xc1"),
        ("/v0.5/traces", "traces_v05", b"\x92\x90"),
    ],
)
def test_a_malformed_body_is_refused_and_counted(
    console: RunningConsole, path: str, stream: str, body: bytes
) -> None:
    """The sender gets a 400 with a reason, the stream counts it, and nothing is counted as taken."""
    refused = f'lab_intake_rejected_total{{reason="malformed",stream="{stream}"}}'
    taken = f'lab_intake_items_total{{stream="{stream}"}}'
    before = console.metric(refused), console.metric(taken)
    answer = console.send("POST", path, body)
    assert (answer.status, len(answer.json()["errors"])) == (400, 1)
    assert answer.json()["errors"][0]
    assert (console.metric(refused), console.metric(taken)) == (before[0] + 1, before[1])


@pytest.mark.parametrize(
    ("path", "stream", "body", "items"),
    [
        ("/api/v2/series", "series", payloads.series(), 2),
        ("/api/v2/series", "series", b'{"series": []}', 0),
        ("/api/v1/check_run", "check_run", b"", 1),
        ("/api/v0.2/stats", "trace_stats", b"\x80", 1),
        ("/v0.5/traces", "traces_v05", payloads.v05(spans=3), 3),
    ],
)
def test_what_was_taken_is_counted_in_items_and_bytes(
    console: RunningConsole, path: str, stream: str, body: bytes, items: int
) -> None:
    names = (
        f'lab_intake_items_total{{stream="{stream}"}}',
        f'lab_intake_bytes_total{{stream="{stream}"}}',
    )
    before = [console.metric(name) for name in names]
    assert console.send("POST", path, body).status in {200, 202}
    grown = [console.metric(name) - was for name, was in zip(names, before, strict=True)]
    assert grown[0] == items
    assert grown[1] == len(body)


@contextmanager
def unfinished(console: RunningConsole, length: int) -> Iterator[None]:
    """Begin a request whose body does not come, for the length of a block."""
    with socket.create_connection(("127.0.0.1", console.port), timeout=WITHIN_S) as sock:
        head = f"POST /v0.5/traces HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
        sock.sendall(head.encode())
        yield


def test_bytes_at_once_have_a_limit_and_room_comes_back(console: RunningConsole) -> None:
    """While bodies that fill the room are under way, one more is busy; afterwards it is not."""
    body = payloads.v05()

    def status() -> int:
        return console.send("POST", "/v0.5/traces", body).status

    full = limits.MAX_BYTES_IN_FLIGHT // limits.MAX_BODY_BYTES
    assert full * limits.MAX_BODY_BYTES == limits.MAX_BYTES_IN_FLIGHT, "the test fills it exactly"
    with ExitStack() as stack:
        for _ in range(full - 1):
            stack.enter_context(unfinished(console, limits.MAX_BODY_BYTES))
        stack.enter_context(unfinished(console, limits.MAX_BODY_BYTES - len(body)))
        await_state("all are under way", _not(lambda: status() == 200, "busy"), within_s=WITHIN_S)
        # One byte more than what is left.
        stack.enter_context(unfinished(console, 1))
        await_state("there is no room", _not(lambda: status() == 429, "room"), within_s=WITHIN_S)
        answer = console.send("POST", "/v0.5/traces", body)
        assert (answer.status, "send it again" in answer.json()["errors"][0]) == (429, True)
    await_state("there is room again", _not(lambda: status() == 200, "busy"), within_s=WITHIN_S)


def _not(holds: Callable[[], bool], seen: str) -> Callable[[], str | None]:
    return lambda: None if holds() else seen


def test_a_body_without_a_length_takes_the_most_room(console: RunningConsole) -> None:
    """How long a chunked body is shows at its end: it counts as the longest that is allowed."""
    full = limits.MAX_BYTES_IN_FLIGHT // limits.MAX_BODY_BYTES
    chunked = b"POST /v0.5/traces HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(full):
            sock = socket.create_connection(("127.0.0.1", console.port), timeout=WITHIN_S)
            stack.enter_context(sock)
            sock.sendall(chunked)
        await_state(
            "there is no room",
            _not(
                lambda: console.send("POST", "/v0.5/traces", payloads.v05()).status == 429, "room"
            ),
            within_s=WITHIN_S,
        )
        sock.sendall(b"0\r\n\r\n")
        assert b" 400 " in sock.recv(200)
    await_state(
        "there is room again",
        _not(lambda: console.send("POST", "/v0.5/traces", payloads.v05()).status == 200, "busy"),
        within_s=WITHIN_S,
    )
