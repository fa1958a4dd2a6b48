"""APM on the Datadog side: operations and statements by spans, or by an Agent's trace statistics.

An Agent may drop traces; its statistics are computed before. Natively the tracers' spans are complete.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import Any

from lab.compare.readings import Moment
from lab.compare.stages import Observed, Window
from lab.drilldown.naming import name_of
from lab.foundation.timestamps import NS_PER_S
from lab.telemetry.store import Reader, Span, StoreError, TraceStats
from lab.telemetry.store.metric_values import MAX_ID

OPERATION = "credit.operation"
MOST = 500_000
# A clock and its span end within this time of each other.
SLACK_NS = NS_PER_S // 5
BUCKET_S = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """One span that ended in the window."""

    service: str
    error: bool
    end_ns: int
    duration_ns: int


class Spans:
    """The spans of a window."""

    def __init__(self, reader: Reader, window: Window, *, last_id: int = MAX_ID) -> None:
        self._reader = reader
        # The store's first error, such as a time limit; its questions have no answer then.
        self.trouble: str | None = None
        # Of the newest span that counts.
        self._last_id = last_id
        self._window = window

    def operations(self, service: str, *, errors: bool = False) -> Observed | None:
        """Return the number of a service's operations, or of those with an error."""
        if found := self._stats(service):
            hits = [(one.at_ns, one.errors if errors else one.hits) for one in found]
            return self._observed(
                float(sum(n for _, n in hits)),
                newest_ns=max(one.at_ns + one.interval_ns for one in found),
                points=tuple((at, float(n)) for at, n in hits),
                resolution_s=found[0].interval_ns / NS_PER_S,
            )
        spans = self._of(service)
        if not spans:
            return None
        counted = [one for one in spans if one.error or not errors]
        newest = max(one.end_ns for one in spans)
        return self._observed(float(len(counted)), newest_ns=newest, points=_per_second(counted))

    def durations(self, service: str) -> list[int]:
        """Return the durations of a service's operations, in nanoseconds."""
        return sorted(one.duration_ns for one in self._of(service))

    def mean_s(self, services: Sequence[str]) -> float | None:
        """Return the mean duration of the operations of services, in seconds."""
        durations = [one.duration_ns for one in self._operations if one.service in services]
        return fmean(durations) / NS_PER_S if durations else None

    @cached_property
    def newest_ns(self) -> int | None:
        """When the newest span ended."""
        return max((one.end_ns for one in self._operations), default=None)

    def statement(self, name: str) -> list[int]:
        """Return the durations of a statement for its callers, in nanoseconds, ascending."""
        resources = self._resources.get(name, ())
        if not resources:
            return []
        marks = ", ".join("?" * len(resources))
        sql = (
            f"SELECT duration_ns FROM span_rows WHERE {self._counted} AND start_ns >= ?"
            f" AND start_ns + duration_ns <= ? AND resource IN ({marks}) ORDER BY 1 LIMIT {MOST}"
        )
        return [row[0] for row in self._rows(sql, [*self._bounds, *resources])]

    def callers(self, name: str) -> set[str]:
        """Return the services whose operations ran a statement."""
        resources = self._resources.get(name, ())
        if not resources:
            return set()
        marks = ", ".join("?" * len(resources))
        sql = (
            "SELECT DISTINCT parent.service FROM span_rows AS own JOIN span_rows AS parent"
            " ON parent.trace_id = own.trace_id AND parent.span_id = own.parent_id"
            f" WHERE own.kind = 'sql' AND own.id <= {self._last_id} AND own.start_ns BETWEEN ? AND ?"
            f" AND own.resource IN ({marks})"
        )
        return {row[0] for row in self._rows(sql, [*self._bounds, *resources])}

    @cached_property
    def _statements(self) -> int:
        sql = (
            f"SELECT count(*) FROM spans WHERE {self._counted} AND start_ns + duration_ns > ?"
            " AND start_ns + duration_ns <= ? AND start_ns > ?"
        )
        since, now = self._bounds
        found = self._rows(sql, [since, now, since - 60 * NS_PER_S])
        return int(found[0][0]) if found else 0

    def slowest(self) -> Span | None:
        """Return the longest span of a statement."""
        try:
            found = self._reader.select(
                Span,
                f"{self._counted} AND start_ns >= ? AND start_ns <= ?",
                self._bounds,
                order="duration_ns DESC",
                limit=1,
            )
        except StoreError:
            return None
        return found[0] if found else None

    @property
    def count(self) -> int:
        """The number of operations."""
        return len(self._operations)

    def all_statements(self) -> Observed | None:
        """Return the number of statements of the workload."""
        if self.newest_ns is None:
            return None
        return self._observed(float(self._statements), newest_ns=self.newest_ns)

    @property
    def _counted(self) -> str:
        return f"kind = 'sql' AND id <= {self._last_id}"

    @property
    def _bounds(self) -> list[int]:
        return [self._window.since_ns, self._window.now_ns]

    @cached_property
    def _resources(self) -> Mapping[str, Sequence[int | str]]:
        """The resources of the window's statements as stored, by the statement's name (store/texts.py)."""
        sql = (
            "SELECT resource, (SELECT text FROM texts WHERE id = resource) FROM (SELECT DISTINCT resource"
            " FROM span_rows WHERE kind = 'sql' AND start_ns BETWEEN ? AND ?)"
        )
        found: defaultdict[str, list[int | str]] = defaultdict(list)
        for stored, text in self._rows(sql, self._bounds):
            if name := name_of(stored if isinstance(stored, str) else text):
                found[name].append(stored)
        return found

    @cached_property
    def _operations(self) -> list[Ended]:
        sql = (
            "SELECT service, error, start_ns + duration_ns, duration_ns FROM spans"
            f" WHERE name = '{OPERATION}' AND parent_id IS NULL AND id <= {self._last_id}"
            " AND start_ns > ?"
            f" AND start_ns + duration_ns > ? AND start_ns + duration_ns <= ? LIMIT {MOST}"
        )
        since, now = self._bounds
        found = self._rows(sql, [since - 60 * NS_PER_S, since, now])
        return [Ended(service=s, error=bool(e), end_ns=at, duration_ns=d) for s, e, at, d in found]

    def _of(self, service: str) -> list[Ended]:
        return [one for one in self._operations if one.service == service]

    def _stats(self, service: str) -> list[TraceStats]:
        try:
            return self._reader.select(
                TraceStats,
                "service = ? AND name = ? AND at_ns >= ? AND at_ns <= ?",
                [service, OPERATION, *self._bounds],
                order="at_ns",
            )
        except StoreError:
            return []

    def _rows(self, sql: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
        try:
            return self._reader.rows(sql, parameters)
        except StoreError as error:
            self.trouble = self.trouble or str(error)
            return []

    def _observed(
        self,
        value: float,
        *,
        newest_ns: int,
        points: tuple[tuple[int, float], ...] = (),
        resolution_s: float | None = None,
    ) -> Observed:
        since = self._window.since_ns
        return Observed(
            first=Moment(early_ns=since - SLACK_NS, late_ns=since + SLACK_NS),
            last=Moment(early_ns=newest_ns - SLACK_NS, late_ns=newest_ns + SLACK_NS),
            raw=value,
            value=value,
            newest_ns=newest_ns,
            resolution_s=resolution_s,
            where="spans",
            points=points,
        )


def _per_second(spans: Sequence[Ended]) -> tuple[tuple[int, float], ...]:
    found: dict[int, int] = {}
    step = BUCKET_S * NS_PER_S
    for one in spans:
        found[one.end_ns // step] = found.get(one.end_ns // step, 0) + 1
    return tuple((step * (at + 1), count / BUCKET_S) for at, count in sorted(found.items()))


def quantile(ascending: Sequence[int], q: float) -> float:
    """Return a quantile of durations in nanoseconds, in milliseconds."""
    return ascending[min(int(q * len(ascending)), len(ascending) - 1)] / 1e6
