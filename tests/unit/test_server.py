"""The HTTP side of a service, asked over HTTP; no database is needed to ask."""

import http.client
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from lab.clients.services import ServiceClient, ServiceUnreachableError
from lab.foundation.settings import LabSettings
from lab.stack.status import ComponentStatus, Status, with_paused
from lab.stack.status import State as Up
from tests.fix_postgres import free_port, settings_for
from workload import __version__, server
from workload.engine import State
from workload.errors import PortTakenError
from workload.metrics import Metrics
from workload.process import RunningService, new_registry
from workload.services import SERVICES
from workload.tracing import NoTracing


class Serving:
    """Services that are served on a port; none of them has anything to do."""

    def __init__(self, names: tuple[str, ...], **changes: object) -> None:
        settings = settings_for(port=1, database="none").model_copy(
            update={"workload_load": 0.0, **changes}
        )
        registry = new_registry()
        metrics = Metrics(registry)
        self.services = [
            RunningService(SERVICES[name], settings=settings, metrics=metrics, tracing=NoTracing())
            for name in names
        ]
        self.port = free_port()
        self.settings = settings
        server.listen(server.Control(self.services, registry, settings), settings, port=self.port)
        self.client = ServiceClient(name=names[0], address=f"127.0.0.1:{self.port}")

    def start(self) -> None:
        for service in self.services:
            service.engine.start()

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(
                method, path, body, {k.replace("_", "-"): v for k, v in headers.items()}
            )
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def health(self) -> tuple[int, dict[str, Any]]:
        status, body = self.ask("GET", "/healthz")
        return status, json.loads(body)


@pytest.fixture
def serve() -> Iterator[Callable[..., Serving]]:
    """Serves services by name."""
    served: list[Serving] = []

    def some(*names: str) -> Serving:
        served.append(Serving(names))
        return served[-1]

    yield some
    for serving in served:
        for service in serving.services:
            service.engine.drain(timeout=60)


Serve = Callable[..., Serving]


def test_health_is_200_only_while_the_service_serves(serve: Serve) -> None:
    """Starting and draining say 503; running and paused answer 200; the body has the state."""
    serving = serve("risk")
    [service] = serving.services
    assert serving.health()[0] == 503
    serving.start()
    status, body = serving.health()
    assert (status, body["state"]) == (200, "running")
    assert (body["service"], body["version"]) == ("risk", __version__)
    assert body["instance"] == str(service.instance)
    serving.client.pause()
    assert serving.health()[1]["state"] == "paused"
    assert serving.health()[0] == 200
    serving.client.resume()
    assert service.engine.state is State.RUNNING
    service.stop()
    assert serving.health() == (503, {**body, "state": "draining"})


@pytest.mark.parametrize("body", [b"0", b"2.5", b" 10000 ", b"1e3"])
def test_the_load_can_be_changed(serve: Serve, body: bytes) -> None:
    serving = serve("risk")
    status, answer = serving.ask("PUT", "/load", body)
    assert (status, json.loads(answer)["load"]) == (200, float(body))
    assert serving.services[0].engine.load == float(body)


def test_the_application_can_be_made_slow_and_fast_again(serve: Serve) -> None:
    """A delay is what /healthz says; 0 ends it; more than 30 s is refused."""
    serving = serve("risk")
    assert serving.ask("PUT", "/delay", b"30")[0] == 200
    serving.client.set_delay(2.5)
    assert serving.health()[1]["delay_s"] == 2.5
    assert serving.ask("PUT", "/delay", b"31")[0] == 400
    assert serving.health()[1]["delay_s"] == 2.5
    serving.client.set_delay(0)
    assert serving.health()[1]["delay_s"] == 0.0


@pytest.mark.parametrize(
    "body", [b"", b"much", b"-1", b"10001", b"nan", b"inf", b"1" * 65, b"\xff", b"1,5"]
)
def test_a_load_that_is_none_is_refused_and_changes_nothing(serve: Serve, body: bytes) -> None:
    serving = serve("risk")
    serving.ask("PUT", "/load", b"3")
    status, answer = serving.ask("PUT", "/load", body)
    assert status == 400
    assert json.loads(answer) == {"error": "the body must be a number from 0 to 10000"}
    assert serving.services[0].engine.load == 3.0


@pytest.mark.parametrize("length", ["much", "-1"])
def test_a_malformed_length_is_refused(serve: Serve, length: str) -> None:
    assert serve("risk").ask("PUT", "/load", Content_Length=length)[0] == 400


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/"), ("GET", "/load"), ("POST", "/load"), ("GET", "/pause")]
)
def test_there_are_no_other_pages(serve: Serve, method: str, path: str) -> None:
    assert serve("risk").ask(method, path)[0] == 404


def test_a_pause_that_something_holds_up_says_so(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503, and the caller's client raises: a caller that needs a pause must notice that there is none."""
    monkeypatch.setattr(server, "PAUSE_TIMEOUT_S", 0.1)
    serving = serve("risk")
    serving.start()
    monkeypatch.setattr(serving.services[0].engine, "_unfinished", 1)
    with pytest.raises(ServiceUnreachableError, match="503"):
        serving.client.pause()
    monkeypatch.undo()


def test_metrics_are_served_as_prometheus_asks_for_them(serve: Serve) -> None:
    """OpenMetrics, which carries exemplars, when asked for; the older text format otherwise."""
    serving = serve("risk")
    status, page = serving.ask(
        "GET", "/metrics", Accept="application/openmetrics-text;version=1.0.0"
    )
    assert status == 200
    assert page.endswith("# EOF\n")
    assert "# EOF" not in serving.ask("GET", "/metrics")[1]
    assert f'service_instance="{serving.services[0].instance}"' in page


def test_all_services_in_one_process_answer_as_one(serve: Serve) -> None:
    serving = serve(*SERVICES)
    serving.start()
    status, body = serving.health()
    assert (status, body["service"]) == (200, "all")
    assert body["services"] == {s.service.dd_service: str(s.instance) for s in serving.services}
    serving.client.set_load(0.5)
    assert {service.engine.load for service in serving.services} == {0.5}
    serving.client.pause()
    assert {service.engine.state for service in serving.services} == {State.PAUSED}


def test_a_taken_port_is_named_with_the_setting_that_changes_it(serve: Serve) -> None:
    serving = serve("risk")
    control = server.Control(serving.services, new_registry(), serving.settings)
    with pytest.raises(PortTakenError, match=rf"127\.0\.0\.1:{serving.port}.*RISK_PORT"):
        server.listen(control, serving.settings, port=serving.port)


@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "/load"), ("PUT", "/delay"), ("POST", "/pause"), ("POST", "/resume"), ("GET", "/metrics")],
)  # fmt: skip
def test_no_page_and_no_foreign_host_steers_a_service(serve: Serve, method: str, path: str) -> None:
    """A web page is refused before anything is done; so is one of the service itself, which has no pages."""
    serving = serve("risk")
    serving.start()
    before = serving.health()[1]
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": f"http://127.0.0.1:{serving.port}"},
        {"Sec_Fetch_Site": "same-site"},
    ):
        assert serving.ask(method, path, b"0", **headers)[0] == 403
    assert serving.ask(method, path, b"0", Host="evil.example")[0] == 421
    assert serving.health()[1] == before


def test_beyond_loopback_a_service_takes_orders_only_with_a_token(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """Control requests need LAB_CONTROL_TOKEN; reads need no token."""
    serving = serve("risk")
    application = Serving(("risk",), bind_address="0.0.0.0")  # noqa: S104
    assert application.ask("PUT", "/load", b"3")[0] == 403
    assert application.ask("GET", "/metrics")[0] == 200
    guarded = Serving(("risk",), bind_address="0.0.0.0", lab_control_token=SecretStr("s3cret"))  # noqa: S104
    assert guarded.ask("PUT", "/load", b"3")[0] == 401
    assert guarded.ask("PUT", "/load", b"3", Authorization="Bearer wrong")[0] == 401
    assert "wrong token" in caplog.text
    assert guarded.ask("PUT", "/load", b"3", Authorization="Bearer s3cret")[0] == 200
    replace(guarded.client, token="s3cret").set_load(4)
    assert guarded.services[0].engine.load == 4.0
    assert serving.ask("PUT", "/load", b"3")[0] == 200


def test_status_shows_a_paused_service_as_paused(serve: Serve) -> None:
    """It answers, but a paused service is not ready; once it is resumed it is."""
    serving = serve("risk")
    serving.start()
    risk = ComponentStatus(name="risk", state=Up.RUNNING, version="1", address="", pid=1)
    found = Status(mode="native", components=(risk,))
    settings = LabSettings(_env_file=None, risk_port=serving.port)
    assert with_paused(found, settings) == found
    serving.client.pause()
    paused = with_paused(found, settings)
    assert ([c.state for c in paused.components], paused.outcome.ok) == ([Up.PAUSED], False)
    serving.client.resume()
    assert with_paused(found, settings).outcome.ok
