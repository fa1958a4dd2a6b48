"""Signals in Datadog's metrics and in the service checks of the Agent."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from lab.foundation.timestamps import NS_PER_S
from lab.judge.evidence import Evidence, Observer, Truth
from lab.judge.metric_query import Expression, parse, selects
from lab.judge.metric_values import SPARSE, evaluate, runs_of
from lab.judge.names import of_labels
from lab.judge.signals.base import BaseSignal
from lab.judge.tracks import Point, Track

# The status of a service check.
CRITICAL = 2


@dataclass(frozen=True, kw_only=True)
class Query(BaseSignal):
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
class Checks(BaseSignal):
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
