"""Sends events and series to the intake in batches, as an Agent does; queues them while it does not answer.

A delta cannot be collected again: when the queue is full, samples are dropped first.
"""

import http.client
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import msgspec
import zstandard

from lab.foundation.addresses import reachable
from lab.foundation.settings import LabSettings
from lab.telemetry.embedded.events import Event

TIMEOUT_S = 5.0
# About ten minutes of batches.
MAX_WAITING = 300
DELTAS = "/api/v2/dbmmetrics"
SERIES = "/api/v2/series"
SERVICE_CHECKS = "/api/v1/check_run"
AGGREGATED = frozenset({SERIES, SERVICE_CHECKS})
# The Agent sends batches of events every 5 s, and flushes its aggregator of metrics and service checks every
# 15 s, at times that do not depend on those of the collection.
BATCH_S = 5
AGGREGATION_S = 15
# The API key that an Agent without a key sends.
NO_KEY = "0" * 32


@dataclass(frozen=True, kw_only=True, slots=True)
class _Payload:
    path: str
    body: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """When batches are sent, in seconds: those of events, and those of metrics and service checks."""

    events_s: int = BATCH_S
    series_s: int = AGGREGATION_S

    def due(self, second: int) -> set[bool]:
        """Return whether series (True) and events (False) are due; half an interval after a collection.

        That is the mean delay of an Agent.

        >>> [second for second in range(15) if False in Schedule().due(second)]
        [2, 7, 12]
        >>> [second for second in range(15) if True in Schedule().due(second)]
        [7]
        """
        intervals = {False: self.events_s, True: self.series_s}
        return {which for which, every in intervals.items() if second % every == every // 2}


class Delivery:
    """Open batches by path, and a bounded queue of payloads to the intake; thread-safe."""

    def __init__(self, host: str, port: int, token: str) -> None:
        self._host = host
        self._port = port
        self._headers = {
            "Content-Type": "application/json",
            "Content-Encoding": "zstd",
            "DD-API-KEY": token,
        }
        self._lock = threading.Lock()
        self._compressor = zstandard.ZstdCompressor()
        self._open: dict[str, list[Event]] = {}
        self._waiting: deque[_Payload] = deque()
        self.dropped = 0

    @classmethod
    def of(cls, settings: LabSettings) -> Self:
        """Return the delivery to the console's intake."""
        token = settings.lab_console_token
        return cls(
            reachable(settings.bind_address),
            settings.console_port,
            token.get_secret_value() if token else NO_KEY,
        )

    def put(self, path: str, events: Sequence[Event]) -> None:
        """Add events, series or service checks to the open batch of a path."""
        if events:
            with self._lock:
                self._open.setdefault(path, []).extend(events)

    def run(
        self, stop: threading.Event, schedule: Schedule, waiting: Callable[[int], None]
    ) -> None:
        """Send batches until `stop` is set, then the last ones; `waiting` receives the payloads left."""
        second, next_s = 0, time.monotonic()
        while not stop.wait(max(next_s - time.monotonic(), 0)):
            if due := schedule.due(second):
                waiting(self.flush(due))
            second, next_s = second + 1, max(next_s + 1, time.monotonic())
        waiting(self.flush())

    def flush(self, due: Iterable[bool] = (False, True)) -> int:
        """Send batches, oldest first; return how many are left.

        Args:
            due: True for series and service checks, False for events.
        """
        self._close(set(due))
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

    def _close(self, due: set[bool]) -> None:
        """Encode the open batches that are due; drop payloads beyond the queue's limit."""
        with self._lock:
            paths = [path for path in self._open if (path in AGGREGATED) in due]
            batches = {path: self._open.pop(path) for path in paths}
        for path, events in batches.items():
            payload = {"series": events} if path == SERIES else events
            body = self._compressor.compress(msgspec.json.encode(payload))
            self._waiting.append(_Payload(path=path, body=body))
            if len(self._waiting) > MAX_WAITING:
                self._drop()

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
