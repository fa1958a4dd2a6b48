"""The shop's web server: its pages, and the metrics and switches that every service has, on one port.

waitress is a server for production: it bounds threads, connections, and what a request may bring.
"""

import threading
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import waitress

from workload.errors import PortTakenError
from workload.server import Control
from workload.shop.app import MAX_BODY, create_app
from workload.shop.carts import SERVICE, Carts
from workload.shop.telemetry import ShopTelemetry

THREADS = 8
MAX_CONNECTIONS = 100
IDLE_S = 30
CONTROL = {"/metrics", "/healthz", "/load", "/pause", "/resume"}


class Switch:
    """Sends a request to the switches of the service, or to the shop."""

    def __init__(self, control: Control, shop: WSGIApplication) -> None:
        self._control = control
        self._shop = shop

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        if environ["PATH_INFO"] not in CONTROL:
            return self._shop(environ, start_response)
        # A browser says where a form comes from, and no page has any business with the switches.
        if "HTTP_ORIGIN" in environ:
            start_response("403 Forbidden", [("Content-Type", "text/plain")])
            return [b"not from a browser\n"]
        return self._control(environ, start_response)


def listen(control: Control, /, *, address: str, port: int, setting: str) -> None:
    """Serve the shop from threads of its own.

    Raises:
        PortTakenError: when something else listens there.
    """
    [service] = control.services
    telemetry = ShopTelemetry(control.registry)
    carts = Carts(service.database, instance=service.instance)
    submitted = service.metrics.counter("credit_proposals", service=SERVICE, status="submitted")
    app = create_app(carts, telemetry, filed=submitted.inc)
    try:
        server = waitress.create_server(
            Switch(control, app.wsgi_app),
            host=address,
            port=port,
            threads=THREADS,
            connection_limit=MAX_CONNECTIONS,
            channel_timeout=IDLE_S,
            max_request_body_size=MAX_BODY,
            ident=None,
        )
    except OSError as error:
        raise PortTakenError(
            f"cannot listen on {address}:{port}: {error.strerror}; {setting} in .env changes the port"
        ) from error
    threading.Thread(target=server.run, name="http", daemon=True).start()
