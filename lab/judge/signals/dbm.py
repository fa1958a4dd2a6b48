"""Signals in what Database Monitoring receives: activity samples and query metrics."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from lab.judge.evidence import Evidence, Observer
from lab.judge.names import NOTHING, Names, of_session, together
from lab.judge.signals.base import BaseSignal
from lab.judge.tracks import Point, Track, seconds_without_data
from lab.telemetry.store import ActivitySample, QueryMetrics


@dataclass(frozen=True, kw_only=True)
class Sessions(BaseSignal):
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
class Deltas(BaseSignal):
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
class NoData(BaseSignal):
    """Seconds without DBM data of the database: neither active sessions nor query metrics.

    Sessions alone are not sufficient: at low load no session may be active in any sample of a minute.
    """

    observer: ClassVar[Observer] = Observer.DBM

    def tracks(self, evidence: Evidence) -> Iterator[Track]:
        """Yield one track."""
        sampled_ns = (sample.at_ns for sample in evidence.activity)
        received_ns = [*sampled_ns, *(delta.at_ns for delta in evidence.deltas)]
        yield seconds_without_data(received_ns, evidence, NOTHING)
