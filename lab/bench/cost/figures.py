"""Unit costs for capacity planning: the differences of two readings, divided by the work between them."""

from collections.abc import Mapping
from dataclasses import dataclass

from lab.bench.cost.reading import Reading

MS, US = 1_000.0, 1_000_000.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceCost:
    """One process of a service; `cpu_ms` is per operation, None when there was none."""

    operations_per_s: float
    cpu_ms: float | None
    resident_mb: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """Costs in processor time, over a window.

    Attributes:
        seconds: length of the window.
        services: by name.
        operations_per_s, statements_per_operation, spans_per_operation: of all services together.
        application_ms: per operation, all services together.
        postgres_ms: per operation, with all other work of the server, observers included.
        execution_ms_per_s: execution time of statements by role, as measured by PostgreSQL: with waits.
        console_us_per_span: all work of the console, per stored span.
        span_bytes: of a span in the store, indexes included; None where SQLite has no dbstat.
        log_lines_per_s: read by the console.
        series: in Prometheus' head.
        series_bytes: Prometheus' resident memory per series.
        prometheus_us_per_sample: all work of Prometheus, per appended sample.
        series_us_per_s: the same per series and second.
        cpu_share: of one core, by component.
    """

    seconds: float
    services: Mapping[str, ServiceCost]
    operations_per_s: float
    statements_per_operation: float
    spans_per_operation: float
    application_ms: float
    postgres_ms: float
    execution_ms_per_s: Mapping[str, float]
    console_us_per_span: float
    span_bytes: float | None
    log_lines_per_s: float
    samples_per_s: float
    series: float
    series_bytes: float
    prometheus_us_per_sample: float
    series_us_per_s: float
    cpu_share: Mapping[str, float]


def between(first: Reading, last: Reading, *, span_bytes: float | None) -> Cost:
    """Return the unit costs of the work between two readings of the same processes.

    Raises:
        ZeroDivisionError: when there was no work: no operation, no span, no sample.
    """
    seconds = last.at_s - first.at_s
    spent = {
        name: process.cpu_s - first.processes[name].cpu_s
        for name, process in last.processes.items()
    }
    done = {name: count - first.operations[name] for name, count in last.operations.items()}
    operations, spans = sum(done.values()), last.spans - first.spans
    samples = last.samples - first.samples
    return Cost(
        seconds=seconds,
        services={
            name: ServiceCost(
                operations_per_s=count / seconds,
                cpu_ms=MS * spent[name] / count if count else None,
                resident_mb=last.processes[name].resident / 1e6,
            )
            for name, count in done.items()
        },
        operations_per_s=operations / seconds,
        statements_per_operation=(last.statements - first.statements) / operations,
        spans_per_operation=spans / operations,
        application_ms=MS * sum(spent[name] for name in done) / operations,
        postgres_ms=MS * spent["postgres"] / operations,
        execution_ms_per_s={
            role: MS * (total - first.execution_s.get(role, 0.0)) / seconds
            for role, total in last.execution_s.items()
        },
        console_us_per_span=US * spent["console"] / spans,
        span_bytes=span_bytes,
        log_lines_per_s=(last.log_lines - first.log_lines) / seconds,
        samples_per_s=samples / seconds,
        series=last.series,
        series_bytes=last.processes["prometheus"].resident / last.series,
        prometheus_us_per_sample=US * spent["prometheus"] / samples,
        series_us_per_s=US * spent["prometheus"] / seconds / last.series,
        cpu_share={name: cpu_s / seconds for name, cpu_s in spent.items()},
    )
