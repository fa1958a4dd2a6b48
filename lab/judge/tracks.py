"""Values of one observer over time."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from lab.foundation.timestamps import NS_PER_S
from lab.judge.evidence import Evidence
from lab.judge.names import NOTHING, Names, together

BUCKET_NS = 5_000_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """A value that an observer had from `at_ns` on."""

    at_ns: int
    value: float
    names: Names = NOTHING


Track: TypeAlias = tuple[Point, ...]


def seconds_without_data(received_ns: Iterable[int], evidence: Evidence, names: Names) -> Track:
    """Return the seconds since the last record, for each second of the window."""
    times = sorted(received_ns)
    points, last = [], 0
    for at_ns in range(evidence.since_ns, evidence.until_ns, NS_PER_S):
        while last < len(times) and times[last] <= at_ns:
            last += 1
        since = times[last - 1] if last else evidence.since_ns
        points.append(Point(at_ns=at_ns, value=(at_ns - since) / NS_PER_S, names=names))
    return tuple(points)


def counted(hits: Iterable[tuple[int, Names]], evidence: Evidence) -> Track:
    """Return the number of hits in the last five seconds, at each hit; zero at the beginning."""
    ordered = sorted(hits, key=lambda hit: hit[0])
    points = [Point(at_ns=evidence.since_ns, value=0.0)]
    first = 0
    for last, (at_ns, _) in enumerate(ordered):
        while ordered[first][0] <= at_ns - BUCKET_NS:
            first += 1
        recent = ordered[first : last + 1]
        points.append(
            Point(at_ns=at_ns, value=len(recent), names=together(n for _, n in recent[-20:]))
        )
    return tuple(points)
