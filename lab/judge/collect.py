"""Gathers the evidence of one drill, each observer's from its own channel and from no other.

An observer that cannot be asked is noted as silent, with the reason: the judge then says unknown.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TypeVar

from lab.clients.prometheus import Prometheus, PrometheusError, Series
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.judge.evidence import Evidence, Observer, Pause
from lab.judge.signals import Metric, Signal
from lab.telemetry.store import (
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
# The exporter's samples tell their own age, a series that a range query repeats does not.
FRESHEST_SAMPLE = "max(timestamp(pg_up))"
FRESHEST_EVALUATION = "max(prometheus_rule_group_last_evaluation_timestamp_seconds)"
MOST = 300_000
# The Agent's data and the embedded agent's: what Database Monitoring was sent. Never the log's.
SENT = f"source IN ('{Source.AGENT}', '{Source.EMBEDDED}')"
WRITTEN = f"source = '{Source.LOG}'"


def collect(
    settings: LabSettings, signals: Sequence[Signal], *, since_ns: int, until_ns: int
) -> Evidence:
    """Return what every observer held between two moments.

    Args:
        settings: where Prometheus and the store are.
        signals: whose expressions Prometheus is asked for.
        since_ns: nanoseconds since 1970.
        until_ns: nanoseconds since 1970.
    """
    heard: dict[Observer, list[int]] = {}
    silent: dict[Observer, str] = {}
    evidence = Evidence(since_ns=since_ns, until_ns=until_ns, silent=silent)
    evidence = _from_prometheus(settings, signals, evidence, heard, silent)
    evidence = _from_store(settings, evidence, heard, silent)
    return replace(
        evidence,
        heard_ns={observer: max(times) for observer, times in heard.items() if times},
        pauses={
            observer: pause(times, since_ns=since_ns, until_ns=until_ns)
            for observer, times in heard.items()
            if observer is not Observer.LOG
        },
    )


def pause(heard_ns: Iterable[int], *, since_ns: int, until_ns: int) -> Pause:
    """Return the longest time between two moments at which an observer was heard, or to an end.

    >>> pause([2, 3, 9], since_ns=0, until_ns=10)
    Pause(begin_ns=3, end_ns=9)
    """
    times = sorted({since_ns, *heard_ns, until_ns})
    begin, end = max(pairwise(times), key=lambda pair: pair[1] - pair[0])
    return Pause(begin_ns=begin, end_ns=end)


def _from_prometheus(
    settings: LabSettings,
    signals: Sequence[Signal],
    evidence: Evidence,
    heard: dict[Observer, list[int]],
    silent: dict[Observer, str],
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
            heard[observer] = prometheus.times_ns(expr, since_ns=since, until_ns=until)
    except PrometheusError as error:
        silent.update({Observer.METRICS: str(error), Observer.ALERTS: str(error)})
        return evidence
    return replace(evidence, series=series, alerts=alerts)


def _from_store(
    settings: LabSettings,
    evidence: Evidence,
    heard: dict[Observer, list[int]],
    silent: dict[Observer, str],
) -> Evidence:
    reader = Reader(Paths.of(settings).store, timeout_s=TIMEOUT_S)
    since, until = evidence.since_ns, evidence.until_ns

    def within(record: type[R], condition: str = "true", time: str = "at_ns") -> tuple[R, ...]:
        where = f"{time} >= ? AND {time} <= ? AND {condition}"
        return tuple(reader.select(record, where, (since, until), order=time, limit=MOST))

    try:
        activity = within(ActivitySample, SENT)
        deltas = within(QueryMetrics, SENT)
        estimated = within(Plan, SENT)
        spans = within(Span, time="start_ns")
        events, executions = within(Event), within(Execution, WRITTEN)
        executed = within(Plan, WRITTEN)
        read_ns = max((p.at_ns for p in reader.log_positions().values()), default=0)
    except StoreError as error:
        silent.update(dict.fromkeys((Observer.DBM, Observer.APM, Observer.LOG), str(error)))
        return evidence
    heard[Observer.DBM] = [*(s.at_ns for s in activity), *(d.at_ns for d in deltas)]
    heard[Observer.APM] = [span.start_ns + span.duration_ns for span in spans]
    heard[Observer.LOG] = [read_ns] if read_ns >= since else []
    return replace(
        evidence,
        activity=activity,
        deltas=deltas,
        estimated=estimated,
        spans=spans,
        events=events,
        executions=executions,
        executed=executed,
    )
