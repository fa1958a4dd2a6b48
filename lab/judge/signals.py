"""Signals of a fault: each turns the evidence of one observer into tracks of values over time.

A drill declares its signals. A signal does not contain the names of the cause; the names in the evidence
(labels, comments of statements, pids) are kept with each value, and are compared with the truth afterwards.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from lab.foundation.timestamps import NS_PER_S
from lab.judge.evidence import Evidence, Observer, Truth
from lab.judge.metric_query import Expression, parse, selects
from lab.judge.metric_values import SPARSE, evaluate, runs_of
from lab.judge.names import (
    NOTHING,
    Names,
    of_event,
    of_execution,
    of_labels,
    of_session,
    of_span,
    together,
)
from lab.judge.tracks import Point, Track, counted, seconds_without_data
from lab.telemetry.store import ActivitySample, Event, Execution, QueryMetrics, Span

INTERVAL_NS = 10 * NS_PER_S
# Operations in the one or two minutes of a drill's evidence: about one in four seconds.
OFTEN = 20
# The status of a service check.
CRITICAL = 2


@dataclass(frozen=True, kw_only=True)
class _Signal:
    """A value that rises above `above`, and above `times` the largest value just before the fault.

    `points` values in a row must be above: one heavy report in ten seconds is no fault.
    """

    says: str
    above: float
    times: float = 2.0
    points: int = 1

    def doubt(self, evidence: Evidence, truth: Truth) -> str | None:
        """Return why the absence of a rise is no evidence; None when it is."""
        del evidence, truth
        return None


@dataclass(frozen=True, kw_only=True)
class Metric(_Signal):
    """A PromQL expression; each series is a track, with the names in its labels."""

    observer: ClassVar[Observer] = Observer.METRICS
    expr: str

    def tracks(self, evidence: Evidence) -> Iterator[Track]:
        """Yield each series of the expression."""
        for series in evidence.series.get(self.expr, ()):
            names = of_labels(series.labels)
            yield tuple(Point(at_ns=at, value=value, names=names) for at, value in series.points)


@dataclass(frozen=True, kw_only=True)
class Sessions(_Signal):
    """The number of sessions in one activity sample for which `like` is true."""

    observer: ClassVar[Observer] = Observer.DBM
    like: Callable[[ActivitySample], bool]

    def tracks(self, evidence: Evidence) -> Iterator[Track]:
        """Yield one track; samples without a matching session, or without any, count as zero."""
        rounds: dict[int, list[ActivitySample]] = {at_ns: [] for at_ns in evidence.rounds_ns}
        for sample in evidence.activity:
            rounds.setdefault(sample.at_ns, []).append(sample)
        yield tuple(self._point(at_ns, sessions) for at_ns, sessions in sorted(rounds.items()))

    def _found(self, sessions: Sequence[ActivitySample]) -> list[ActivitySample]:
        return [sample for sample in sessions if self.like(sample)]

    def _point(self, at_ns: int, sessions: Sequence[ActivitySample]) -> Point:
        found = self._found(sessions)
        blockers = {pid for sample in found for pid in sample.blocking_pids}
        # With the blocking sessions, which Datadog links from the waiting ones.
        named = (sample for sample in sessions if sample.pid in blockers or sample in found)
        return Point(at_ns=at_ns, value=len(found), names=together(map(of_session, named)))


@dataclass(frozen=True, kw_only=True)
class MutualBlocks(Sessions):
    """The number of sessions in one activity sample that wait for each other, directly or in a circle."""

    like: Callable[[ActivitySample], bool] = lambda sample: bool(sample.blocking_pids)

    def _found(self, sessions: Sequence[ActivitySample]) -> list[ActivitySample]:
        blocked_by = {s.pid: set(s.blocking_pids) for s in sessions if self.like(s)}

        def waits_for_itself(pid: int) -> bool:
            reached: set[int] = set()
            left = set(blocked_by[pid])
            while left:
                other = left.pop()
                reached.add(other)
                left |= blocked_by.get(other, set()) - reached
            return pid in reached

        return [s for s in sessions if s.pid in blocked_by and waits_for_itself(s.pid)]


@dataclass(frozen=True, kw_only=True)
class Query(_Signal):
    """A query of Datadog's metrics; each group of tags is a track, with the names in its tags.

    Attributes:
        query: in the subset of lab/judge/metric_query.py.
        observer: to which the metric belongs: the check's to Datadog metrics, those that Datadog computes
            from DBM or from spans to DBM and APM.
        needs: the option of the check without which it does not send the metric; empty for its defaults.
    """

    query: str
    observer: Observer = Observer.CHECK
    needs: str = ""

    @property
    def expression(self) -> Expression:
        """The parsed query."""
        return parse(self.query)

    def tracks(self, evidence: Evidence) -> Iterator[Track]:
        """Yield each group, from the beginning of the window on."""
        for group, values in evaluate(self.expression, evidence.metrics).items():
            names = of_labels(dict(group))
            yield tuple(
                Point(at_ns=at_ns, value=value, names=names)
                for at_ns, value in values.items()
                if evidence.since_ns <= at_ns <= evidence.until_ns
            )

    def doubt(self, evidence: Evidence, truth: Truth) -> str | None:
        """Return that the metric has no points, or none for a part of the fault."""
        names = sorted({select.metric for select in selects(self.expression)})
        for name in names:
            if name not in SPARSE and not any(t.points for t in evidence.metrics.get(name, ())):
                return f"{self.says}: no points of {name}"
        runs = runs_of(self.expression, evidence.metrics)
        gap_ns = runs.longest_gap_ns(truth.injected_ns, truth.healed_ns)
        if gap_ns > runs.allowed_gap_ns:
            return f"{self.says}: no points for {gap_ns / NS_PER_S:.0f} s of the fault"
        return None


@dataclass(frozen=True, kw_only=True)
class Checks(_Signal):
    """1 for each run of a service check with the status critical, 0 for the others."""

    observer: ClassVar[Observer] = Observer.CHECK
    name: str

    def tracks(self, evidence: Evidence) -> Iterator[Track]:
        """Yield one track."""
        own = sorted((c.at_ns, c.status) for c in evidence.checks if c.name == self.name)
        yield tuple(Point(at_ns=at_ns, value=float(status == CRITICAL)) for at_ns, status in own)

    def doubt(self, evidence: Evidence, truth: Truth) -> str | None:
        """Return that the service check did not run while the fault was active."""
        during = (c for c in evidence.checks if truth.injected_ns <= c.at_ns <= truth.healed_ns)
        if any(check.name == self.name for check in during):
            return None
        return f"{self.says}: no runs of {self.name}"


@dataclass(frozen=True, kw_only=True)
class Deltas(_Signal):
    """Query metrics of one collection interval, as DBM received them; a track for each statement."""

    observer: ClassVar[Observer] = Observer.DBM
    measure: Callable[[QueryMetrics], float]

    def tracks(self, evidence: Evidence) -> Iterator[Track]:
        """Yield a track for each statement; an interval without calls of it counts as zero."""
        moments = sorted({delta.at_ns for delta in evidence.deltas})
        values: defaultdict[tuple[str, int | None], dict[int, float]] = defaultdict(dict)
        for delta in evidence.deltas:
            of_statement = values[delta.signature, delta.queryid]
            of_statement[delta.at_ns] = of_statement.get(delta.at_ns, 0.0) + self.measure(delta)
        for (_, queryid), measured in values.items():
            names = Names(queryids=frozenset() if queryid is None else frozenset({queryid}))
            yield tuple(Point(at_ns=at, value=measured.get(at, 0.0), names=names) for at in moments)


@dataclass(frozen=True, kw_only=True)
class Spans(_Signal):
    """Spans for which `like` is true: their number in five seconds, or the milliseconds of each."""

    observer: ClassVar[Observer] = Observer.APM
    like: Callable[[Span], bool]
    each: bool = False

    def tracks(self, evidence: Evidence) -> Iterator[Track]:
        """Yield a track, or one for each resource; the time of a span is its end."""
        found = sorted(filter(self.like, evidence.spans), key=_end_ns)
        if not self.each:
            yield counted(((_end_ns(span), of_span(span)) for span in found), evidence)
            return
        by_resource: defaultdict[str, list[Point]] = defaultdict(list)
        for span in found:
            point = Point(at_ns=_end_ns(span), value=span.duration_ns / 1e6, names=of_span(span))
            by_resource[span.resource].append(point)
        yield from map(tuple, by_resource.values())


def _end_ns(span: Span) -> int:
    return span.start_ns + span.duration_ns


def _statement(span: Span) -> bool:
    return span.kind == "sql" and span.parent_id is not None


@dataclass(frozen=True, kw_only=True)
class Resources(_Signal):
    """The time of a resource's spans in ten seconds; a track for each resource and service.

    A resource is the text of a statement that is part of an operation, unless `like` selects other spans.
    An interval with fewer than `at_least` spans of it counts as zero.
    """

    observer: ClassVar[Observer] = Observer.APM
    measure: Callable[[Span], float] = lambda span: span.duration_ns / 1e6
    like: Callable[[Span], bool] = _statement
    at_least: int = 1

    def tracks(self, evidence: Evidence) -> Iterator[Track]:
        """Yield a track for each resource; an interval without spans of it counts as zero."""
        spans: defaultdict[tuple[str, object], list[Span]] = defaultdict(list)
        for span in evidence.spans:
            if self.like(span):
                service = span.tags.get("_dd.base_service", span.service)
                spans[span.resource, service].append(span)
        ends = [_end_ns(span) // INTERVAL_NS for of in spans.values() for span in of]
        intervals = range(min(ends), max(ends) + 1) if ends else range(0)
        for of_resource in spans.values():
            spent: defaultdict[int, list[float]] = defaultdict(list)
            for span in of_resource:
                spent[_end_ns(span) // INTERVAL_NS].append(self.measure(span))
            names = of_span(of_resource[0])
            yield tuple(
                Point(
                    at_ns=(number + 1) * INTERVAL_NS,
                    value=sum(spent[number]) if len(spent[number]) >= self.at_least else 0.0,
                    names=names,
                )
                for number in intervals
            )


@dataclass(frozen=True, kw_only=True)
class NoSpans(_Signal):
    """Seconds without a span, a track for each service: an unavailable service sends no spans."""

    observer: ClassVar[Observer] = Observer.APM

    def tracks(self, evidence: Evidence) -> Iterator[Track]:
        """Yield a track for each service with enough operations; gaps of the others are no evidence."""
        ends: defaultdict[str, list[int]] = defaultdict(list)
        for span in evidence.spans:
            if span.parent_id is None:
                ends[span.service].append(_end_ns(span))
        for service, ended_ns in ends.items():
            if len(ended_ns) >= OFTEN:
                yield seconds_without_data(ended_ns, evidence, Names(services=frozenset({service})))


@dataclass(frozen=True, kw_only=True)
class NoData(_Signal):
    """Seconds without DBM data of the database: neither active sessions nor query metrics.

    Sessions alone are not sufficient: at low load no session may be active in any sample of a minute.
    """

    observer: ClassVar[Observer] = Observer.DBM

    def tracks(self, evidence: Evidence) -> Iterator[Track]:
        """Yield one track."""
        sampled_ns = (sample.at_ns for sample in evidence.activity)
        received_ns = [*sampled_ns, *(delta.at_ns for delta in evidence.deltas)]
        yield seconds_without_data(received_ns, evidence, NOTHING)


@dataclass(frozen=True, kw_only=True)
class Events(_Signal):
    """The number of events of the server's log in five seconds for which `like` is true."""

    observer: ClassVar[Observer] = Observer.LOG
    like: Callable[[Event], bool]

    def tracks(self, evidence: Evidence) -> Iterator[Track]:
        """Yield one track."""
        hits = ((event.at_ns, of_event(event)) for event in evidence.events if self.like(event))
        yield counted(hits, evidence)


@dataclass(frozen=True, kw_only=True)
class Slow(_Signal):
    """Milliseconds of logged executions: those above log_min_duration_statement.

    Only of statements with a name: the duration of a COMMIT depends on the disk.
    """

    observer: ClassVar[Observer] = Observer.LOG
    like: Callable[[Execution], bool] = lambda _: True

    def tracks(self, evidence: Evidence) -> Iterator[Track]:
        """Yield a track for each statement."""
        found: defaultdict[tuple[str | None, int | None], list[Point]] = defaultdict(list)
        for execution in evidence.executions:
            if self.like(execution) and execution.statement is not None:
                point = Point(
                    at_ns=execution.at_ns,
                    value=execution.duration_ns / 1e6,
                    names=of_execution(execution),
                )
                found[execution.statement, execution.queryid].append(point)
        for points in found.values():
            yield tuple(sorted(points, key=lambda point: point.at_ns))


Signal: TypeAlias = (
    Metric
    | Sessions
    | Query
    | Checks
    | Deltas
    | Spans
    | Resources
    | NoSpans
    | NoData
    | Events
    | Slow
)
