"""The HTTP side of a service process: /metrics and /healthz to read; /load, /delay, /pause, /resume to steer.

Steering is what `./creditlab up --load`, drills and `verify` use. The port is published on loopback only.
"""

import json
import math
import threading
from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import Any, Protocol, TypeAlias
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client import CollectorRegistry, make_wsgi_app

from workload import __version__
from workload.engine import State
from workload.errors import PortTakenError
from workload.limits import MAX_ARRIVALS_PER_S, MAX_DELAY_S, MAX_LOAD
from workload.process import RunningService

PAUSE_TIMEOUT_S = 30.0
MAX_BODY = 64
Answer: TypeAlias = tuple[HTTPStatus, object]


class Listen(Protocol):
    """How a process comes to serve its switches, and what else it serves."""

    def __call__(self, application: "Control", /, *, address: str, port: int, setting: str) -> None:
        """Serve from a thread; raises PortTakenError."""


class Control:
    """A WSGI application over the services of this process."""

    def __init__(self, services: Sequence[RunningService], registry: CollectorRegistry) -> None:
        self.services = services
        self.registry = registry
        self._metrics = make_wsgi_app(registry)
        self._routes: dict[tuple[str, str], Callable[[WSGIEnvironment], Answer]] = {
            ("GET", "/healthz"): self._healthz,
            ("PUT", "/load"): self._load,
            ("PUT", "/delay"): self._delay,
            ("POST", "/pause"): self._pause,
            ("POST", "/resume"): self._resume,
        }

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        path = environ["PATH_INFO"]
        if path == "/metrics":
            page: Iterable[bytes] = self._metrics(environ, start_response)
            return page
        handler = self._routes.get((environ["REQUEST_METHOD"], path))
        status, body = (
            handler(environ) if handler else (HTTPStatus.NOT_FOUND, {"error": "no such page"})
        )
        payload = json.dumps(body).encode() + b"\n"
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(payload)))]
        start_response(f"{status.value} {status.phrase}", headers)
        return [payload]

    def _healthz(self, _: WSGIEnvironment) -> Answer:
        states = {service.engine.state for service in self.services}
        healthy = states <= {State.RUNNING, State.PAUSED}
        return HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE, self._describe()

    def _load(self, environ: WSGIEnvironment) -> Answer:
        load = _number(environ)
        if not 0 <= load <= MAX_LOAD:
            return _refused(MAX_LOAD)
        for service in self.services:
            service.engine.set_load(load)
        return HTTPStatus.OK, self._describe()

    def _delay(self, environ: WSGIEnvironment) -> Answer:
        seconds = _number(environ)
        if not 0 <= seconds <= MAX_DELAY_S:
            return _refused(MAX_DELAY_S)
        for service in self.services:
            service.runner.set_delay(seconds)
        return HTTPStatus.OK, self._describe()

    def _pause(self, _: WSGIEnvironment) -> Answer:
        quiet = [service.pause(timeout=PAUSE_TIMEOUT_S) for service in self.services]
        return HTTPStatus.OK if all(quiet) else HTTPStatus.SERVICE_UNAVAILABLE, self._describe()

    def _resume(self, _: WSGIEnvironment) -> Answer:
        for service in self.services:
            service.engine.resume()
        return HTTPStatus.OK, self._describe()

    def _describe(self) -> dict[str, Any]:
        first = self.services[0]
        return {
            "service": first.service.name if len(self.services) == 1 else "all",
            "instance": str(first.instance),
            "version": __version__,
            "state": first.engine.state.value,
            "load": first.engine.load,
            "max_arrivals_per_s": MAX_ARRIVALS_PER_S,
            "limited": any(service.engine.is_limited for service in self.services),
            "delay_s": first.runner.delay_s,
            "services": {s.service.dd_service: str(s.instance) for s in self.services},
        }


def _number(environ: WSGIEnvironment) -> float:
    """Return the number that the body is, or not a number."""
    try:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        return float(environ["wsgi.input"].read(max(0, min(length, MAX_BODY))))
    except ValueError:
        return math.nan


def _refused(most: float) -> Answer:
    return HTTPStatus.BAD_REQUEST, {"error": f"the body must be a number from 0 to {most:g}"}


class _Server(ThreadingMixIn, WSGIServer):
    """A thread per request, so that a scrape never waits behind a pause."""

    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Scrapes are not news."""


def listen(application: Control, *, address: str, port: int, setting: str) -> None:
    """Serve the application from a thread of its own; `setting` is what chose the port.

    Raises:
        PortTakenError: when something else listens there.
    """
    try:
        server = make_server(address, port, application, _Server, _QuietHandler)
    except OSError as error:
        raise PortTakenError(
            f"cannot listen on {address}:{port}: {error.strerror}; {setting} in .env changes the port"
        ) from error
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
