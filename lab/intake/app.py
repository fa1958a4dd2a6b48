"""The HTTP side of the intake: reads a body within its limits, has it decoded, and hands it to the store.

Decoding runs in worker threads, so that /healthz and /metrics answer while a large payload is read.
"""

import asyncio
import hmac
from collections.abc import Callable, Sequence
from typing import Protocol

from anyio import CapacityLimiter, to_thread
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lab.intake import limits
from lab.intake.body import read
from lab.intake.errors import RejectedError
from lab.intake.streams import STREAMS, Decoded, Stream
from lab.store import Record

Offer = Callable[[Sequence[Record]], bool]
DECODERS = 2
# 200 with an empty object: a 404 would make an Agent send the same thing again, for ever.
UNKNOWN_ANSWER = b"{}"


class Telemetry(Protocol):
    """Who wants to know what the intake takes."""

    def accepted(self, stream: str, items: int, body_bytes: int) -> None:
        """A request was taken; `body_bytes` decompressed."""

    def rejected(self, stream: str, reason: str) -> None:
        """A request was refused."""

    def unknown(self) -> None:
        """A request for a path that nothing here knows was answered."""


class Gate:
    """Lets in whom the token lets in, and no more bytes at once than there is room for."""

    def __init__(self, token: str | None) -> None:
        self._token = token
        self._in_flight = 0

    def knows(self, request: Request) -> bool:
        """Whether the request carries the token: as an Agent's API key, or as a bearer token."""
        if self._token is None:
            return True
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        given = request.headers.get("dd-api-key", bearer)
        return hmac.compare_digest(given.encode(), self._token.encode())

    def enter(self, size: int) -> None:
        """Take room for a request.

        Raises:
            RejectedError: 429 when there is none now.
        """
        if self._in_flight + size > limits.MAX_BYTES_IN_FLIGHT:
            raise RejectedError(429, "busy", "too many bytes at once; send it again")
        self._in_flight += size

    def leave(self, size: int) -> None:
        """Give the room back."""
        self._in_flight -= size


def routes(offer: Offer, gate: Gate, telemetry: Telemetry) -> list[Route]:
    """Return the intake's routes; the last one takes every path, so it must stay last.

    Args:
        offer: the store writer's; False means that the store cannot keep up.
        gate: shared by all of them.
        telemetry: told of each request.
    """
    receiver = _Receiver(offer, gate, telemetry)
    known = [
        Route(path, receiver.endpoint(stream), methods=list(stream.methods))
        for path, stream in STREAMS.items()
    ]
    return [
        *known,
        Route("/{path:path}", receiver.unknown, methods=["GET", "POST", "PUT", "PATCH"]),
    ]


class _Receiver:
    def __init__(self, offer: Offer, gate: Gate, telemetry: Telemetry) -> None:
        self._offer = offer
        self._gate = gate
        self._telemetry = telemetry
        self._decoders = CapacityLimiter(DECODERS)

    def endpoint(self, stream: Stream) -> Callable[[Request], object]:
        async def receive(request: Request) -> Response:
            try:
                size, decoded = await self._take(request, stream)
            except RejectedError as error:
                self._telemetry.rejected(stream.name, error.reason)
                return JSONResponse({"errors": [str(error)]}, status_code=error.status)
            except ClientDisconnect:
                self._telemetry.rejected(stream.name, "disconnected")
                return Response(status_code=400)
            self._telemetry.accepted(stream.name, decoded.items, size)
            return Response(stream.answer, status_code=stream.status, media_type="application/json")

        return receive

    async def unknown(self, request: Request) -> Response:
        self._telemetry.unknown()
        if request.method == "GET":
            raise HTTPException(404, "no such page")
        return Response(UNKNOWN_ANSWER, media_type="application/json")

    async def _take(self, request: Request, stream: Stream) -> tuple[int, Decoded]:
        if not self._gate.knows(request):
            raise RejectedError(
                403, "token", "LAB_CONSOLE_TOKEN is set here; send it as DD-API-KEY"
            )
        room = _expected(request)
        self._gate.enter(room)
        try:
            encoding = request.headers.get("content-encoding", "")
            body = await _read(request, encoding)
            decoded = await to_thread.run_sync(stream.decode, body, limiter=self._decoders)
            if decoded.records and not self._offer(decoded.records):
                raise RejectedError(429, "store_busy", "the store cannot keep up; send it again")
            return len(body), decoded
        finally:
            self._gate.leave(room)


async def _read(request: Request, encoding: str) -> bytes:
    try:
        async with asyncio.timeout(limits.BODY_TIMEOUT_S):
            return await read(request.stream(), encoding, limit=limits.MAX_BODY_BYTES)
    except TimeoutError as error:
        raise RejectedError(
            408, "slow", f"no whole body within {limits.BODY_TIMEOUT_S:g} s"
        ) from error


def _expected(request: Request) -> int:
    """Return the room that a request takes: what it says if that is what comes out, else the most."""
    length = request.headers.get("content-length", "")
    if not length.isdecimal():
        return limits.MAX_BODY_BYTES
    if int(length) > limits.MAX_BODY_BYTES:
        raise RejectedError(413, "too_large", f"more than {limits.MAX_BODY_BYTES} bytes")
    # JSON and MessagePack compress some ten times.
    factor = 10 if request.headers.get("content-encoding") else 1
    return min(int(length) * factor, limits.MAX_BODY_BYTES)
