"""The services' metrics as the embedded agent reads them from a real server, and the intake keeps them."""

import json
from collections.abc import Iterator, Sequence

import pytest
import yaml
from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server

from lab.clients.services import ServiceClient
from lab.foundation.settings import ROOT
from lab.telemetry.embedded.events import Event
from lab.telemetry.embedded.openmetrics import COUNTS, INTERVAL_S, NAMESPACE, OpenMetrics
from lab.telemetry.intake import STREAMS
from lab.telemetry.intake.metric_names import KEPT_METRICS
from lab.telemetry.store import MetricPoint, MetricSeries, MetricType, Source
from tests.fix_postgres import free_port


class Service:
    """A page with the services' metrics, and others."""

    def __init__(self, name: str) -> None:
        registry = CollectorRegistry()
        self.dropped = Counter(
            "credit_arrivals_dropped", "d", ["operation", "service"], registry=registry
        )
        self.delay = Histogram("credit_start_delay_seconds", "d", ["service"], registry=registry)
        Counter("credit_operations", "d", registry=registry).inc()
        self.dropped.labels("browse", name).inc(2)
        self.delay.labels(name).observe(0.5)
        port = free_port()
        self.server, self.thread = start_http_server(port, "127.0.0.1", registry)
        self.client = ServiceClient(name=name, address=f"127.0.0.1:{port}")

    def stop(self) -> None:
        """Answer no more."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service("credit-risk")
    try:
        yield service
    finally:
        service.stop()


def run(check: OpenMetrics, sent: list[Event]) -> dict[tuple[str, tuple[str, ...]], float]:
    """One run of the check: values by name and tags, as the intake stores them."""
    sent.clear()
    check.once()
    records = STREAMS["/api/v2/series"].decode(json.dumps({"series": sent}).encode()).records
    found = {r.key: r for r in records if isinstance(r, MetricSeries)}
    for one in found.values():
        assert (one.source, one.type, one.interval_s) == (Source.EMBEDDED, MetricType.COUNT, 10.0)
    points = [r for r in records if isinstance(r, MetricPoint)]
    return {(found[p.series].name, found[p.series].tags): p.value for p in points}


def check_of(clients: Sequence[ServiceClient], sent: list[Event]) -> OpenMetrics:
    def put(path: str, events: Sequence[Event]) -> None:
        assert path == "/api/v2/series"
        sent.extend(events)

    return OpenMetrics(clients, put, host="h", env="lab")


def test_the_growth_of_each_counter_is_sent_with_its_labels(service: Service) -> None:
    """From the second run on; a service that does not answer is left out, and the others are sent."""
    sent: list[Event] = []
    silent = ServiceClient(name="credit-customers", address=f"127.0.0.1:{free_port()}")
    check = check_of([silent, service.client], sent)
    assert run(check, sent) == {}
    service.dropped.labels("browse", "credit-risk").inc(3)
    service.dropped.labels("report", "credit-risk").inc(7)
    service.delay.labels("credit-risk").observe(0.25)
    service.delay.labels("credit-risk").observe(1)
    tags = ("env:lab", "service:credit-risk")
    assert run(check, sent) == {
        (
            "credit.arrivals_dropped.count",
            ("env:lab", "operation:browse", "service:credit-risk"),
        ): 3.0,
        ("credit.start_delay_seconds.count", tags): 2.0,
        ("credit.start_delay_seconds.sum", tags): 1.25,
    }
    # A label that was new in the last run has a growth from now on.
    service.dropped.labels("report", "credit-risk").inc()
    found = run(check, sent)
    reports = ("env:lab", "operation:report", "service:credit-risk")
    assert found["credit.arrivals_dropped.count", reports] == 1.0
    assert found["credit.start_delay_seconds.sum", tags] == 0.0


def test_it_plays_the_configuration_of_the_agents_check() -> None:
    """Names, interval and namespace are those of datadog/conf.d, and the intake keeps all of them."""
    text = (ROOT / "datadog/conf.d/openmetrics.d/conf.yaml").read_text()
    for instance in yaml.safe_load(text)["instances"]:
        assert instance["namespace"] == NAMESPACE
        assert instance["min_collection_interval"] == INTERVAL_S
        prefix = instance["raw_metric_prefix"]
        wanted = tuple(prefix + name for name in instance["metrics"])
        assert all(name.startswith(wanted) for name in COUNTS)
        assert all(any(name.startswith(one) for name in COUNTS) for one in wanted)
    kept = {name for name in KEPT_METRICS if name.startswith(f"{NAMESPACE}.")}
    assert kept == {f"{NAMESPACE}.{name}" for name in COUNTS.values()}
