"""The shop's web server: its pages, and the metrics and switches that every service has, on one port."""

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from workload.http_server import Guarded, serve
from workload.request_policy import RequestPolicy
from workload.server import Control
from workload.settings import Settings
from workload.shop.app import create_app
from workload.shop.carts import SERVICE, Carts
from workload.shop.telemetry import ShopTelemetry

CONTROL = {"/metrics", "/healthz", "/load", "/delay", "/pause", "/resume"}


class Switch:
    """Sends a request to the switches of the service, or to the shop."""

    def __init__(self, control: WSGIApplication, shop: WSGIApplication) -> None:
        self._control = control
        self._shop = shop

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        chosen = self._control if environ["PATH_INFO"] in CONTROL else self._shop
        return chosen(environ, start_response)


def listen(control: Control, settings: Settings, /, *, port: int) -> None:
    """Serve the shop from threads of its own; its pages send forms to the shop, and none to the switches.

    Raises:
        PortTakenError: when something else listens there.
    """
    [running] = control.services
    telemetry = ShopTelemetry(control.registry)
    carts = Carts(running.database, instance=running.instance)
    submitted = running.metrics.counter("credit_proposals", service=SERVICE, status="submitted")
    app = create_app(carts, telemetry, filed=submitted.inc)
    policy = RequestPolicy.of(settings, [running.service.name])
    switch = Switch(Guarded(control, policy), Guarded(app.wsgi_app, policy, own_pages=True))
    serve(switch, address=settings.bind_address, port=port, setting="SHOP_PORT")
