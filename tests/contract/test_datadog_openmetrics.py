"""datadog/conf.d/openmetrics.d/conf.yaml against the services and the metrics that they declare."""

import yaml

from lab.foundation.settings import ROOT
from workload.metrics import TABLE
from workload.settings import Settings

INSTANCES = yaml.safe_load((ROOT / "datadog/conf.d/openmetrics.d/conf.yaml").read_text())[
    "instances"
]
SERVICES = ("proposals", "underwriting", "customers", "servicing", "risk")


def test_every_service_is_read_at_its_port() -> None:
    ports = {name: Settings.model_fields[f"{name}_port"].default for name in SERVICES}
    endpoints = [instance["openmetrics_endpoint"] for instance in INSTANCES]
    assert endpoints == [f"http://{name}:{port}/metrics" for name, port in ports.items()]


def test_the_instances_are_alike_but_for_the_address() -> None:
    """Without merge keys, which the Agent's strict parser reports as duplicates."""
    alike = [
        {key: value for key, value in instance.items() if key != "openmetrics_endpoint"}
        for instance in INSTANCES
    ]
    assert all(instance == alike[0] for instance in alike)
    assert all("<<" not in file.read_text() for file in (ROOT / "datadog/conf.d").glob("*/*.yaml"))


def test_only_metrics_that_the_services_declare_are_read() -> None:
    declared = {metric.name for metric in TABLE}
    for instance in INSTANCES:
        assert {instance["raw_metric_prefix"] + name for name in instance["metrics"]} <= declared


def test_no_more_than_the_two_custom_metrics_that_docs_tell_of() -> None:
    """Each is billed to the account."""
    assert {name for i in INSTANCES for name in i["metrics"]} == {
        "start_delay_seconds",
        "arrivals_dropped",
    }
