"""Sends events to the intake, and queues them while it does not answer: a delta cannot be collected again."""

import http.client
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import zstandard

from lab.telemetry.embedded.events import Event

TIMEOUT_S = 5.0
# About ten minutes at one payload of samples per second; `_drop` drops samples before deltas.
MAX_WAITING = 600
DELTAS = "/api/v2/dbmmetrics"
SERIES = "/api/v2/series"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Payload:
    path: str
    body: bytes


class Delivery:
    """A bounded queue of payloads to the intake; for one thread."""

    def __init__(self, host: str, port: int, token: str) -> None:
        self._host = host
        self._port = port
        self._headers = {
            "Content-Type": "application/json",
            "Content-Encoding": "zstd",
            "DD-API-KEY": token,
        }
        self._compressor = zstandard.ZstdCompressor()
        self._waiting: deque[_Payload] = deque()
        self.dropped = 0

    def put(self, path: str, events: Sequence[Event]) -> None:
        """Queue a payload of events, or of series."""
        if events:
            payload = {"series": events} if path == SERIES else events
            body = self._compressor.compress(msgspec.json.encode(payload))
            self._waiting.append(_Payload(path=path, body=body))
            if len(self._waiting) > MAX_WAITING:
                self._drop()

    def flush(self) -> int:
        """Send the queued payloads, oldest first; return how many are left."""
        if not self._waiting:
            return 0
        connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
        try:
            while self._waiting and self._send(connection, self._waiting[0]):
                self._waiting.popleft()
        except (OSError, http.client.HTTPException):
            pass  # the intake is unavailable: the payload stays first in the queue
        finally:
            connection.close()
        return len(self._waiting)

    def _send(self, connection: http.client.HTTPConnection, payload: _Payload) -> bool:
        """Return whether the payload is done; as an Agent does, drop it on a 4xx that no retry changes."""
        connection.request("POST", payload.path, payload.body, self._headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status in {400, 401, 403, 413, 415}:
            self.dropped += 1
            return True
        return answer.status < http.client.BAD_REQUEST

    def _drop(self) -> None:
        """Drop the oldest payload without deltas and series; if there is none, the oldest payload."""
        for index, payload in enumerate(self._waiting):
            if payload.path not in {DELTAS, SERIES}:
                del self._waiting[index]
                break
        else:
            self._waiting.popleft()
        self.dropped += 1
