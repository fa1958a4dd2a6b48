"""Signals in the spans of the tracers."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from lab.foundation.timestamps import NS_PER_S
from lab.judge.evidence import Evidence, Observer
from lab.judge.names import Names, of_span
from lab.judge.signals.base import BaseSignal
from lab.judge.tracks import Point, Track, counted, seconds_without_data
from lab.telemetry.store import Span

INTERVAL_NS = 10 * NS_PER_S
# Operations in the one or two minutes of a drill's evidence: about one in four seconds.
OFTEN = 20


@dataclass(frozen=True, kw_only=True)
class Spans(BaseSignal):
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
class Resources(BaseSignal):
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
class NoSpans(BaseSignal):
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
