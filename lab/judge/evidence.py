"""What was recorded of a drill: the truth, and what each observer held, as plain records.

Evidence can be written to a file and judged again. Times are nanoseconds since 1970.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from lab.clients.prometheus import Alert, Series
from lab.telemetry.store import ActivitySample, Event, Execution, Plan, QueryMetrics, Span


class Observer(StrEnum):
    """Who is asked."""

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
    """What really happened. `proven_ns` is None when PostgreSQL never confirmed the fault.

    `statements`, their `texts` (redacted as the store's), `queryids`, `services` and `pids` are what is
    at fault.
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
class Pause:
    """The longest time in which an observer that delivers at intervals delivered nothing."""

    begin_ns: int
    end_ns: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """What the observers held between `since_ns` and `until_ns`.

    `series` is by PromQL expression. `heard_ns` is when each observer last delivered anything at all;
    one that is not in it delivered nothing, or could not be asked (see `silent`, by reason). `pauses` is
    of those that deliver every few seconds, fault or none; the log is not among them.
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
    heard_ns: Mapping[Observer, int] = field(default_factory=dict)
    pauses: Mapping[Observer, Pause] = field(default_factory=dict)
    silent: Mapping[Observer, str] = field(default_factory=dict)
