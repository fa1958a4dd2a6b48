"""From the truth to an observer's answer in stages, so that each part of the error has its cause.

The truth over the question's window; the truth from the observer's first moment to now; the truth between the
observer's moments; what the observer read at them; its answer. The difference of two stages is one part.
"""

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace

from lab.compare.answers import Answer, Parts
from lab.compare.readings import Moment, Track
from lab.foundation.timestamps import NS_PER_S

# Decimals that sums of floating point numbers lose.
TOLERANCE = 1e-9


@dataclass(frozen=True, kw_only=True)
class Window:
    """The question's window: nanoseconds since 1970."""

    since_ns: int
    now_ns: int

    @property
    def seconds(self) -> float:
        """Its length."""
        return (self.now_ns - self.since_ns) / NS_PER_S


@dataclass(frozen=True)
class Stages:
    """The stages of a counter's growth; `width` is how exactly the truth at the moments is known."""

    truth: float
    to_now: float
    at_moments: float
    observed: float
    value: float
    width: float = 0.0

    def scaled(self, factor: float) -> "Stages":
        """Multiply each stage."""
        return Stages(*(factor * one for one in astuple(self)))


@dataclass(frozen=True, kw_only=True)
class Observed:
    """The growth of a counter as an observer saw it between two moments.

    Attributes:
        raw: last value minus first value; None when it sends rates only.
        value: its answer for the window.
        newest_ns: time of the newest point.
        resolution_s: seconds between two points.
        points: the points of its answer over time.
    """

    first: Moment
    last: Moment
    raw: float | None
    value: float
    newest_ns: int
    resolution_s: float | None
    where: str = ""
    points: tuple[tuple[int, float], ...] = ()


def counted(track: Track, window: Window, seen: Observed) -> Stages:
    """Return the stages of a counter.

    The truth at a moment is between two readings; what the observer read there is an error only beyond them.
    """
    now, since = track.at(window.now_ns), track.at(window.since_ns)
    raw = seen.value if seen.raw is None else seen.raw
    first, last = track.bracket(seen.first), track.bracket(seen.last)
    if first and last:
        low, high = max(last[0] - first[1], 0.0), last[1] - first[0]
    else:
        low = high = raw
    spare = TOLERANCE * max(abs(high), 1.0)
    at_moments = raw if low - spare <= raw <= high + spare else min(max(raw, low), high)
    # A rate has no value at a moment: its deviation is that of the conversion.
    observed = at_moments if seen.raw is None else raw
    middle = (seen.last.early_ns + seen.last.late_ns) // 2
    return Stages(
        truth=now - since,
        to_now=at_moments + now - track.at(min(middle, window.now_ns)),
        at_moments=at_moments,
        observed=observed,
        value=seen.value,
        width=high - low,
    )


def answer(
    formula: Callable[[Sequence[float]], float],
    legs: Sequence[tuple[Stages, Observed]],
    window: Window,
) -> Answer:
    """Return an answer of one or several counters with the parts of its error."""
    stages = [astuple(stage) for stage, _ in legs]
    truth, to_now, at_moments, observed, value = (
        formula([stage[index] for stage in stages]) for index in range(5)
    )
    newest = max(seen.newest_ns for _, seen in legs)
    return Answer(
        value=value,
        age_s=round((window.now_ns - newest) / NS_PER_S, 1),
        resolution_s=legs[0][1].resolution_s,
        where=legs[0][1].where,
        parts=Parts(
            observer=observed - at_moments,
            extrapolation=value - observed,
            resolution=to_now - truth,
            delay=at_moments - to_now,
            within=sum(stage[5] for stage in stages) if len(legs) == 1 else 0.0,
        ),
        points=legs[0][1].points,
    )


def gauge(track: Track | None, window: Window, value: float, at: Moment, found: Answer) -> Answer:
    """Return a gauge's latest value with the parts of its error: at its moment, and since."""
    if track is None:
        return found
    low, high = track.bracket(at) or (value, value)
    own = min(max(value, low), high)
    parts = Parts(observer=value - own, delay=own - track.at(window.now_ns), within=high - low)
    return replace(found, value=value, parts=parts)
