"""Questions about the load as its callers see it: the truth is the services' own clocks."""

from collections.abc import Iterator, Sequence

from lab.compare.answers import Compared, Group, cannot
from lab.compare.questions.case import NO_SERIES, Case, Leg, counter, lag, mean_of, quantile_row
from workload.services import SERVICES

NAMES = tuple(service.dd_service for service in SERVICES.values())
OWN = "only the services' own metrics have it: no span covers it, and DBM sees sessions, not pools"
DELAY = "no span begins before its operation; the Agent's OpenMetrics check sends count and sum of histograms"


def compare(case: Case) -> Iterator[Compared]:
    """Yield operations, errors, durations and percentiles."""
    for service in NAMES:
        yield _operations(case, service)
    yield _errors(case)
    yield _mean(case)
    for service in NAMES:
        yield _percentile(case, service)
    yield _statements(case)
    yield _pool(case)
    yield _start_delay(case)
    yield _lag(case)


def _clocks(case: Case, service: str, kind: str) -> list[str]:
    start = f"{service}/{kind}/"
    return sorted(name for name in case.readings.names("clock") if name.startswith(start))


def _operations(case: Case, service: str) -> Compared:
    names = _clocks(case, service, "operation")
    leg = Leg(
        keys=tuple(("clock", name, "count") for name in names),
        series=f'credit_operations_total{{service="{service}"}}',
        datadog=lambda datadog: datadog.operations(service),
    )
    return counter(case, Group.LOAD, f"operations of {service}", "", leg)


def _errors(case: Case) -> Compared:
    legs = [
        Leg(
            keys=tuple(("clock", name, "count") for name in _clocks(case, service, "error")),
            series=f'credit_operations_total{{service="{service}", outcome="error"}}',
            datadog=lambda datadog, service=service: datadog.operations(service, errors=True),  # type: ignore[misc]
        )
        for service in NAMES
    ]
    return counter(case, Group.LOAD, "failed operations, all services", "", *legs)


def _mean(case: Case) -> Compared:
    mean_ms = case.datadog.mean_ms(NAMES)
    datadog = cannot(case.datadog.trouble or "no span of an operation in the window")
    if mean_ms is not None:
        datadog = case.datadog.from_spans(mean_ms)
    legs = _durations(case, "operation", "credit_operation_duration_seconds")
    return counter(
        case, Group.LOAD, "mean duration of an operation", "ms", *legs, formula=mean_of_services,
        datadog=datadog,
    )  # fmt: skip


def _durations(case: Case, kind: str, series: str) -> list[Leg]:
    """Return sums of durations by service, then their counts."""
    return [
        Leg(
            keys=tuple(("clock", name, column) for name in _clocks(case, service, kind)),
            series=f'{series}_{suffix}{{service="{service}"}}',
            datadog="",
            scale=scale,
            series_scale=scale,
        )
        for column, suffix, scale in (("seconds", "sum", 1000.0), ("count", "count", 1.0))
        for service in NAMES
    ]


def mean_of_services(values: Sequence[float]) -> float:
    """Return the mean of sums and counts by service.

    >>> mean_of_services([6.0, 4.0, 1.0, 4.0])
    2.0
    """
    half = len(values) // 2
    return mean_of([sum(values[:half]), sum(values[half:])])


def _percentile(case: Case, service: str) -> Compared:
    return quantile_row(
        case,
        Group.LOAD,
        f"95th percentile of {service}",
        q=0.95,
        clocks=_clocks(case, service, "operation"),
        bucket=f'credit_operation_duration_seconds_bucket{{service="{service}"}}',
        datadog=case.datadog.quantile_ms(service, 0.95)
        or cannot(case.datadog.trouble or "no span of an operation in the window"),
    )


def _statements(case: Case) -> Compared:
    def leg(services: Sequence[str], series: str) -> Leg:
        names = [name for service in services for name in _clocks(case, service, "statement")]
        return Leg(
            keys=tuple(("clock", name, "count") for name in names),
            series=series,
            datadog=lambda datadog: datadog.statements(),
        )

    count = "credit_statement_duration_seconds_count"
    legs = [leg([service], f'{count}{{service="{service}"}}') for service in NAMES]
    question = "statements of all services"
    return counter(case, Group.LOAD, question, "", *legs, datadog=[leg(NAMES, count)])


def _pool(case: Case) -> Compared:
    legs = _durations(case, "pool", "credit_pool_wait_seconds")
    return counter(
        case, Group.LOAD, "mean connection checkout wait", "ms", *legs, formula=mean_of_services,
        datadog=cannot(OWN),
    )  # fmt: skip


def _start_delay(case: Case) -> Compared:
    return quantile_row(
        case,
        Group.LOAD,
        "99th percentile of the start delay",
        q=0.99,
        clocks=[name for service in NAMES for name in _clocks(case, service, "start")],
        bucket="credit_start_delay_seconds_bucket",
        datadog=cannot(DELAY),
    )


def _lag(case: Case) -> Compared:
    """The age of the newest point about the load."""
    found = case.prometheus.gauge("credit_load_multiplier")
    return lag(
        Group.LOAD,
        "load",
        (found and found[0], case.prometheus.trouble or NO_SERIES),
        (case.datadog.from_spans(""), "no span in the window"),
    )
