"""A real Prometheus, configured by k8s/, finds the pods that ask to be scraped, labelled as natively.

The API server is the one thing that is not real: it hands out the pods that the rendered objects ask for,
each at a loopback address of its own, where a page with metrics answers.
"""

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from prometheus_client import CollectorRegistry, start_http_server

from lab.foundation.readiness import await_state
from lab.stack.native.binaries import prometheus
from tests.fix_kubernetes import Object, mounted, overlay, pods
from tests.fix_postgres import free_port
from tests.fix_prometheus import Prometheus
from workload.metrics import Metrics

NAMESPACE = "credit-lab"
SERVICES = ("customers", "proposals", "risk", "servicing", "underwriting")
FOUND_SECONDS = 120
STOP_SECONDS = 150
IN_CLUSTER = "namespaces: {own_namespace: true}"


@dataclass(frozen=True, kw_only=True)
class Pod:
    """A pod of a workload at an address; 127.9.0.0/16 is this machine's own."""

    workload: str
    address: str

    def as_object(self, template: Object) -> Object:
        name = f"{self.workload}-{self.address.rpartition('.')[2]}"
        return {
            "metadata": {**template["metadata"], "name": name, "namespace": NAMESPACE, "uid": name},
            "spec": {**template["spec"], "nodeName": "node"},
            "status": {
                "phase": "Running",
                "podIP": self.address,
                "hostIP": "127.0.0.1",
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        }


@contextmanager
def api_server(found: list[Object]) -> Iterator[str]:
    """Answer a list of pods, and then a watch in which nothing happens."""
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            assert url.path == f"/api/v1/namespaces/{NAMESPACE}/pods", url.path
            asked = parse_qs(url.query)
            if "sendInitialEvents" in asked:
                # As an API server without streamed lists: newer clients then list as the older do.
                self.send_error(422, "sendInitialEvents is forbidden for watch")
                return
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            if "watch" in asked:
                self.end_headers()
                ended.wait()
                return
            pods_list = {
                "kind": "PodList",
                "apiVersion": "v1",
                "metadata": {"resourceVersion": "1"},
                "items": found,
            }
            body = json.dumps(pods_list).encode()
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Requests are not news."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        ended.set()
        server.shutdown()
        server.server_close()


@contextmanager
def metrics_page(pod: Pod, port: int) -> Iterator[None]:
    """Serve what one series of the pod's would look like."""
    registry = CollectorRegistry()
    if pod.workload in SERVICES:
        labels = {"service": f"credit-{pod.workload}"}
        Metrics(registry).gauge("credit_load_multiplier", **labels).set(1)
    server, thread = start_http_server(port, addr=pod.address, registry=registry)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Prometheus]:
    """Prometheus on the rendered pods: one of each workload, and a second replica of credit-customers."""
    objects = overlay("local")
    templates = pods(objects)
    found = [
        Pod(workload=workload, address=f"127.9.0.{number}")
        for number, workload in enumerate([*templates, "customers"], start=1)
    ]
    with ExitStack() as stack:
        for pod in found:
            annotations = templates[pod.workload]["metadata"].get("annotations", {})
            if port := annotations.get("prometheus.io/port"):
                stack.enter_context(metrics_page(pod, int(port)))
        listed = [pod.as_object(templates[pod.workload]) for pod in found]
        url = stack.enter_context(api_server(listed))
        for path, text in mounted(objects, templates["prometheus"], "prometheus").items():
            file = tmp_path / path.removeprefix("/etc/prometheus/")
            file.parent.mkdir(exist_ok=True)
            outside = f"api_server: {url}\n        namespaces: {{names: [{NAMESPACE}]}}"
            file.write_text(text.replace(IN_CLUSTER, outside))
        yield stack.enter_context(running(tmp_path))


@contextmanager
def running(directory: Path) -> Iterator[Prometheus]:
    port = free_port()
    log = directory / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                prometheus().path,
                f"--config.file={directory}/prometheus.yml",
                f"--storage.tsdb.path={directory}/data",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=output,
            stderr=output,
        )
    server = Prometheus(port=port)

    def silent() -> str | None:
        assert process.poll() is None, f"Prometheus ended:\n{log.read_text()}"
        try:
            server.api("status/buildinfo")
        except OSError as error:
            return str(error)
        return None

    try:
        await_state("Prometheus answers", silent, within_s=FOUND_SECONDS)
        yield server
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def test_prometheus_scrapes_every_pod_that_asks_and_labels_it_as_in_the_other_modes(
    cluster: Prometheus,
) -> None:
    """One target for each, at the annotated port, however many ports and containers its pod has."""

    def missing() -> str | None:
        targets = cluster.api("targets", state="active")["activeTargets"]
        # Prometheus expects itself at its port in a pod, and the console at its Service: neither is here.
        others = [t for t in targets if t["labels"]["job"] not in ("lab", "prometheus")]
        waiting = [t["labels"] for t in others if t["health"] != "up"]
        return None if len(others) == 7 and not waiting else f"{len(others)} targets, {waiting}"

    await_state("all seven targets are up", missing, within_s=FOUND_SECONDS)
    up = [labels for labels, _ in cluster.query('up{job!~"lab|prometheus"}')]
    database = {"job": "postgres", "instance": "postgres:5432", "namespace": NAMESPACE}
    [exporter] = [labels for labels in up if labels["job"] == "postgres"]
    assert exporter.items() >= database.items()
    assert exporter["pod"].startswith("postgres-")
    services = [labels for labels in up if labels["job"] == "credit"]
    expected = sorted([*(f"credit-{name}" for name in SERVICES), "credit-customers"])
    assert sorted(labels["service"] for labels in services) == expected
    assert len({labels["pod"] for labels in services}) == 6
    # The service's own label wins over the target's, and the label pod distinguishes both replicas.
    series = cluster.query('credit_load_multiplier{service="credit-customers"}')
    assert len({labels["pod"] for labels, _ in series}) == 2
