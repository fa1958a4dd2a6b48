"""Collects the evidence of one drill, that of each observer from its own source only.

An observer whose source does not answer is recorded as unavailable, with the reason; its verdict is unknown.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TypeVar

from lab.clients.prometheus import Prometheus, PrometheusError, Series
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.judge import collect_metrics, metric_values
from lab.judge.evidence import Evidence, Gap, Observer
from lab.judge.signals import Metric, Signal
from lab.telemetry.store import (
    SENT_TO_DATADOG,
    ActivityRound,
    ActivitySample,
    Event,
    Execution,
    Plan,
    QueryMetrics,
    Reader,
    Record,
    Source,
    Span,
    StoreError,
)

R = TypeVar("R", bound=Record)
TIMEOUT_S = 15.0
# timestamp() returns when a sample was scraped; a range query repeats samples for up to five minutes.
FRESHEST_SAMPLE = "max(timestamp(pg_up))"
FRESHEST_EVALUATION = "max(prometheus_rule_group_last_evaluation_timestamp_seconds)"
MOST = 300_000
OF_STORE = (Observer.DBM, Observer.APM, Observer.CHECK, Observer.MONITORS, Observer.LOG)
# The log has lines only when something happens. Each monitor has gaps of its own: the sources differ.
WITHOUT_GAPS = (Observer.LOG, Observer.MONITORS)
WRITTEN = f"source = '{Source.LOG}'"


def collect(
    settings: LabSettings, signals: Sequence[Signal], *, since_ns: int, until_ns: int
) -> Evidence:
    """Return the data of every observer between two moments.

    Args:
        settings: the addresses of Prometheus and the store.
        signals: the PromQL expressions of these are queried.
        since_ns: nanoseconds since 1970.
        until_ns: nanoseconds since 1970.
    """
    received_ns: dict[Observer, list[int]] = {}
    unavailable: dict[Observer, str] = {}
    evidence = Evidence(since_ns=since_ns, until_ns=until_ns, unavailable=unavailable)
    evidence = _from_prometheus(settings, signals, evidence, received_ns, unavailable)
    reader = Reader(Paths.of(settings).store, timeout_s=TIMEOUT_S)
    return from_store(reader, signals, evidence, received_ns)


def from_store(
    reader: Reader,
    signals: Sequence[Signal],
    evidence: Evidence,
    received_ns: dict[Observer, list[int]],
) -> Evidence:
    """Return the evidence with the data of the store, and the times at which observers delivered.

    `received_ns` has the times of the observers that the evidence has already.
    """
    unavailable = dict(evidence.unavailable)
    evidence = _from_store(reader, signals, evidence, received_ns, unavailable)
    since_ns, until_ns = evidence.since_ns, evidence.until_ns
    return replace(
        evidence,
        unavailable=unavailable,
        last_data_ns={observer: max(times) for observer, times in received_ns.items() if times},
        gaps={
            observer: longest_gap(times, since_ns=since_ns, until_ns=until_ns)
            for observer, times in received_ns.items()
            if observer not in WITHOUT_GAPS
        },
    )


def longest_gap(received_ns: Iterable[int], *, since_ns: int, until_ns: int) -> Gap:
    """Return the longest time between two records of an observer, or between one and an end of the window.

    >>> longest_gap([2, 3, 9], since_ns=0, until_ns=10)
    Gap(begin_ns=3, end_ns=9)
    """
    times = sorted({since_ns, *received_ns, until_ns})
    begin, end = max(pairwise(times), key=lambda pair: pair[1] - pair[0])
    return Gap(begin_ns=begin, end_ns=end)


def _from_prometheus(
    settings: LabSettings,
    signals: Sequence[Signal],
    evidence: Evidence,
    received_ns: dict[Observer, list[int]],
    unavailable: dict[Observer, str],
) -> Evidence:
    prometheus = Prometheus.of(settings, timeout_s=TIMEOUT_S)
    since, until = evidence.since_ns, evidence.until_ns
    expressions = dict.fromkeys(s.expr for s in signals if isinstance(s, Metric))
    try:
        series: dict[str, tuple[Series, ...]] = {
            expr: prometheus.series(expr, since_ns=since, until_ns=until) for expr in expressions
        }
        alerts = prometheus.alerts(since_ns=since, until_ns=until)
        for observer, expr in (
            (Observer.METRICS, FRESHEST_SAMPLE),
            (Observer.ALERTS, FRESHEST_EVALUATION),
        ):
            received_ns[observer] = prometheus.times_ns(expr, since_ns=since, until_ns=until)
    except PrometheusError as error:
        unavailable.update({Observer.METRICS: str(error), Observer.ALERTS: str(error)})
        return evidence
    return replace(evidence, series=series, alerts=alerts)


def _from_store(
    reader: Reader,
    signals: Sequence[Signal],
    evidence: Evidence,
    received_ns: dict[Observer, list[int]],
    unavailable: dict[Observer, str],
) -> Evidence:
    since, until = evidence.since_ns, evidence.until_ns

    def within(record: type[R], condition: str = "true", time: str = "at_ns") -> tuple[R, ...]:
        where = f"{time} >= ? AND {time} <= ? AND {condition}"
        return tuple(reader.select(record, where, (since, until), order=time, limit=MOST))

    try:
        activity = within(ActivitySample, SENT_TO_DATADOG)
        deltas = within(QueryMetrics, SENT_TO_DATADOG)
        estimated = within(Plan, SENT_TO_DATADOG)
        spans = within(Span, time="start_ns")
        events, executions = within(Event), within(Execution, WRITTEN)
        executed = within(Plan, WRITTEN)
        rounds_ns = tuple(one.at_ns for one in within(ActivityRound, SENT_TO_DATADOG))
        found = collect_metrics.collect(
            reader, signals, since_ns=since, until_ns=until, deltas_where=SENT_TO_DATADOG
        )
        read_ns = max((p.at_ns for p in reader.log_positions().values()), default=0)
    except StoreError as error:
        unavailable.update(dict.fromkeys(OF_STORE, str(error)))
        return evidence
    received_ns[Observer.DBM] = [
        *rounds_ns,
        *(s.at_ns for s in activity),
        *(d.at_ns for d in deltas),
    ]
    received_ns[Observer.APM] = [span.start_ns + span.duration_ns for span in spans]
    runs_ns = metric_values.runs(metric_values.of_check(found.metrics), found.metrics).ends_ns
    times_ns = (*runs_ns, *(check.at_ns for check in found.checks))
    received_ns[Observer.CHECK] = [at_ns for at_ns in times_ns if since <= at_ns <= until]
    received_ns[Observer.MONITORS] = [
        *received_ns[Observer.CHECK], *received_ns[Observer.DBM], *received_ns[Observer.APM],
    ]  # fmt: skip
    received_ns[Observer.LOG] = [read_ns] if read_ns >= since else []
    return replace(
        evidence,
        activity=activity,
        rounds_ns=rounds_ns,
        metrics=found.metrics,
        checks=found.checks,
        monitors=found.monitors,
        deltas=deltas,
        estimated=estimated,
        spans=spans,
        events=events,
        executions=executions,
        executed=executed,
    )
