"""Rate, errors and duration of the services, from the same Prometheus series as the Grafana dashboards."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import isfinite

from lab.clients.prometheus import Prometheus, Series
from lab.foundation.timestamps import NS_PER_S
from lab.stack.components import SERVICES

RATE = "service:credit_operations:rate1m"
ERRORS = "service:credit_operation_errors:ratio_rate5m"
DURATION = "service:credit_operation_duration_seconds:quantile_rate5m"
DELAY = "service:credit_start_delay_seconds:quantile_rate5m"
P50, P95, P99 = "0.5", "0.95", "0.99"
POINTS = 60
FIVE = tuple(f"credit-{name}" for name in SERVICES)
# Prometheus scrapes the services every 5 s; a finer step would only repeat.
LEAST_STEP_S = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceHealth:
    """One service over a window; a value that Prometheus does not have is None.

    Attributes:
        rate: operations per second, over the last minute.
        errors: the share of operations that failed, over the last 5 minutes.
        p50_s, p95_s, p99_s: of an operation's duration in seconds, over the last 5 minutes.
        delay_s: the 99th percentile of the start delay of operations, in seconds.
        rates, p95s: over the window, one value for each of `ServicesHealth.starts`.
    """

    name: str
    rate: float | None
    errors: float | None
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None
    delay_s: float | None
    rates: tuple[float | None, ...]
    p95s: tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ServicesHealth:
    """All services over a window."""

    times: tuple[float, ...]
    services: tuple[ServiceHealth, ...]

    @property
    def rate(self) -> float:
        """Operations per second of all of them."""
        return sum(service.rate or 0.0 for service in self.services)


def services_health(prometheus: Prometheus, *, since: datetime, until: datetime) -> ServicesHealth:
    """Return rate, errors and duration in a window: of the five, and of other services with the same metrics.

    Raises:
        PrometheusError: when Prometheus does not answer.
    """
    step_s = max(LEAST_STEP_S, round((until - since).total_seconds() / POINTS))
    first = since.timestamp() // step_s * step_s + step_s
    times = tuple(first + i * step_s for i in range(int((until.timestamp() - first) / step_s) + 1))
    begin_ns, end_ns = (round(t) * NS_PER_S for t in (times[0], times[-1]))

    def over_time(expression: str) -> dict[str, Mapping[float, float]]:
        found = prometheus.series(expression, since_ns=begin_ns, until_ns=end_ns, step_s=step_s)
        return {series.labels["service"]: _known(series) for series in found}

    rates = over_time(RATE)
    p95s = over_time(f'{DURATION}{{quantile="{P95}"}}')
    now = _now(prometheus)
    further = {name for name, *_ in now} - set(FIVE)
    return ServicesHealth(
        times=times,
        services=tuple(
            ServiceHealth(
                name=name,
                rate=now.get((name, RATE, "")),
                errors=now.get((name, ERRORS, "")),
                p50_s=now.get((name, DURATION, P50)),
                p95_s=now.get((name, DURATION, P95)),
                p99_s=now.get((name, DURATION, P99)),
                delay_s=now.get((name, DELAY, P99)),
                rates=tuple(rates.get(name, {}).get(t) for t in times),
                p95s=tuple(p95s.get(name, {}).get(t) for t in times),
            )
            for name in (*FIVE, *sorted(further))
        ),
    )


def _now(prometheus: Prometheus) -> dict[tuple[str, str, str], float]:
    """Return the current values, in one query; by service, name of the series, quantile."""
    names = f"{RATE}|{ERRORS}|{DURATION}|{DELAY}"
    return {
        (s.labels["service"], s.labels["__name__"], s.labels.get("quantile", "")): s.value
        for s in prometheus.now(f'{{__name__=~"{names}"}}')
        if isfinite(s.value)
    }


def _known(series: Series) -> Mapping[float, float]:
    """Return values by second; NaN, such as 0 / 0 in PromQL, is no value."""
    return {at_ns / NS_PER_S: value for at_ns, value in series.points if isfinite(value)}
