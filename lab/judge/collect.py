"""Gathers the evidence of one drill, each observer's from its own channel and from no other.

An observer that cannot be asked is noted as silent, with the reason: the judge then says unknown.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from lab.judge.evidence import Evidence, Observer, Series
from lab.judge.prometheus import FRESHEST_EVALUATION, FRESHEST_SAMPLE, Prometheus, PrometheusError
from lab.judge.signals import Metric, Signal
from lab.paths import Paths
from lab.settings import LabSettings
from lab.store import (
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
    heard: dict[Observer, int] = {}
    silent: dict[Observer, str] = {}
    evidence = Evidence(since_ns=since_ns, until_ns=until_ns, heard_ns=heard, silent=silent)
    evidence = _from_prometheus(settings, signals, evidence, heard, silent)
    return _from_store(settings, evidence, heard, silent)


def _from_prometheus(
    settings: LabSettings,
    signals: Sequence[Signal],
    evidence: Evidence,
    heard: dict[Observer, int],
    silent: dict[Observer, str],
) -> Evidence:
    prometheus = Prometheus.of(settings)
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
            latest = prometheus.latest_ns(expr, since_ns=since, until_ns=until)
            if latest is not None:
                heard[observer] = latest
    except PrometheusError as error:
        silent.update({Observer.METRICS: str(error), Observer.ALERTS: str(error)})
        return evidence
    return replace(evidence, series=series, alerts=alerts)


def _from_store(
    settings: LabSettings,
    evidence: Evidence,
    heard: dict[Observer, int],
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
    times = {
        Observer.DBM: [*(s.at_ns for s in activity), *(d.at_ns for d in deltas)],
        Observer.APM: [span.start_ns + span.duration_ns for span in spans],
        Observer.LOG: [read_ns] if read_ns >= since else [],
    }
    heard.update({observer: max(known) for observer, known in times.items() if known})
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
