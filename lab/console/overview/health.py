"""The health of each component, and the age of each observer's data.

Prometheus scrapes all components, in containers and natively, so that most states come from it. When
Prometheus is unavailable, these states are unknown, not down.
"""

from dataclasses import dataclass
from datetime import datetime

from lab.clients.prometheus import Prometheus, PrometheusError
from lab.drilldown.sampling import Sampling, sampled_away
from lab.foundation.outcome import Outcome
from lab.foundation.timestamps import NS_PER_S, nanoseconds
from lab.stack.components import SERVICES
from lab.stack.health import ComponentHealth
from lab.telemetry.store import SENT_TO_DATADOG, Reader, Source

# Table, time of a record, order, condition, and the age in seconds from which it is stale: twice the interval
# at which it is sent, and some tolerance for a loaded machine.
NEWEST = {
    "spans": ("spans", "start_ns + duration_ns", "start_ns", "true", 30.0),
    "DBM query metrics": ("query_metrics", "at_ns", "at_ns", SENT_TO_DATADOG, 45.0),
    "DBM activity": ("activity_rounds", "at_ns", "at_ns", SENT_TO_DATADOG, 45.0),
    "the lab's activity samples": ("activity_rounds", "at_ns", "at_ns", "source = 'lab'", 15.0),
    "PostgreSQL log": ("log_positions", "at_ns", "at_ns", "true", 600.0),
}
SCRAPE_STALE_AFTER_S = 30.0
DATADOG = "datadog"
# Two sums: increase() drops the metric's name, and two series with the same labels are an error.
NOT_COLLECTED = " or ".join(
    f"(sum by (collector) (increase(lab_embedded_{name}_total[10m])) > 0)"
    for name in ("failures", "rows_skipped")
)
REFUSED = "increase(lab_store_refused_records_total[15m])"


@dataclass(frozen=True, kw_only=True, slots=True)
class Freshness:
    """The age of the newest record of a kind, in seconds; None and not stale before the first one."""

    what: str
    age_s: float | None
    stale: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """The health of the lab; `dbm_source` is the sender of the DBM data, None before the first data.

    `refused` is the number of records that the store refused in the last 15 min because of their time;
    `sampling` is the share of traces that the Agent keeps, None when it keeps all or when it is not known.
    """

    components: tuple[ComponentHealth, ...]
    freshness: tuple[Freshness, ...]
    dbm_source: Source | None
    refused: float = 0.0
    sampling: Sampling | None = None


def health(reader: Reader, prometheus: Prometheus, *, at: datetime) -> Health:
    """Return the health of all components.

    Raises:
        StoreError: when the store cannot be read.
    """
    freshness = [_freshness(reader, what, at) for what in NEWEST]
    dbm = next(fresh for fresh in freshness if fresh.what == "DBM query metrics")
    source = dbm_source(reader)
    failures = ""
    refused = 0.0
    try:
        up = _up(prometheus)
        failures = _failures(prometheus)
    except PrometheusError as error:
        reason = str(error)
        states = [("prometheus", Outcome.FAILED, reason)]
        states += [(name, Outcome.UNKNOWN, reason) for name in ("postgres", *SERVICES)]
    else:
        freshness.append(_scrape(prometheus, at))
        refused = sum(series.value for series in prometheus.now(REFUSED))
        names = dict.fromkeys(("postgres", "postgres_exporter", *SERVICES, *sorted(up)))
        states = [("prometheus", Outcome.OK, ""), *((n, *_state(up.get(n))) for n in names)]
    states += [(DATADOG, *_datadog(dbm, failures)), ("console", Outcome.OK, "")]
    return Health(
        components=tuple(
            ComponentHealth(
                name=n, outcome=o, reason=r, next_step="" if o.ok else "./creditlab status"
            )
            for n, o, r in states
        ),
        freshness=tuple(freshness),
        dbm_source=source,
        refused=refused,
        sampling=sampled_away(reader, at=at),
    )


def dbm_source(reader: Reader) -> Source | None:
    """Return the sender of the newest DBM data: an Agent, or the embedded agent, not Datadog's."""
    sql = f"SELECT source FROM query_metrics WHERE {SENT_TO_DATADOG} ORDER BY at_ns DESC LIMIT 1"
    found = reader.rows(sql)
    return Source(found[0][0]) if found else None


def _freshness(reader: Reader, what: str, at: datetime) -> Freshness:
    table, value, order, condition, stale_after_s = NEWEST[what]
    found = reader.rows(
        f"SELECT {value} FROM {table} WHERE {condition} ORDER BY {order} DESC LIMIT 1"
    )
    age_s = max((nanoseconds(at) - found[0][0]) / NS_PER_S, 0.0) if found else None
    return _fresh(what, age_s, stale_after_s)


def _scrape(prometheus: Prometheus, at: datetime) -> Freshness:
    times = [series.value for series in prometheus.now("max(timestamp(up))")]
    age_s = max(at.timestamp() - times[0], 0.0) if times else None
    return _fresh("Prometheus scrape", age_s, SCRAPE_STALE_AFTER_S)


def _fresh(what: str, age_s: float | None, stale_after_s: float) -> Freshness:
    return Freshness(what=what, age_s=age_s, stale=age_s is not None and age_s > stale_after_s)


def _up(prometheus: Prometheus) -> dict[str, bool]:
    """Return by component whether its last scrape succeeded; of PostgreSQL, the exporter's pg_up."""
    found: dict[str, bool] = {}
    for series in prometheus.now('{__name__=~"up|pg_up"}'):
        labels = series.labels
        worked = series.value == 1
        if labels["__name__"] == "pg_up":
            found["postgres"] = worked
        elif labels["job"] == "postgres":
            found["postgres_exporter"] = worked
        elif labels["job"] == "credit":
            found[labels["service"].removeprefix("credit-")] = worked
    return found


def _state(up: bool | None) -> tuple[Outcome, str]:
    if up is None:
        return Outcome.UNKNOWN, "Prometheus has no series of it: not started, or not scraped yet"
    return (Outcome.OK, "") if up else (Outcome.FAILED, "its last scrape failed")


def _failures(prometheus: Prometheus) -> str:
    """Return which collectors of the embedded agent failed in the last ten minutes; empty for none."""
    names = sorted(series.labels["collector"] for series in prometheus.now(NOT_COLLECTED))
    return f"collectors with failures in the last ten minutes: {', '.join(names)}" if names else ""


def _datadog(dbm: Freshness, failures: str) -> tuple[Outcome, str]:
    """Prometheus does not scrape an Agent; the age of its data shows whether it works."""
    if dbm.age_s is None:
        return Outcome.UNKNOWN, "no DBM data received yet"
    if dbm.stale:
        return Outcome.FAILED, f"its last DBM data are {dbm.age_s:,.0f} s old"
    return Outcome.OK, failures
