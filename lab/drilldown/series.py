"""Calls and mean time of a statement by both observers, in steps, and their difference.

Both read the same rows of pg_stat_statements, at different times: the exporter when Prometheus scrapes it,
DBM every ten seconds. So a step may differ by the calls between the two readings; the totals of the window
may differ only by one reading at each end.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil, floor

from lab.clients.prometheus import Prometheus, PrometheusError
from lab.drilldown.queries import SQL
from lab.foundation.timestamps import NS_PER_S, nanoseconds
from lab.telemetry.store import Reader

# The exporter's scrape interval, and DBM's.
STEP_S = 10
POINTS = 120
NO_CALL = "no difference: neither observer has a call in the steps that Prometheus has yet"


@dataclass(frozen=True, kw_only=True, slots=True)
class Counted:
    """Calls and mean time of one observer in a step or in a window; mean_ms is None without calls."""

    calls: float
    mean_ms: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One step, by its end; None for an observer that has no value for it."""

    end: datetime
    prometheus: Counted | None
    dbm: Counted | None


@dataclass(frozen=True, kw_only=True, slots=True)
class StatementSeries:
    """Both observers over a window.

    Attributes:
        step_s: length of a step in seconds.
        prometheus, dbm: of all steps that both have; None when there is none.
        calls_difference: Prometheus' calls minus DBM's, over those steps; None when neither has a call.
        calls_difference_share: the same as a share of Prometheus' calls.
        mean_difference_ms: Prometheus' mean minus DBM's.
        dbm_source: `agent`, or `embedded` for the embedded agent, which is not Datadog's.
        absent: the reason for each empty field, by its name.
    """

    step_s: int
    points: tuple[Point, ...]
    prometheus: Counted | None
    dbm: Counted | None
    calls_difference: float | None
    calls_difference_share: float | None
    mean_difference_ms: float | None
    dbm_source: str | None
    absent: Mapping[str, str] = field(default_factory=dict)


def series(
    reader: Reader,
    prometheus: Prometheus,
    queryids: Sequence[int],
    *,
    since: datetime,
    until: datetime,
    role: str | None,
) -> StatementSeries:
    """Return calls and mean time of queryids by both observers, in a window rounded up to whole steps."""
    window = _Window.of(queryids, role, since=since, until=until)
    absent: dict[str, str] = {}
    by_prometheus: Mapping[int, Counted] = {}
    try:
        by_prometheus = _by_prometheus(prometheus, window)
        if not by_prometheus:
            absent["prometheus"] = "Prometheus has no samples of it in this window"
    except PrometheusError as error:
        absent["prometheus"] = str(error)
    by_dbm, source = _by_dbm(reader, window)
    if not by_dbm:
        absent["dbm"] = "DBM received no call of it in this window"
    points = tuple(
        Point(end=window.end_of(step), prometheus=by_prometheus.get(step), dbm=by_dbm.get(step))
        for step in range(window.steps)
    )
    return _compared(points, window.step_s, source, absent)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Window:
    """The statements and the steps of a window; step 0 begins at `begin`."""

    queryids: tuple[int, ...]
    role: str | None
    begin: datetime
    step_s: int
    steps: int

    @classmethod
    def of(
        cls, queryids: Sequence[int], role: str | None, *, since: datetime, until: datetime
    ) -> "_Window":
        step_s = STEP_S * max(ceil((until - since).total_seconds() / (POINTS * STEP_S)), 1)
        first = floor(since.timestamp() / step_s)
        return cls(
            queryids=tuple(queryids),
            role=role,
            begin=datetime.fromtimestamp(first * step_s, UTC),
            step_s=step_s,
            steps=ceil(until.timestamp() / step_s) - first,
        )

    def end_of(self, step: int) -> datetime:
        return self.begin + timedelta(seconds=(step + 1) * self.step_s)


def _compared(
    points: tuple[Point, ...], step_s: int, source: str | None, absent: Mapping[str, str]
) -> StatementSeries:
    """Compare the sums; a step without DBM data has no calls, because DBM sends changes only, no zeros."""
    known = [point for point in points if point.prometheus]
    prometheus = _sum(point.prometheus for point in known) if known else None
    dbm = _sum(point.dbm for point in known) if known and source else None
    calls = mean = share = None
    if prometheus and dbm and not (prometheus.calls or dbm.calls):
        absent = {**absent, "calls_difference": NO_CALL}
    elif prometheus and dbm:
        calls = prometheus.calls - dbm.calls
        share = round(calls / prometheus.calls, 4) if prometheus.calls else None
        if prometheus.mean_ms is not None and dbm.mean_ms is not None:
            mean = round(prometheus.mean_ms - dbm.mean_ms, 3)
    return StatementSeries(
        step_s=step_s,
        points=points,
        prometheus=prometheus,
        dbm=dbm,
        calls_difference=calls,
        calls_difference_share=share,
        mean_difference_ms=mean,
        dbm_source=source,
        absent=absent,
    )


def _sum(counted: Iterable[Counted | None]) -> Counted:
    each = [one for one in counted if one]
    calls = sum(one.calls for one in each)
    return _counted(calls, sum(one.calls * (one.mean_ms or 0.0) for one in each))


def _counted(calls: float, total_ms: float) -> Counted:
    return Counted(calls=calls, mean_ms=round(total_ms / calls, 3) if calls else None)


def _by_prometheus(prometheus: Prometheus, window: _Window) -> dict[int, Counted]:
    """Return differences of the raw counters: increase() extrapolates, and returns fractions of calls."""
    labels = f'queryid=~"{"|".join(map(str, window.queryids))}"'
    if window.role:
        labels += f',user="{window.role}"'

    def counter(name: str) -> dict[int, float]:
        first_ns, step_ns = nanoseconds(window.begin), window.step_s * NS_PER_S
        found = prometheus.series(
            f"sum(pg_stat_statements_{name}{{{labels}}})",
            since_ns=first_ns,
            until_ns=nanoseconds(window.end_of(window.steps - 1)),
            step_s=window.step_s,
        )
        points = found[0].points if found else ()
        return {round((at_ns - first_ns) / step_ns): value for at_ns, value in points}

    calls, seconds = counter("calls_total"), counter("seconds_total")
    # A counter that decreased was reset, by a crash or by a user: that step is unknown.
    return {
        step: _counted(calls[step + 1] - before, 1000 * (seconds[step + 1] - seconds[step]))
        for step, before in calls.items()
        if before <= calls.get(step + 1, -1) and step in seconds and step + 1 in seconds
    }


def _by_dbm(reader: Reader, window: _Window) -> tuple[dict[int, Counted], str | None]:
    parameters = {
        "queryids": json.dumps(window.queryids),
        "since": nanoseconds(window.begin),
        "until": nanoseconds(window.end_of(window.steps - 1)),
        "step": window.step_s * NS_PER_S,
        "role": window.role,
    }
    found = reader.rows(SQL["calls_over_time"], parameters)
    counted = {step: _counted(calls, total_ms) for step, calls, total_ms, _ in found}
    return counted, max((row[3] for row in found), default=None)
