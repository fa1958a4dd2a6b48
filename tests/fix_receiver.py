"""A trace receiver as ddtrace sees an Agent: real HTTP, real msgpack; it keeps the spans it was sent."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from struct import unpack_from
from typing import Any

import pytest

INFO = {"version": "7.0.0", "endpoints": ["/v0.5/traces"], "client_drop_p0s": False}
RATES = {"rate_by_service": {"service:,env:": 1.0}}
FIELDS = (
    "service",
    "name",
    "resource",
    "trace_id",
    "span_id",
    "parent_id",
    "start",
    "duration",
    "error",
    "meta",
    "metrics",
    "type",
)


@dataclass(frozen=True, kw_only=True)
class Span:
    """One span as received: start and duration in nanoseconds."""

    service: str
    name: str
    resource: str
    trace_id: int
    span_id: int
    parent_id: int
    start: int
    duration: int
    error: int
    meta: dict[str, str]
    metrics: dict[str, float]
    type: str


class Receiver:
    """Listens on a free port of 127.0.0.1."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(INFO if self.path == "/info" else {})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path == "/v0.5/traces":
                    receiver.bodies.append(body)
                self._answer(RATES)

            do_PUT = do_POST  # noqa: N815 - the base class looks for this name

            def _answer(self, payload: object) -> None:
                body = json.dumps(payload).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def spans(self) -> list[Span]:
        """Return every span received so far."""
        spans = []
        for body in list(self.bodies):
            strings, traces = unpack(body)
            for span in (span for trace in traces for span in trace):
                values = dict(zip(FIELDS, span, strict=True))
                for field in ("service", "name", "resource", "type"):
                    values[field] = strings[values[field]]
                values["meta"] = {strings[k]: strings[v] for k, v in values["meta"].items()}
                values["metrics"] = {strings[k]: v for k, v in values["metrics"].items()}
                spans.append(Span(**values))
        return spans

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A trace receiver."""
    receiver = Receiver()
    try:
        yield receiver
    finally:
        receiver.close()


def unpack(data: bytes) -> Any:
    """Decode one msgpack value: what v0.5 of the trace API uses of it.

    >>> unpack(bytes.fromhex("92 a161 81 05 cb3ff8000000000000"))
    ['a', {5: 1.5}]
    """
    value, end = _value(data, 0)
    assert end == len(data), "bytes left over"
    return value


_NUMBERS = {
    0xCA: ">f",
    0xCB: ">d",
    0xCC: ">B",
    0xCD: ">H",
    0xCE: ">I",
    0xCF: ">Q",
    0xD0: ">b",
    0xD1: ">h",
    0xD2: ">i",
    0xD3: ">q",
}
_WIDTHS = {"f": 4, "d": 8, "B": 1, "H": 2, "I": 4, "Q": 8, "b": 1, "h": 2, "i": 4, "q": 8}


def _value(data: bytes, at: int) -> tuple[Any, int]:
    code = data[at]
    if code < 0x80:
        return code, at + 1
    if code >= 0xE0:
        return code - 0x100, at + 1
    if code in _NUMBERS:
        form = _NUMBERS[code]
        return unpack_from(form, data, at + 1)[0], at + 1 + _WIDTHS[form[1]]
    if code == 0xC0:
        return None, at + 1
    decode, size, at = _header(data, at, code)
    return decode(data, at, size)


def _header(data: bytes, at: int, code: int) -> tuple[Callable[..., tuple[Any, int]], int, int]:
    """Tell what follows, how much of it, and where it starts."""
    if code < 0x90:
        return _map, code & 0x0F, at + 1
    if code < 0xA0:
        return _array, code & 0x0F, at + 1
    if code < 0xC0:
        return _text, code & 0x1F, at + 1
    decode, form = {
        0xD9: (_text, ">B"),
        0xDA: (_text, ">H"),
        0xDB: (_text, ">I"),
        0xDC: (_array, ">H"),
        0xDD: (_array, ">I"),
        0xDE: (_map, ">H"),
        0xDF: (_map, ">I"),
    }[code]
    return decode, unpack_from(form, data, at + 1)[0], at + 1 + _WIDTHS[form[1]]


def _text(data: bytes, at: int, size: int) -> tuple[str, int]:
    return data[at : at + size].decode(), at + size


def _array(data: bytes, at: int, size: int) -> tuple[list[Any], int]:
    items = []
    for _ in range(size):
        item, at = _value(data, at)
        items.append(item)
    return items, at


def _map(data: bytes, at: int, size: int) -> tuple[dict[Any, Any], int]:
    flat, at = _array(data, at, 2 * size)
    return dict(zip(flat[::2], flat[1::2], strict=True)), at
