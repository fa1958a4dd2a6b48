"""Signals in the series of Prometheus."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from lab.judge.evidence import Evidence, Observer
from lab.judge.names import of_labels
from lab.judge.signals.base import BaseSignal
from lab.judge.tracks import Point, Track


@dataclass(frozen=True, kw_only=True)
class Metric(BaseSignal):
    """A PromQL expression; each series is a track, with the names in its labels."""

    observer: ClassVar[Observer] = Observer.METRICS
    expr: str

    def tracks(self, evidence: Evidence) -> Iterator[Track]:
        """Yield each series of the expression."""
        for series in evidence.series.get(self.expr, ()):
            names = of_labels(series.labels)
            yield tuple(Point(at_ns=at, value=value, names=names) for at, value in series.points)
