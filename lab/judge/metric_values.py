"""Evaluates a query of Datadog's metrics over stored series: one series of points for each group of tags.

Points of one run of the check are one moment: they are a second or less apart, and an aggregation over
tables or databases needs all of them. A group without a series at a moment has no point there; nothing is
interpolated. An operation of two expressions has the groups that both have.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from types import MappingProxyType
from typing import TypeAlias

from lab.foundation.timestamps import NS_PER_S
from lab.judge.evidence import MetricTrack
from lab.judge.metric_query import (
    Expression,
    Function,
    Operation,
    Select,
    UnsupportedQueryError,
    selects,
)

Group: TypeAlias = tuple[tuple[str, str], ...]
Metrics: TypeAlias = Mapping[str, Sequence[MetricTrack]]
Selected: TypeAlias = Mapping[Select, dict[Group, dict[int, float]]]
# Points of one run are within this share of the interval; a longer time without a point is a gap.
OF_ONE_RUN = 0.5
MOST_INTERVALS = 2.5
# Series that the check sends only while there is something to report: their absence is no gap.
SPARSE = frozenset({"postgresql.activity.xact_start_age", "postgresql.locks"})
# Sent by every run of the postgres check.
PULSE = "postgresql.uptime"
# Datadog computes these from Database Monitoring.
COMPUTED = ("postgresql.queries.", "postgresql.connections")
EVERY_GROUP: Group = (("*", "*"),)
AGGREGATE: Mapping[str, Callable[[Sequence[float]], float]] = MappingProxyType(
    {"avg": fmean, "sum": sum, "min": min, "max": max}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Runs:
    """The moments at which the metrics of an expression have points: one for each run of the check."""

    starts_ns: tuple[int, ...]
    ends_ns: tuple[int, ...]
    interval_s: float

    def at(self, at_ns: int) -> int:
        """Return the moment of the run that a point belongs to."""
        return self.ends_ns[max(0, bisect_left(self.starts_ns, at_ns + 1) - 1)]

    def longest_gap_ns(self, since_ns: int, until_ns: int) -> int:
        """Return the longest time without a run between two moments."""
        times = [since_ns, *(at for at in self.ends_ns if since_ns < at < until_ns), until_ns]
        return max(after - before for before, after in pairwise(times))

    @property
    def allowed_gap_ns(self) -> int:
        """A longer time without a run is a gap: nothing is known about it."""
        return round(MOST_INTERVALS * self.interval_s * NS_PER_S)


def of_check(metrics: Metrics) -> set[str]:
    """Return the names of the metrics that the postgres check sends, those that Datadog computes excluded."""
    return {
        name for name in metrics if name.startswith("postgresql.") and not name.startswith(COMPUTED)
    }


def runs(names: Iterable[str], metrics: Metrics) -> Runs:
    """Return the runs of some metrics, of all their series whatever their tags."""
    wanted = set(names)
    if wanted & SPARSE:
        wanted |= {PULSE} if PULSE in metrics else of_check(metrics)
    tracks = [track for name in wanted for track in metrics.get(name, ())]
    interval_s = max((track.interval_s for track in tracks), default=15.0)
    starts: list[int] = []
    ends: list[int] = []
    for at_ns in sorted({at for track in tracks for at, _ in track.points}):
        if starts and at_ns - starts[-1] <= OF_ONE_RUN * interval_s * NS_PER_S:
            ends[-1] = at_ns
        else:
            starts.append(at_ns)
            ends.append(at_ns)
    return Runs(starts_ns=tuple(starts), ends_ns=tuple(ends), interval_s=interval_s)


def runs_of(expression: Expression, metrics: Metrics) -> Runs:
    """Return the runs of the metrics of an expression."""
    return runs({select.metric for select in selects(expression)}, metrics)


def evaluate(expression: Expression, metrics: Metrics) -> dict[Group, dict[int, float]]:
    """Return the values of an expression by group and moment.

    Raises:
        UnsupportedQueryError: for as_count() of a metric that is no count.
    """
    found = selected(expression, metrics)
    return _of(expression, found.__getitem__, runs_of(expression, metrics))


def selected(expression: Expression, metrics: Metrics) -> Selected:
    """Return the values of each selection in an expression by group and moment; raises as `evaluate`."""
    moments = runs_of(expression, metrics)
    return {select: _selected(select, metrics, moments) for select in selects(expression)}


def totals(
    expression: Expression, found: Selected, *, since_ns: int, until_ns: int
) -> dict[Group, float]:
    """Return an expression of counts over a window: each count is summed first, as Datadog does."""

    def total(select: Select) -> dict[Group, dict[int, float]]:
        sums = {}
        for group, values in found[select].items():
            inside = [value for at, value in values.items() if since_ns < at <= until_ns]
            if inside:
                sums[group] = {0: sum(inside)}
        return sums

    combined = _of(expression, total, None)
    return {group: values[0] for group, values in combined.items() if 0 in values}


def _selected(select: Select, metrics: Metrics, moments: Runs) -> dict[Group, dict[int, float]]:
    """Aggregate the selected series by group, at each run."""
    by_group: defaultdict[Group, defaultdict[int, list[float]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for track in metrics.get(select.metric, ()):
        if select.as_count and not track.is_count:
            raise UnsupportedQueryError(
                f"unsupported: as_count() of {select.metric}, which is no count"
            )
        if not all(condition.holds(track.tags.get(condition.key)) for condition in select.scope):
            continue
        group = tuple((key, track.tags.get(key, "n/a")) for key in select.by)
        own: dict[int, float] = {}
        for at_ns, value in track.points:
            run = moments.at(at_ns)
            own[run] = own.get(run, 0.0) + value if track.is_count else value
        for run, value in own.items():
            by_group[group][run].append(value)
    combine = AGGREGATE[select.aggregator]
    return {
        group: {run: float(combine(values)) for run, values in sorted(by_run.items())}
        for group, by_run in by_group.items()
    }


def _of(
    expression: Expression,
    select: Callable[[Select], dict[Group, dict[int, float]]],
    moments: Runs | None,
) -> dict[Group, dict[int, float]]:
    match expression:
        case Select():
            return select(expression)
        case Function():
            return _applied(expression, _of(expression.argument, select, moments), moments)
        case Operation():
            return _combined(
                expression,
                _of(expression.left, select, moments),
                _of(expression.right, select, moments),
            )
        case number:
            times = (0,) if moments is None else moments.ends_ns
            return {EVERY_GROUP: dict.fromkeys(times, number)}


def _applied(
    function: Function, found: dict[Group, dict[int, float]], moments: Runs | None
) -> dict[Group, dict[int, float]]:
    if function.name == "default_zero":
        zeros = dict.fromkeys((0,) if moments is None else moments.ends_ns, 0.0)
        return {group: dict(sorted({**zeros, **values}.items())) for group, values in found.items()}
    assert function.number is not None
    bound = max if function.name == "clamp_min" else min
    return {
        group: {at: bound(value, function.number) for at, value in values.items()}
        for group, values in found.items()
    }


def _combined(
    operation: Operation, left: dict[Group, dict[int, float]], right: dict[Group, dict[int, float]]
) -> dict[Group, dict[int, float]]:
    if EVERY_GROUP in left:
        pairs = [(group, left[EVERY_GROUP], values) for group, values in right.items()]
    elif EVERY_GROUP in right:
        pairs = [(group, values, right[EVERY_GROUP]) for group, values in left.items()]
    else:
        pairs = [(group, values, right[group]) for group, values in left.items() if group in right]
    found: dict[Group, dict[int, float]] = {}
    for group, one, other in pairs:
        values = {}
        for at, value in one.items():
            result = _calculated(operation.sign, value, other[at]) if at in other else None
            if result is not None:
                values[at] = result
        found[group] = values
    return found


def _calculated(sign: str, left: float, right: float) -> float | None:
    match sign:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case _:
            return left / right if right else None
