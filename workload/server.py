"""The HTTP side of a service process: /metrics, /clocks, /healthz; control by /load, /delay, /pause, /resume.

`./creditlab up --load`, drills and `verify` use the control endpoints. No web page may use them
(workload/request_policy.py), and beyond loopback they require LAB_CONTROL_TOKEN.
"""

import json
import logging
import math
from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from typing import Any, Protocol, TypeAlias
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client import CollectorRegistry, make_wsgi_app

from workload import __version__
from workload.engine import State
from workload.http_server import Guarded, header_of, serve
from workload.limits import MAX_ARRIVALS_PER_S, MAX_DELAY_S, MAX_LOAD
from workload.process import RunningService
from workload.request_policy import RequestPolicy, has_token, is_loopback
from workload.settings import Settings

log = logging.getLogger(__name__)

PAUSE_TIMEOUT_S = 30.0
MAX_BODY = 64
# Read by the lab as ground truth (workload/clocks.py), with the histograms or without.
CLOCKS = {("GET", "/clocks"), ("GET", "/clocks/buckets")}
Answer: TypeAlias = tuple[HTTPStatus, object]


class Listen(Protocol):
    """A function that serves the control endpoints of a process, and its other pages."""

    def __call__(self, application: "Control", settings: Settings, /, *, port: int) -> None:
        """Serve from a thread; raises PortTakenError."""


class Control:
    """A WSGI application over the services of this process."""

    def __init__(
        self,
        services: Sequence[RunningService],
        registry: CollectorRegistry,
        settings: Settings,
    ) -> None:
        self.services = services
        self.registry = registry
        token = settings.lab_control_token
        self._token = token.get_secret_value() if token else None
        self._is_open = self._token is None and is_loopback(settings.bind_address)
        self._metrics = make_wsgi_app(registry)
        self._switches: dict[tuple[str, str], Callable[[WSGIEnvironment], Answer]] = {
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
        status, body = self._answer(environ, path)
        payload = json.dumps(body).encode() + b"\n"
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(payload)))]
        start_response(f"{status.value} {status.phrase}", headers)
        return [payload]

    def _answer(self, environ: WSGIEnvironment, path: str) -> Answer:
        if environ["REQUEST_METHOD"] == "GET" and path in {"/", "/healthz"}:
            return self._healthz()
        if (environ["REQUEST_METHOD"], path) in CLOCKS:
            return HTTPStatus.OK, self.services[0].metrics.clocks.document(
                buckets=path != "/clocks"
            )
        switch = self._switches.get((environ["REQUEST_METHOD"], path))
        if switch is None:
            return HTTPStatus.NOT_FOUND, {"error": "no such page"}
        return self._refusal(environ, path) or switch(environ)

    def _refusal(self, environ: WSGIEnvironment, path: str) -> Answer | None:
        """Return why a control request is refused: beyond loopback a token is required."""
        if self._is_open:
            return None
        if self._token is None:
            return HTTPStatus.FORBIDDEN, {
                "error": "other machines reach this service: set LAB_CONTROL_TOKEN in .env to control it"
            }
        if has_token(header_of(environ), self._token):
            return None
        log.warning("refused %s from %s: wrong token", path, environ.get("REMOTE_ADDR"))
        return HTTPStatus.UNAUTHORIZED, {"error": "send LAB_CONTROL_TOKEN as a bearer token"}

    def _healthz(self) -> Answer:
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
        paused = [service.pause(timeout=PAUSE_TIMEOUT_S) for service in self.services]
        return HTTPStatus.OK if all(paused) else HTTPStatus.SERVICE_UNAVAILABLE, self._describe()

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
    """Return the body as a number, or NaN."""
    try:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        return float(environ["wsgi.input"].read(min(length, MAX_BODY)))
    except ValueError:
        return math.nan


def _refused(most: float) -> Answer:
    return HTTPStatus.BAD_REQUEST, {"error": f"the body must be a number from 0 to {most:g}"}


def listen(control: Control, settings: Settings, /, *, port: int) -> None:
    """Serve the control endpoints from their own threads.

    Raises:
        PortTakenError: when another process listens there.
    """
    names = [running.service.name for running in control.services]
    application = Guarded(control, RequestPolicy.of(settings, names))
    setting = f"{names[0].upper()}_PORT"
    serve(application, address=settings.bind_address, port=port, setting=setting)
