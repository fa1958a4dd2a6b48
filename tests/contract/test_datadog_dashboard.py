"""datadog/dashboard.json and the openmetrics check against the names of the metrics there are."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from lab.settings import ROOT
from workload.metrics import TABLE
from workload.settings import Settings

DASHBOARD: dict[str, Any] = json.loads((ROOT / "datadog/dashboard.json").read_text())
POSTGRES = set(
    yaml.safe_load((ROOT / "tests/contract/postgres_check_metrics.yaml").read_text())["metrics"]
)
OPENMETRICS = yaml.safe_load((ROOT / "datadog/conf.d/openmetrics.d/conf.yaml").read_text())
# APM makes these of every span named credit.operation.
TRACE_METRICS = {f"trace.credit.operation{part}" for part in ("", ".hits", ".errors")}
METRIC = re.compile(r"(?:sum|avg|min|max|p99):([a-z_.0-9]+)\{")


def own_metrics() -> set[str]:
    """Return what the openmetrics check makes of the services' metrics."""
    [names] = {tuple(instance["metrics"]) for instance in OPENMETRICS["instances"]}
    parts = {"start_delay_seconds": (".sum", ".count"), "arrivals_dropped": (".count",)}
    return {f"credit.{name}{part}" for name in names for part in parts[name]}


def is_known(metric: str) -> bool:
    if metric.startswith("postgresql."):
        return metric.removeprefix("postgresql.") in POSTGRES
    return metric in TRACE_METRICS | own_metrics()


def widgets(parent: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for widget in parent["widgets"]:
        if widget["definition"]["type"] == "group":
            yield from widgets(widget["definition"])
        else:
            yield widget["definition"]


@pytest.mark.parametrize("widget", list(widgets(DASHBOARD)), ids=lambda widget: widget["title"])
def test_a_widget_asks_for_metrics_there_are_and_shows_what_it_asks_for(
    widget: dict[str, Any],
) -> None:
    for request in widget["requests"]:
        names = {query["name"] for query in request["queries"]}
        used = {n for f in request["formulas"] for n in re.findall(r"[a-z]\w*", f["formula"])}
        assert used == names
        for query in request["queries"]:
            [metric] = METRIC.findall(query["query"])
            assert is_known(metric), metric
            assert "{$env" in query["query"]


def test_the_openmetrics_check_reads_every_service_and_metrics_that_they_declare() -> None:
    services = ("proposals", "underwriting", "customers", "servicing", "risk")
    ports = {name: Settings.model_fields[f"{name}_port"].default for name in services}
    endpoints = [instance["openmetrics_endpoint"] for instance in OPENMETRICS["instances"]]
    assert endpoints == [f"http://{name}:{port}/metrics" for name, port in ports.items()]
    declared = {metric.name for metric in TABLE}
    for instance in OPENMETRICS["instances"]:
        prefix = instance["raw_metric_prefix"]
        assert {f"{prefix}{name}" for name in instance["metrics"]} <= declared
