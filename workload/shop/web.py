"""The shop's web server: its pages, and the metrics and control endpoints of every service, on one port."""

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
    """Routes a request to the control endpoints of the service, or to the shop."""

    def __init__(self, control: WSGIApplication, shop: WSGIApplication) -> None:
        self._control = control
        self._shop = shop

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        chosen = self._control if environ["PATH_INFO"] in CONTROL else self._shop
        return chosen(environ, start_response)


def listen(control: Control, settings: Settings, /, *, port: int) -> None:
    """Serve the shop from its own threads; its pages send forms to the shop, not to the control endpoints.

    Raises:
        PortTakenError: when another process listens there.
    """
    [running] = control.services
    telemetry = ShopTelemetry(control.registry)
    carts = Carts(running.database, instance=running.instance)
    submitted = running.metrics.counter("credit_proposals", service=SERVICE, status="submitted")
    app = create_app(carts, telemetry, filed=submitted.inc)
    policy = RequestPolicy.of(settings, [running.service.name])
    switch = Switch(Guarded(control, policy), Guarded(app.wsgi_app, policy, own_pages=True))
    serve(switch, address=settings.bind_address, port=port, setting="SHOP_PORT")
