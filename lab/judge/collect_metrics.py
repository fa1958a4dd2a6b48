"""Collects Datadog's metrics of a window, and evaluates the monitors in datadog/monitors over them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from lab.datadog.definitions import FOLDER, Definition, Kind
from lab.judge import metric_tracks, monitors
from lab.judge.evidence import MetricTrack, MonitorResult
from lab.judge.metric_query import UnsupportedQueryError, selects
from lab.judge.metric_values import PULSE
from lab.judge.monitor_definitions import CheckMonitor, Monitor, read
from lab.judge.signals import Query, Signal
from lab.telemetry.store import QueryMetrics, Reader, ServiceCheck, Span, TraceStats
from lab.telemetry.store.metric_values import points_of

MOST = 300_000


@dataclass(frozen=True, kw_only=True)
class Definitions:
    """The monitors of datadog/monitors by the name of their file, and why others are not evaluated."""

    known: Mapping[str, Monitor | CheckMonitor]
    refused: Mapping[str, str]

    @property
    def reach_ns(self) -> int:
        """How far back the evaluations read."""
        return max((monitor.reach_ns for monitor in self.known.values()), default=0)

    @property
    def names(self) -> set[str]:
        """The metrics that they query."""
        metric = (m for m in self.known.values() if isinstance(m, Monitor))
        return {select.metric for m in metric for select in selects(m.expression)}


@dataclass(frozen=True, kw_only=True)
class Found:
    """What the store has of Datadog's metrics."""

    metrics: Mapping[str, tuple[MetricTrack, ...]]
    checks: tuple[ServiceCheck, ...]
    monitors: Mapping[str, MonitorResult]


@lru_cache(maxsize=1)
def definitions() -> Definitions:
    """Return the monitors of this version of the lab.

    Raises:
        LabError: when a file is not JSON.
    """
    known: dict[str, Monitor | CheckMonitor] = {}
    refused: dict[str, str] = {}
    for file in sorted((FOLDER / "monitors").glob("*.json")):
        body = Definition.from_file(Kind.MONITOR, file).body
        try:
            known[file.stem] = read(file.stem, body)
        except UnsupportedQueryError as error:
            refused[file.stem] = f"{file.stem} is not evaluated: {error}"
    return Definitions(known=known, refused=refused)


def collect(
    reader: Reader,
    signals: Iterable[Signal],
    *,
    since_ns: int,
    until_ns: int,
    deltas_where: str,
) -> Found:
    """Return the metrics of signals and monitors, and what the monitors did.

    Args:
        reader: of the store.
        signals: their queries' metrics are read.
        since_ns: the metrics begin earlier, by the longest window of a monitor.
        until_ns: inclusive.
        deltas_where: the condition for query metrics that Database Monitoring received.

    Raises:
        StoreError: as the reader does.
    """
    every = definitions()
    begin_ns = since_ns - every.reach_ns
    queries = [signal.expression for signal in signals if isinstance(signal, Query)]
    names = (
        {select.metric for query in queries for select in selects(query)} | every.names | {PULSE}
    )
    tracks: list[MetricTrack] = []
    for name in sorted(names):
        if not name.startswith((metric_tracks.QUERIES, metric_tracks.TRACE)):
            found = points_of(reader, name, since_ns=begin_ns, until_ns=until_ns)
            tracks.extend(metric_tracks.of_points(found))
    window = [begin_ns, until_ns]
    if any(name.startswith(metric_tracks.QUERIES) for name in names):
        where = f"at_ns >= ? AND at_ns <= ? AND {deltas_where}"
        deltas = reader.select(QueryMetrics, where, window, order="at_ns", limit=MOST)
        tracks.extend(metric_tracks.of_queries(deltas))
    tracks.extend(metric_tracks.of_trace_stats(_trace_stats(reader, window)))
    checks = reader.select(
        ServiceCheck, "at_ns >= ? AND at_ns <= ?", window, order="at_ns", limit=MOST
    )
    checks = [replace(check, host=metric_tracks.host(check.source, check.host)) for check in checks]
    metrics = metric_tracks.by_name(tracks)
    results = {
        name: monitors.result(monitor, metrics, checks, since_ns=since_ns, until_ns=until_ns)
        for name, monitor in every.known.items()
    }
    results |= {name: MonitorResult(doubt=why) for name, why in every.refused.items()}
    return Found(metrics=metrics, checks=tuple(checks), monitors=results)


def _trace_stats(reader: Reader, window: Sequence[int]) -> list[TraceStats]:
    stats = reader.select(
        TraceStats, "at_ns >= ? AND at_ns <= ?", window, order="at_ns", limit=MOST
    )
    if stats:
        return stats
    where = "start_ns >= ? AND start_ns <= ? AND parent_id IS NULL"
    spans = reader.select(Span, where, window, order="start_ns", limit=MOST)
    return metric_tracks.stats_of_spans(spans)
