"""The evidence of a drill: the ground truth, and the data of each observer, as plain records.

Times are nanoseconds since 1970.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from lab.clients.prometheus import Alert, Series
from lab.telemetry.store import ActivitySample, Event, Execution, Plan, QueryMetrics, Span


class Observer(StrEnum):
    """A source of evidence that a drill judges."""

    METRICS = "prometheus_metrics"
    ALERTS = "prometheus_alerts"
    DBM = "datadog_dbm"
    APM = "datadog_apm"
    LOG = "postgres_log"


TITLES = {
    Observer.METRICS: "Prometheus metrics",
    Observer.ALERTS: "Prometheus alerts",
    Observer.DBM: "Datadog DBM",
    Observer.APM: "Datadog APM",
    Observer.LOG: "PostgreSQL log",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Truth:
    """The ground truth of a drill. `proven_ns` is None when PostgreSQL did not confirm the fault.

    `statements`, their `texts` (redacted as in the store), `queryids`, `services` and `pids` are those that
    cause the fault.
    """

    drill: str
    injected_ns: int
    proven_ns: int | None
    healed_ns: int
    statements: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()
    queryids: frozenset[int] = frozenset()
    services: frozenset[str] = frozenset()
    pids: frozenset[int] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """The longest time without data of an observer that delivers at intervals."""

    begin_ns: int
    end_ns: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """The data of the observers between `since_ns` and `until_ns`.

    `series` is by PromQL expression. `last_data_ns` is the time of the newest record of each observer; an
    observer without one delivered nothing, or did not answer (then `unavailable` has the reason). `gaps` has
    the observers that deliver every few seconds, with or without a fault; the log is not one of them.
    """

    since_ns: int
    until_ns: int
    series: Mapping[str, tuple[Series, ...]] = field(default_factory=dict)
    alerts: tuple[Alert, ...] = ()
    activity: tuple[ActivitySample, ...] = ()
    deltas: tuple[QueryMetrics, ...] = ()
    estimated: tuple[Plan, ...] = ()
    spans: tuple[Span, ...] = ()
    events: tuple[Event, ...] = ()
    executions: tuple[Execution, ...] = ()
    executed: tuple[Plan, ...] = ()
    last_data_ns: Mapping[Observer, int] = field(default_factory=dict)
    gaps: Mapping[Observer, Gap] = field(default_factory=dict)
    unavailable: Mapping[Observer, str] = field(default_factory=dict)
