"""Values of the Agent's metrics in a time range: the latest value, and the increase by type of the series."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from lab.foundation.timestamps import NS_PER_S
from lab.telemetry.store.reader import Reader
from lab.telemetry.store.records import MetricPoint, MetricSeries, MetricType
from lab.telemetry.store.senders import DATADOG_SOURCES, Source
from lab.telemetry.store.tables import TABLES

MAX_POINTS = 300_000
MAX_ID = 2**62
DEFAULT_INTERVAL_S = 15.0
# A longer time between two points is a gap, as after the sender's restart.
MOST_INTERVALS = 2.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Points:
    """A series with its points of a time range, oldest first: nanoseconds since 1970, and value."""

    series: MetricSeries
    points: tuple[tuple[int, float], ...]

    @property
    def interval_s(self) -> float:
        """Seconds between two points, as the sender states them."""
        return self.series.interval_s or DEFAULT_INTERVAL_S

    @property
    def tags(self) -> Mapping[str, str]:
        """The tags by key; for a repeated key the last value."""
        return dict(tag.split(":", 1) for tag in self.series.tags)

    def increase(self, *, per_second: bool) -> float:
        """Return the increase in the time range.

        For a count: the sum of its points. For a rate: each point times the seconds since the previous
        point; for the first point, and after a gap, times the interval.

        Args:
            per_second: treat a gauge as a rate: the Agent sends a check's `rate` as a gauge.
        """
        if self.series.type is MetricType.COUNT or not (
            per_second or self.series.type is MetricType.RATE
        ):
            return sum(value for _, value in self.points)
        steps = [(after - before) / NS_PER_S for (before, _), (after, _) in pairwise(self.points)]
        most_s = MOST_INTERVALS * self.interval_s
        seconds = [self.interval_s, *(s if s <= most_s else self.interval_s for s in steps)]
        return sum(s * value for s, (_, value) in zip(seconds, self.points, strict=False))


def points_of(
    reader: Reader,
    name: str,
    *,
    since_ns: int,
    until_ns: int,
    tags: Sequence[str] = (),
    sources: Sequence[Source] = DATADOG_SOURCES,
    last_id: int = MAX_ID,
) -> list[Points]:
    """Return the series of a metric that have points in (since, until], of the newest point's source only.

    Args:
        reader: of the store.
        name: of the metric.
        since_ns: exclusive start.
        until_ns: inclusive end.
        tags: "key:value"; a series must have all of them.
        sources: sources of the series.
        last_id: of the newest point that counts.

    Raises:
        StoreError: as the reader does.
    """
    found = reader.select(MetricSeries, "name = ? AND seen_ns > ?", [name, since_ns])
    wanted = [s for s in found if set(tags) <= set(s.tags) and s.source in sources]
    if not wanted:
        return []
    newest = max(wanted, key=lambda one: one.seen_ns)
    points: dict[int, list[tuple[int, float]]] = {
        one.key: [] for one in wanted if one.source is newest.source
    }
    keys = ", ".join(map(str, points))
    sql = (
        f"SELECT series, at_ns, value FROM {TABLES[MetricPoint].name}"
        f" WHERE series IN ({keys}) AND at_ns > ? AND at_ns <= ? AND id <= ?"
        f" ORDER BY at_ns LIMIT {MAX_POINTS}"
    )
    for key, at_ns, value in reader.rows(sql, [since_ns, until_ns, last_id]):
        points[key].append((at_ns, value))
    return [
        Points(series=replace(one, seen_ns=points[one.key][-1][0]), points=tuple(points[one.key]))
        for one in wanted
        if points.get(one.key)
    ]


def current(found: Sequence[Points]) -> list[Points]:
    """Return the series with a point in the newest interval; the others have ended."""
    newest = max((one.series.seen_ns for one in found), default=0)
    return [one for one in found if one.series.seen_ns > newest - one.interval_s * NS_PER_S]


def latest(found: Sequence[Points]) -> float | None:
    """Return the sum of the newest values of the series that have not ended; None when there is none."""
    values = [one.points[-1][1] for one in current(found)]
    return sum(values) if values else None
