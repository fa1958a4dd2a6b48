"""The table of metrics: names as Prometheus wants them, and access that catches a slip."""

import re

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from workload.exemplars import SpanIds
from workload.metrics import TABLE, Declaration, Kind, Metrics
from workload.process import new_registry
from workload.statements import STATEMENTS
from workload.telemetry import EXEMPLAR_S, DatabaseTelemetry

UNITS = ("_seconds", "_brl", "_rate", "_multiplier", "_connections", "_info")
NAME = re.compile(r"credit_[a-z]+(_[a-z]+)*")


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


@pytest.mark.parametrize("declaration", TABLE, ids=lambda declaration: declaration.name)
def test_a_name_obeys_the_rules_of_prometheus(declaration: Declaration) -> None:
    """Application prefix, base units, plural for what is counted; suffixes are the type's to add."""
    assert NAME.fullmatch(declaration.name)
    assert not declaration.name.endswith(("_total", "_count", "_sum", "_bucket", "_milliseconds"))
    if declaration.kind is Kind.COUNTER:
        assert declaration.name.endswith(("s", "_brl", "_attempted", "_dropped"))
    else:
        assert declaration.name.endswith(UNITS)
    assert (declaration.kind is Kind.HISTOGRAM) == declaration.name.endswith("_seconds")
    assert declaration.labels[0] == "service"


def test_names_are_declared_once() -> None:
    assert len({declaration.name for declaration in TABLE}) == len(TABLE)


def test_one_child_for_the_same_labels(metrics: Metrics) -> None:
    metrics.counter("credit_arrivals", service="s", operation="o").inc()
    metrics.counter("credit_arrivals", operation="o", service="s").inc()
    value = metrics.registry.get_sample_value(
        "credit_arrivals_total", {"service": "s", "operation": "o"}
    )
    assert value == 2


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("credit_arrival", {"service": "s", "operation": "o"}),
        ("credit_arrivals", {"service": "s"}),
        ("credit_arrivals", {"service": "s", "operation": "o", "more": "m"}),
        ("credit_load_multiplier", {"service": "s"}),
    ],
)
def test_a_metric_that_was_not_declared_like_this_is_refused(
    metrics: Metrics, name: str, labels: dict[str, str]
) -> None:
    with pytest.raises((KeyError, ValueError, AssertionError)):
        metrics.counter(name, **labels)


def test_preset_children_stand_at_zero(metrics: Metrics) -> None:
    metrics.preset("credit_operations", "outcome", ("ok", "error"), service="s", operation="o")
    for outcome in ("ok", "error"):
        labels = {"service": "s", "operation": "o", "outcome": outcome}
        assert metrics.registry.get_sample_value("credit_operations_total", labels) == 0


def test_a_page_says_nothing_of_creation_times() -> None:
    """No _created series beside each counter; the process's own memory and CPU are there."""
    registry = new_registry()
    Metrics(registry).counter("credit_arrivals", service="s", operation="o").inc()
    page = generate_latest(registry).decode()
    assert "credit_arrivals_total{" in page
    assert "_created" not in page
    assert "process_cpu_seconds_total" in page


def test_a_statement_has_its_rows_and_from_a_millisecond_on_an_exemplar() -> None:
    """The driver's -1, of a statement without a number of rows, adds none."""
    registry = CollectorRegistry()
    ids = SpanIds(trace_id=1, span_id=2)
    telemetry = DatabaseTelemetry(Metrics(registry), "credit-risk", lambda: ids)
    statement = STATEMENTS["customer_by_cpf"]
    telemetry.executed(statement, EXEMPLAR_S / 2, 3)
    telemetry.executed(statement, EXEMPLAR_S, -1)
    labels = {"service": "credit-risk", "statement": "customer_by_cpf"}
    assert registry.get_sample_value("credit_statement_rows_total", labels) == 3
    [family] = [f for f in registry.collect() if f.name == "credit_statement_duration_seconds"]
    [exemplar] = [sample.exemplar for sample in family.samples if sample.exemplar]
    assert exemplar.value == EXEMPLAR_S
    assert exemplar.labels == {"trace_id": f"{1:032x}", "span_id": f"{2:016x}"}
