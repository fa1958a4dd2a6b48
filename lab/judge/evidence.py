"""The evidence of a drill: the ground truth, and the data of each observer, as plain records.

Times are nanoseconds since 1970.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from lab.clients.prometheus import Alert, Series
from lab.foundation.timestamps import NS_PER_S
from lab.telemetry.store import (
    ActivitySample,
    Event,
    Execution,
    Plan,
    QueryMetrics,
    ServiceCheck,
    Span,
)

# Datadog evaluates a monitor once a minute.
EVALUATED_EVERY_NS = 60 * NS_PER_S


class Observer(StrEnum):
    """A source of evidence that a drill judges."""

    METRICS = "prometheus_metrics"
    ALERTS = "prometheus_alerts"
    DBM = "datadog_dbm"
    APM = "datadog_apm"
    CHECK = "datadog_metrics"
    MONITORS = "datadog_monitors"
    LOG = "postgres_log"


TITLES = {
    Observer.METRICS: "Prometheus metrics",
    Observer.ALERTS: "Prometheus alerts",
    Observer.DBM: "Datadog DBM",
    Observer.APM: "Datadog APM",
    Observer.CHECK: "Datadog metrics",
    Observer.MONITORS: "Datadog monitors",
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
class MetricTrack:
    """One series of a metric of Datadog's: points as nanoseconds since 1970, and value, oldest first.

    `tags` contain the host, in lower case and with underscores, as Datadog stores them. `is_count`: each
    point is the increase since the previous one. `interval_s` is the time between two points.
    """

    name: str
    tags: Mapping[str, str]
    is_count: bool
    interval_s: float
    points: tuple[tuple[int, float], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class MonitorResult:
    """The result of a monitor over a window.

    Attributes:
        alerts: one for each group and change to the state alert.
        held_ns: when its condition was met at all, also between two evaluations; ascending.
        doubt: why its silence is no evidence; None when it could be evaluated all the time.
        data_ns: the times of its data, of all groups.
        allowed_gap_ns: a longer time without data is a gap.
    """

    alerts: tuple[Alert, ...] = ()
    held_ns: tuple[int, ...] = ()
    doubt: str | None = None
    data_ns: tuple[int, ...] = ()
    allowed_gap_ns: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """The data of the observers between `since_ns` and `until_ns`.

    `series` is by PromQL expression, `metrics` by name of the metric, `monitors` by name of the file in
    datadog/monitors. `metrics` begin earlier, by the longest window of a monitor. `rounds_ns` are the times
    of all activity samples, also of those without a session. `last_data_ns` is the time of the newest record
    of each observer; an observer without one delivered nothing, or did not answer (then `unavailable` has the
    reason). `gaps` has the observers that deliver every few seconds, with or without a fault; the log is not
    one of them.
    """

    since_ns: int
    until_ns: int
    series: Mapping[str, tuple[Series, ...]] = field(default_factory=dict)
    alerts: tuple[Alert, ...] = ()
    activity: tuple[ActivitySample, ...] = ()
    rounds_ns: tuple[int, ...] = ()
    deltas: tuple[QueryMetrics, ...] = ()
    estimated: tuple[Plan, ...] = ()
    spans: tuple[Span, ...] = ()
    metrics: Mapping[str, tuple[MetricTrack, ...]] = field(default_factory=dict)
    checks: tuple[ServiceCheck, ...] = ()
    monitors: Mapping[str, MonitorResult] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    executions: tuple[Execution, ...] = ()
    executed: tuple[Plan, ...] = ()
    last_data_ns: Mapping[Observer, int] = field(default_factory=dict)
    gaps: Mapping[Observer, Gap] = field(default_factory=dict)
    unavailable: Mapping[Observer, str] = field(default_factory=dict)
