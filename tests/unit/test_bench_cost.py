"""The arithmetic of `bench cost`: differences of two looks, divided by what was done between them."""

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from lab.bench.cost.command import _same, _tables
from lab.bench.cost.figures import Cost, between
from lab.bench.cost.reading import Reading
from lab.stack.native.process_cost import ProcessCost

BORDERS = str.maketrans("│┃", "  ")
FIRST = Reading(
    at_s=100.0,
    processes={
        "customers": ProcessCost(cpu_s=10.0, resident=60_000_000),
        "risk": ProcessCost(cpu_s=5.0, resident=70_000_000),
        "postgres": ProcessCost(cpu_s=50.0, resident=1),
        "console": ProcessCost(cpu_s=8.0, resident=1),
        "prometheus": ProcessCost(cpu_s=3.0, resident=100_000_000),
    },
    operations={"customers": 1_000.0, "risk": 10.0},
    statements=5_000.0,
    execution_s={"credit_app": 20.0, "datadog": 4.0},
    spans=9_000.0,
    log_lines=100.0,
    samples=1_000_000.0,
    series=4_990.0,
)
SPENT = {"customers": 0.4, "risk": 0.1, "postgres": 0.6, "console": 0.09, "prometheus": 0.05}
LAST = Reading(
    at_s=150.0,
    processes={
        name: replace(process, cpu_s=process.cpu_s + SPENT[name])
        for name, process in FIRST.processes.items()
    },
    operations={"customers": 1_200.0, "risk": 10.0},
    statements=5_500.0,
    execution_s={"credit_app": 20.5, "datadog": 4.1, "postgres_exporter": 0.2},
    spans=9_900.0,
    log_lines=150.0,
    samples=1_010_000.0,
    series=5_000.0,
)


@pytest.fixture
def found() -> Cost:
    return between(FIRST, LAST, span_bytes=500.0)


def test_each_service_pays_for_its_own_operations(found: Cost) -> None:
    """One that did nothing has no cost of an operation, but its time counts for all of them together."""
    customers, risk = found.services["customers"], found.services["risk"]
    assert (customers.operations_per_s, customers.resident_mb) == (4.0, 60.0)
    assert customers.cpu_ms == pytest.approx(2.0)
    assert (risk.operations_per_s, risk.cpu_ms) == (0.0, None)
    assert found.application_ms == pytest.approx(2.5)


def test_what_is_shared_is_divided_by_what_it_is_there_for(found: Cost) -> None:
    assert (found.statements_per_operation, found.spans_per_operation) == (2.5, 4.5)
    assert found.postgres_ms == pytest.approx(3.0)
    assert found.console_us_per_span == pytest.approx(100.0)
    assert found.prometheus_us_per_sample == pytest.approx(5.0)
    assert found.series_bytes == 20_000.0
    assert found.series_us_per_s == pytest.approx(0.2)
    assert found.cpu_share["postgres"] == pytest.approx(0.012)


def test_a_role_that_came_meanwhile_began_at_nothing(found: Cost) -> None:
    assert found.execution_ms_per_s == pytest.approx(
        {"credit_app": 10.0, "datadog": 2.0, "postgres_exporter": 4.0}
    )


def test_what_was_started_again_is_not_measured() -> None:
    """Its times start at zero, and its counters lose the earlier work."""
    assert _same(FIRST, LAST)
    assert not _same(LAST, FIRST)
    fewer = {name: process for name, process in LAST.processes.items() if name != "risk"}
    assert not _same(FIRST, replace(LAST, processes=fewer))


def test_a_person_reads_each_cost_with_its_unit(found: Cost) -> None:
    """A service that did nothing has no cost of an operation; an unknown size is shown as unknown."""
    screen = Console(file=io.StringIO(), width=120)
    screen.print(*_tables(found))
    text: str = screen.file.getvalue()  # type: ignore[attr-defined]
    lines = [" ".join(line.translate(BORDERS).split()) for line in text.splitlines()]
    assert {
        "CPU of each service over 50 s",
        "customers 4.00 2.00 60",
        "risk 0.00 - 70",
        "all 4.00 2.50",
        "statements per operation 2.50",
        "spans per operation 4.50",
        "CPU of PostgreSQL per operation 3.00 ms",
        "execution for credit_app 10.0 ms/s",
        "execution for postgres_exporter 4.0 ms/s",
        "CPU of the console per span 100 µs",
        "a span in the store 500 bytes",
        "lines of PostgreSQL's log 1.0/s",
        "series in Prometheus 5,000",
        "memory of Prometheus per series 20.0 kB",
        "samples 200/s",
        "CPU of Prometheus per sample 5.0 µs",
        "CPU of Prometheus per series 0.20 µs/s",
        "core taken by postgres 1.20%",
    } <= set(lines)
    screen.print(*_tables(replace(found, span_bytes=None)))
    assert re.search("a span in the store[ │]+unknown", screen.file.getvalue())  # type: ignore[attr-defined]
