"""Requests of the lab's HTTP clients, and how they read responses: Prometheus, the services, the console."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from pydantic import SecretStr

from lab.clients import console
from lab.clients.prometheus import Alert, Prometheus, PrometheusError, Target, seconds
from lab.clients.promql import PromQL, PromQLError
from lab.clients.services import ServiceClient, ServiceUnreachableError
from lab.foundation.settings import LabSettings
from tests.fix_postgres import free_port

S = 1_000_000_000


class Server:
    """Answers with `status` and `body`, then with those of `later`; keeps what it received."""

    def __init__(self) -> None:
        self.status, self.body = 200, b""
        self.later: list[bytes] = []
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.bodies: list[bytes] = []
        self.tokens: list[str | None] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                parts = urlsplit(self.path)
                outer.asked.append((self.command, parts.path, dict(parse_qsl(parts.query))))
                outer.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
                outer.tokens.append(self.headers["Authorization"])
                self.send_response(outer.status)
                self.send_header("Content-Length", str(len(outer.body)))
                self.end_headers()
                self.wfile.write(outer.body)
                outer.body = outer.later.pop(0) if outer.later else outer.body

            do_GET = do_PUT = do_POST = _answer  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answers(self, data: object, **beside: object) -> None:
        self.body = json.dumps({"status": "success", "data": data, **beside}).encode()


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


@pytest.fixture
def prometheus(server: Server) -> Prometheus:
    return Prometheus(url=f"http://127.0.0.1:{server.port}/prefix/")


def result(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"resultType": "matrix", "result": list(rows)}


def test_an_instant_query(server: Server, prometheus: Prometheus) -> None:
    """At a time in milliseconds; without one the server's own time applies."""
    server.answers(result({"metric": {"a": "b"}, "value": [1_000.25, "1.5"]}))
    [found] = prometheus.now("up", at_ns=1_000_250 * S // 1_000)
    assert (found.labels, found.points, found.value) == (
        {"a": "b"},
        ((1_000_250_000_000, 1.5),),
        1.5,
    )
    prometheus.now("up")
    assert server.asked == [
        ("GET", "/prefix/api/v1/query", {"query": "up", "time": "1000.250"}),
        ("GET", "/prefix/api/v1/query", {"query": "up"}),
    ]


def test_queries_over_a_time_range(server: Server, prometheus: Prometheus) -> None:
    """Evaluated every two seconds by default; raw samples are those before a time."""
    server.answers(result({"metric": {}, "values": [[1, "3"], [2, "1"], [3, "3"]]}))
    [found] = prometheus.series("up", since_ns=S, until_ns=3 * S)
    assert (found.points, found.value) == (((S, 3.0), (2 * S, 1.0), (3 * S, 3.0)), 3.0)
    prometheus.series("up", since_ns=S, until_ns=3 * S, step_s=10)
    assert len(prometheus.raw("up", window_s=90.4, at_ns=5 * S)) == 1
    assert prometheus.times_ns("up", since_ns=S, until_ns=3 * S) == [S, 3 * S]
    window = {"query": "up", "start": "1.000", "end": "3.000"}
    assert [asked[1:] for asked in server.asked] == [
        ("/prefix/api/v1/query_range", {**window, "step": "2"}),
        ("/prefix/api/v1/query_range", {**window, "step": "10"}),
        ("/prefix/api/v1/query", {"query": "up[90s]", "time": "5.000"}),
        ("/prefix/api/v1/query_range", {**window, "step": "2"}),
    ]


def test_alerts_have_the_first_time_of_each_state(server: Server, prometheus: Prometheus) -> None:
    labels = {"__name__": "ALERTS", "alertname": "Down", "severity": "critical"}
    other = {"alertname": "Slow", "severity": "warning", "alertstate": "pending"}
    server.answers(
        result(
            {"metric": {**labels, "alertstate": "pending"}, "values": [[5, "1"], [7, "1"]]},
            {"metric": {**labels, "alertstate": "firing"}, "values": [[9, "1"]]},
            {"metric": other, "values": [[6, "1"]]},
        )
    )
    down = {"alertname": "Down", "severity": "critical"}
    slow = {"alertname": "Slow", "severity": "warning"}
    assert prometheus.alerts(since_ns=S, until_ns=9 * S) == (
        Alert(name="Down", labels=down, pending_ns=5 * S, firing_ns=9 * S),
        Alert(name="Slow", labels=slow, pending_ns=6 * S, firing_ns=None),
    )
    assert server.asked[0][2]["query"] == 'ALERTS{severity!="none"}'


def test_targets_exemplars_and_retention(server: Server, prometheus: Prometheus) -> None:
    target = {"labels": {"job": "risk"}, "scrapeUrl": "http://a/metrics", "scrapeInterval": "1m5s"}
    server.answers({"activeTargets": [target], "droppedTargets": [{}]})
    assert prometheus.targets() == (Target(job="risk", url="http://a/metrics", every_s=65.0),)
    server.answers(
        [{"exemplars": [{"labels": {"trace_id": "a"}}, {"labels": {}}]}, {"exemplars": []}]
    )
    assert prometheus.exemplars("up", since_ns=S, until_ns=2 * S) == {"a"}
    server.answers({"storageRetention": "7d or 1GB"})
    assert prometheus.retention_s() == 604_800.0
    assert [asked[1:] for asked in server.asked] == [
        ("/prefix/api/v1/targets", {"state": "active"}),
        ("/prefix/api/v1/query_exemplars", {"query": "up", "start": "1.000", "end": "2.000"}),
        ("/prefix/api/v1/status/runtimeinfo", {}),
    ]


def test_an_error_names_the_server_and_the_query(server: Server, prometheus: Prometheus) -> None:
    server.status, server.body = 400, b'{"status": "error", "error": "parse error"}'
    with pytest.raises(PrometheusError) as refused:
        prometheus.now("up{")
    assert str(refused.value) == f"Prometheus at {prometheus.url} refuses up{{: parse error"
    with pytest.raises(PrometheusError, match="refuses targets: parse error"):
        prometheus.targets()
    server.body = b"<html>"
    with pytest.raises(PrometheusError, match="does not answer at http"):
        prometheus.now("up")


@pytest.mark.parametrize(
    ("duration", "expected"),
    [("1y", 31_536_000.0), ("1w2d", 777_600.0), ("2h3m4s5ms", 7_384.005), ("0s", 0.0), ("x", 0.0)],
)
def test_a_duration_of_prometheus_in_seconds(duration: str, expected: float) -> None:
    assert seconds(duration) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("url", "expected"),
    [(None, "http://127.0.0.1:9"), ("http://prometheus:9090/x/", "http://prometheus:9090/x")],
)
def test_the_address_of_prometheus(url: str | None, expected: str) -> None:
    """That of the settings, else the lab's own on this machine."""
    settings = LabSettings(
        _env_file=None,
        prometheus_url=url,
        prometheus_port=9,
        bind_address="0.0.0.0",  # noqa: S104
    )
    assert Prometheus.of(settings).url == PromQL.of(settings).url == expected


def test_an_expression_of_a_user(server: Server) -> None:
    """At most as many series as requested, with the number of all and five warnings."""
    client = PromQL(url=f"http://127.0.0.1:{server.port}", timeout_s=2.5)
    rows = [{"metric": {"n": str(n)}, "value": [7, "1"]} for n in range(3)]
    server.answers(
        {"resultType": "vector", "result": rows}, warnings=list("abc"), infos=list("def")
    )
    found = client.instant("x", at_s=1.23456, limit=2)
    assert [one.labels for one in found.series] == [{"n": "0"}, {"n": "1"}]
    assert (found.type, found.found, found.warnings) == ("vector", 3, tuple("abcde"))
    assert found.series[0].points == ((7, "1"),)
    client.range("x", since_s=1.0, until_s=2.5, step_s=0.25, limit=9)
    server.answers([{"a": "b"}])
    assert client.label_sets("{a}", since_s=1.0, until_s=2.5) == [{"a": "b"}]
    window = {"start": "1.000", "end": "2.500"}
    assert [asked[1:] for asked in server.asked] == [
        ("/api/v1/query", {"timeout": "2.5s", "query": "x", "time": "1.235"}),
        ("/api/v1/query_range", {"timeout": "2.5s", "query": "x", **window, "step": "0.25"}),
        ("/api/v1/series", {"match[]": "{a}", **window}),
    ]
    server.body = b'{"status": "error", "errorType": "bad_data", "error": "parse error"}'
    with pytest.raises(PromQLError) as refused:
        client.instant("x", at_s=1.0, limit=1)
    assert str(refused.value) == "Prometheus refuses the request (bad_data): parse error"


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        ({}, ()), ({"value": [1, "2"]}, ((1, "2"),)), ({"values": [[1, "2"]]}, ((1, "2"),)),
        ({"histogram": [3, {"count": "4"}]}, ((3, "histogram of 4 values"),)),
        (
            {"values": [[1, "2"]], "histograms": [[3, {"count": "4"}]]},
            ((1, "2"), (3, "histogram of 4 values")),
        ),
    ],
)  # fmt: skip
def test_points_of_a_series_are_values_or_histograms(
    server: Server, series: dict[str, Any], expected: tuple[object, ...]
) -> None:
    server.answers({"resultType": "vector", "result": [{"metric": {}, **series}]})
    client = PromQL(url=f"http://127.0.0.1:{server.port}")
    assert client.instant("x", at_s=1.0, limit=1).series[0].points == expected


def test_the_metadata_of_metrics(server: Server) -> None:
    """A histogram's is under its name without a suffix; a name with a colon is a recording rule's."""
    known = {"a": [{"type": "counter", "unit": "", "help": "A."}], "b": [{"type": "histogram"}]}
    names = ["a", "a_total", "b_bucket", "b_sum", "x:y", "z"]
    server.answers(known)
    server.later = [json.dumps({"status": "success", "data": names}).encode()]
    assert PromQL(url=f"http://127.0.0.1:{server.port}").metrics() == {
        "a": {"type": "counter", "help": "A."}, "a_total": {"type": "counter", "help": "A."},
        "b_bucket": {"type": "histogram"}, "b_sum": {"type": "histogram"},
        "x:y": {"type": "recording rule"}, "z": {},
    }  # fmt: skip


def test_commands_for_a_service(server: Server) -> None:
    """The token goes with each request; a number has no more digits than it needs."""
    client = ServiceClient(name="risk", address=f"127.0.0.1:{server.port}", token="t")
    client.set_load(2.0)
    client.set_delay(0.25)
    client.pause()
    client.resume()
    assert [asked[:2] for asked in server.asked] == [
        ("PUT", "/load"), ("PUT", "/delay"), ("POST", "/pause"), ("POST", "/resume"),
    ]  # fmt: skip
    assert server.bodies == [b"2", b"0.25", b"", b""]
    assert set(server.tokens) == {"Bearer t"}
    server.status, server.body = 503, b" busy\n"
    with pytest.raises(ServiceUnreachableError) as refused:
        client.set_load(1.0)
    assert str(refused.value) == "credit-risk answers PUT /load with status 503: busy"


def test_another_program_at_the_address_is_named(server: Server) -> None:
    client = ServiceClient(name="risk", address=f"127.0.0.1:{server.port}")
    server.body = b"[" + b"x" * 100
    for request in (client.health, client.samples, lambda: client.clocks(buckets=True)):
        with pytest.raises(ServiceUnreachableError) as refused:
            request()
        assert str(refused.value).startswith(
            "Another program than credit-risk answers http://127.0.0.1:"
        )
        assert repr("[" + "x" * 59) in str(refused.value)
        assert str(refused.value).endswith("Stop that program, or choose another port in .env.")
    assert [asked[1] for asked in server.asked] == ["/healthz", "/metrics", "/clocks/buckets"]
    server.body = b'{"a": [1, 0.5, {"3": 1}]}'
    assert client.clocks(buckets=False) == {"a": (1, 0.5, {3: 1})}
    assert server.asked[-1][1] == "/clocks"
    assert server.tokens[-1] is None


@pytest.mark.parametrize(
    ("status", "is_accepted"), [(200, True), (204, True), (300, False), (403, False)]
)
def test_a_document_for_the_console(server: Server, status: int, is_accepted: bool) -> None:
    server.status, server.body = status, b"" if status == 204 else b"{}"
    settings = LabSettings(
        _env_file=None, console_port=server.port, lab_console_token=SecretStr("secret")
    )
    expected = server.body if is_accepted else None
    assert console.put(settings, "/api/x", b"[1]") == expected
    assert (server.asked[0][:2], server.bodies, server.tokens) == (
        ("PUT", "/api/x"), [b"[1]"], ["Bearer secret"],
    )  # fmt: skip
    alone = settings.model_copy(update={"console_port": free_port()})
    assert console.put(alone, "/api/x", b"") is None
