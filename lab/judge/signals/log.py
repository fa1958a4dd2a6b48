"""Signals in PostgreSQL's log: events, and slow executions."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from lab.judge.evidence import Evidence, Observer
from lab.judge.names import of_event, of_execution
from lab.judge.signals.base import BaseSignal
from lab.judge.tracks import Point, Track, counted
from lab.telemetry.store import Event, Execution


@dataclass(frozen=True, kw_only=True)
class Events(BaseSignal):
    """The number of events of the server's log in five seconds for which `like` is true."""

    observer: ClassVar[Observer] = Observer.LOG
    like: Callable[[Event], bool]

    def tracks(self, evidence: Evidence) -> Iterator[Track]:
        """Yield one track."""
        hits = ((event.at_ns, of_event(event)) for event in evidence.events if self.like(event))
        yield counted(hits, evidence)


@dataclass(frozen=True, kw_only=True)
class Slow(BaseSignal):
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
