"""Series of Datadog's metrics from the store: those that an Agent sent, and those that Datadog computes.

`postgresql.queries.*` is computed from DBM's query metrics, `trace.OPERATION.*` from an Agent's trace
statistics. Where no Agent computes these, as natively, they are computed from the spans in the same way:
operations without a parent, in intervals of ten seconds.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from lab.foundation.timestamps import NS_PER_S
from lab.judge.evidence import MetricTrack
from lab.judge.metric_query import normalized
from lab.telemetry.store import MetricType, QueryMetrics, Source, Span, TraceStats
from lab.telemetry.store.metric_values import Points

# `reported_hostname` of datadog/conf.d/postgres.d: the host of all series of the database.
REPORTED_HOST = "credit-lab-postgres"
QUERIES = "postgresql.queries."
TRACE = "trace."
INTERVAL_NS = 10 * NS_PER_S


def host(source: Source, sent: str) -> str:
    """Return the host of a series or service check: the embedded agent sends the name of its machine."""
    return REPORTED_HOST if source is Source.EMBEDDED else sent


def of_points(found: Iterable[Points]) -> Iterator[MetricTrack]:
    """Yield stored series of one metric."""
    for one in found:
        series = one.series
        tags = {key: normalized(value) for key, value in one.tags.items()}
        yield MetricTrack(
            name=series.name,
            tags={**tags, "host": normalized(host(series.source, series.host))},
            is_count=series.type is MetricType.COUNT,
            interval_s=one.interval_s,
            points=one.points,
        )


def of_queries(deltas: Iterable[QueryMetrics]) -> Iterator[MetricTrack]:
    """Yield count, time (nanoseconds) and rows by query signature, database and role."""
    found: defaultdict[tuple[str, str, str, str], dict[int, float]] = defaultdict(
        lambda: defaultdict(float)
    )
    for delta in deltas:
        values = {"count": delta.calls, "time": delta.exec_time_ms * 1e6, "rows": delta.rows}
        for name, value in values.items():
            found[name, delta.signature, delta.database, delta.role][delta.at_ns] += value
    for (name, signature, database, role), by_time in found.items():
        tags = {"query_signature": signature, "db": database, "user": role}
        yield MetricTrack(
            name=f"{QUERIES}{name}",
            tags={**{key: normalized(v) for key, v in tags.items()}, "host": REPORTED_HOST},
            is_count=True,
            interval_s=INTERVAL_NS / NS_PER_S,
            points=tuple(sorted(by_time.items())),
        )


def of_trace_stats(stats: Sequence[TraceStats]) -> Iterator[MetricTrack]:
    """Yield hits, errors and duration (nanoseconds) by operation and service, at the interval's end."""
    found: defaultdict[tuple[str, str, str], dict[int, float]] = defaultdict(
        lambda: defaultdict(float)
    )
    for one in stats:
        values = {"hits": one.hits, "errors": one.errors, "duration": one.duration_ns}
        for name, value in values.items():
            found[one.name, name, one.service][one.at_ns + one.interval_ns] += value
    for (operation, name, service), by_time in found.items():
        yield MetricTrack(
            name=f"{TRACE}{operation}.{name}",
            tags={"service": normalized(service)},
            is_count=True,
            interval_s=INTERVAL_NS / NS_PER_S,
            points=tuple(sorted(by_time.items())),
        )


def stats_of_spans(spans: Iterable[Span]) -> list[TraceStats]:
    """Return the statistics of operations, spans without a parent, as an Agent computes them."""
    sums: defaultdict[tuple[int, str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for span in spans:
        if span.parent_id is None:
            start_ns = (span.start_ns + span.duration_ns) // INTERVAL_NS * INTERVAL_NS
            found = sums[start_ns, span.service, span.name]
            for index, value in enumerate((1, int(span.error), span.duration_ns)):
                found[index] += value
    return [
        TraceStats(
            at_ns=at_ns,
            interval_ns=INTERVAL_NS,
            service=service,
            name=name,
            hits=hits,
            errors=errors,
            duration_ns=duration_ns,
        )
        for (at_ns, service, name), (hits, errors, duration_ns) in sorted(sums.items())
    ]


def by_name(tracks: Iterable[MetricTrack]) -> dict[str, tuple[MetricTrack, ...]]:
    """Return tracks by the name of their metric."""
    found: defaultdict[str, list[MetricTrack]] = defaultdict(list)
    for track in tracks:
        found[track.name].append(track)
    return {name: tuple(own) for name, own in found.items()}
