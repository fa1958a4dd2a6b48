"""The intake's HTTP endpoints: read a body within its limits, decode it, and queue the records for the store.

Worker threads decode, so that /healthz and /metrics answer during the decoding of a large payload.
"""

import asyncio
import hmac
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from ipaddress import ip_address
from typing import Protocol

from anyio import CapacityLimiter, to_thread
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lab.telemetry.intake import limits
from lab.telemetry.intake.body import read, too_large
from lab.telemetry.intake.budget import Body, Budget, busy
from lab.telemetry.intake.decoded import Decoded
from lab.telemetry.intake.errors import RejectedError, unread_form
from lab.telemetry.intake.guesses import Guesses
from lab.telemetry.intake.streams import STREAMS, Stream
from lab.telemetry.store import Record

Offer = Callable[[Sequence[Record]], bool]
DECODERS = 2
# 200 with an empty object: after a 404 an Agent would retry the same payload for ever.
UNKNOWN_ANSWER = b"{}"
# Paths to which newer Agents (/api/v...) and tracers (/v...) send traces and their statistics.
NEWER_TRACES = re.compile(r"(/api)?/v[0-9]{1,2}(?:\.[0-9]{1,2})?/(?:traces|stats)")


class Telemetry(Protocol):
    """Receives the intake's counts, for its metrics."""

    def accepted(self, stream: str, items: int, body_bytes: int) -> None:
        """A request was accepted; `body_bytes` is its decompressed size."""

    def metric_points(self, points: Mapping[str, int]) -> None:
        """Points of the Agent's metrics were accepted, by name; those of KEPT_METRICS are stored."""

    def rejected(self, stream: str, reason: str) -> None:
        """A request was refused."""

    def unknown(self) -> None:
        """A request for an unknown path was answered."""

    def unread(self, form: str) -> None:
        """Traces in a format that this version cannot decode were refused."""


class Gate:
    """Token authentication of requests, with a limit for wrong tokens of each address."""

    def __init__(self, token: str | None, guesses: Guesses | None = None) -> None:
        self._token = token
        self._guesses = guesses or Guesses()

    def knows(self, request: Request) -> bool:
        """Whether the request has the token: as an Agent's API key, or as a bearer token."""
        if self._token is None:
            return True
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        given = request.headers.get("dd-api-key", bearer)
        return self.is_right(request, given, self._token)

    def is_right(self, request: Request, given: str, expected: str) -> bool:
        """Whether a secret is the expected one; wrong ones are counted, and none is compared once blocked."""
        if not given or self.is_blocked(request):
            return False
        right = hmac.compare_digest(given.encode(), expected.encode())
        if not right:
            self._guesses.wrong(_address(request))
        return right

    def is_blocked(self, request: Request) -> bool:
        """Whether the sender has sent too many wrong tokens within the last minute."""
        return self._guesses.is_blocked(_address(request))


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def routes(offer: Offer, gate: Gate, telemetry: Telemetry) -> list[Route]:
    """Return the intake's routes; the last one matches every path, so it must stay last.

    Args:
        offer: the store writer's; False: its queue is full.
        gate: shared by all routes.
        telemetry: called for each request.
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
        self._large_decoder = CapacityLimiter(1)
        self._budget = Budget(max_bytes=limits.MAX_BYTES_IN_FLIGHT, max_bodies=limits.MAX_BODIES)

    def endpoint(self, stream: Stream) -> Callable[[Request], object]:
        async def receive(request: Request) -> Response:
            try:
                size, decoded = await self._take(request, stream)
            except RejectedError as error:
                return self._refused(stream.name, error)
            except ClientDisconnect:
                self._telemetry.rejected(stream.name, "disconnected")
                return Response(status_code=400)
            self._telemetry.accepted(stream.name, decoded.items, size)
            if decoded.metric_points:
                self._telemetry.metric_points(decoded.metric_points)
            return Response(stream.answer, status_code=stream.status, media_type="application/json")

        return receive

    async def unknown(self, request: Request) -> Response:
        self._telemetry.unknown()
        if request.method == "GET":
            raise HTTPException(404, "no such page")
        # The body is read to its end: an earlier answer would close the sender's connection.
        with suppress(TimeoutError, ClientDisconnect):
            async with asyncio.timeout(limits.PIECE_TIMEOUT_S):
                async for _ in request.stream():
                    pass
        newer = NEWER_TRACES.fullmatch(request.url.path)
        if newer and self._gate.knows(request):
            name = f"{request.method} {request.url.path}"
            return self._refused("unknown", unread_form(name, status=400 if newer[1] else 404))
        return Response(UNKNOWN_ANSWER, media_type="application/json")

    def _refused(self, stream: str, error: RejectedError) -> Response:
        # The decoding's future refers to the error, and the error's frames to the future and to the body: it
        # would stay in memory until the garbage collector runs.
        error.__traceback__ = error.__cause__ = error.__context__ = None
        self._telemetry.rejected(stream, error.reason)
        if error.unread_form:
            self._telemetry.unread(error.unread_form)
        return JSONResponse({"errors": [str(error)]}, status_code=error.status)

    async def _take(self, request: Request, stream: Stream) -> tuple[int, Decoded]:
        is_tracer_here = stream.is_tracer and _is_loopback(_address(request))
        if not is_tracer_here and not self._gate.knows(request):
            if self._gate.is_blocked(request):
                raise RejectedError(429, "token", "too many wrong tokens; retry in a minute")
            raise RejectedError(
                403, "token", "LAB_CONSOLE_TOKEN is set here; send it as DD-API-KEY"
            )
        _check_length(request)
        with self._budget.body() as place:
            body = await self._read(request, place)
            is_large = len(body) > limits.LARGE_BODY_BYTES
            limiter = self._large_decoder if is_large else self._decoders
            decoded = await to_thread.run_sync(stream.decode, body, limiter=limiter)
            if decoded.records and not self._offer(decoded.records):
                raise RejectedError(429, "store_busy", "the store's queue is full; retry")
            return len(body), decoded

    async def _read(self, request: Request, place: Body) -> bytes:
        encoding = request.headers.get("content-encoding", "")
        try:
            async with asyncio.timeout(limits.BODY_TIMEOUT_S) as place.scope:
                return await read(
                    _in_time(request.stream()),
                    encoding,
                    limit=limits.MAX_BODY_BYTES,
                    content=place.content,
                    account=partial(self._budget.grow, place),
                )
        except TimeoutError as error:
            if place.is_evicted:
                raise busy() from error
            raise RejectedError(
                408,
                "slow",
                f"no data for {limits.PIECE_TIMEOUT_S:g} s,"
                f" or no complete body within {limits.BODY_TIMEOUT_S:g} s",
            ) from error
        finally:
            place.scope = None


async def _in_time(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the pieces of a body; raise TimeoutError when the next one takes too long."""
    while True:
        async with asyncio.timeout(limits.PIECE_TIMEOUT_S):
            try:
                piece = await anext(pieces)
            except StopAsyncIteration:
                return
        yield piece


def _check_length(request: Request) -> None:
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > limits.MAX_BODY_BYTES:
        raise too_large(limits.MAX_BODY_BYTES)
