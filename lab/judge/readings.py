"""Whether one signal, or one alert, showed the fault: seen, missed or unknown.

Thresholds are relative to the values just before the fault, so that a high load is not taken for a fault.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING

from lab.clients.prometheus import Alert
from lab.foundation.timestamps import NS_PER_S
from lab.judge.evidence import EVALUATED_EVERY_NS, Evidence, MonitorResult, Truth
from lab.judge.names import Names, of_labels, together
from lab.judge.tracks import Point, Track

if TYPE_CHECKING:
    from lab.judge.signals import Signal

# Data of one scrape or collection interval after the healing still show the fault; later data do not count.
GRACE_NS = 20 * NS_PER_S
THOUSAND = 1000
NOT_COVERED = "not covered: it has no signal for this"
NOT_COVERED_BY_AN_ALERT = "not covered: no alert is about this"
NOT_COVERED_BY_A_MONITOR = "not covered: no monitor is about this"


class Seen(StrEnum):
    """Whether an observer showed the fault."""

    SEEN = "seen"
    MISSED = "missed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """The result of one signal: its first point above the threshold with the names there, or the reason."""

    says: str
    seen: Seen
    at_ns: int = 0
    names: Names = field(default_factory=Names)


def reading(signal: "Signal", evidence: Evidence, truth: Truth) -> Reading:
    """Return the result of one signal, from the track that rises most."""
    best: tuple[float, Track] | None = None
    before_too, late = False, None
    for track in signal.tracks(evidence):
        before = max((p.value for p in track if p.at_ns < truth.injected_ns), default=0.0)
        threshold = max(signal.above, signal.times * before)
        above = _sustained(track, threshold, signal.points, truth)
        in_time = [p for p in above if p.at_ns <= truth.healed_ns + GRACE_NS]
        if in_time:
            rise = max(p.value for p in in_time) - before
            if best is None or rise > best[0]:
                best = (rise, tuple(in_time))
        elif above and (late is None or above[0].at_ns < late):
            late = above[0].at_ns
        elif before > signal.above and _stays_above(track, signal.above, truth):
            before_too = True
    if best is not None:
        _, track = best
        return Reading(
            says=f"{signal.says}: {_formatted(max(p.value for p in track))}",
            seen=Seen.SEEN,
            at_ns=track[0].at_ns,
            names=together(p.names for p in track),
        )
    if late is not None:
        after = (late - truth.healed_ns) / NS_PER_S
        return Reading(says=f"{signal.says}: only {after:.0f} s after the heal", seen=Seen.MISSED)
    if before_too:
        return Reading(
            says=f"{signal.says}: above the threshold before the fault", seen=Seen.UNKNOWN
        )
    if doubt := signal.doubt(evidence, truth):
        return Reading(says=doubt, seen=Seen.UNKNOWN)
    return Reading(says=f"{signal.says}: did not rise", seen=Seen.MISSED)


def _formatted(value: float) -> str:
    """Format a value with four significant digits and no exponent.

    >>> _formatted(12345.6), _formatted(0.123456)
    ('12,346', '0.1235')
    """
    return f"{value:,.0f}" if value >= THOUSAND else f"{value:.4g}"


def _sustained(track: Track, threshold: float, points: int, truth: Truth) -> list[Point]:
    """Return the points since the injection that end a run of `points` values above a threshold."""
    found, streak = [], 0
    for point in track:
        risen = point.at_ns >= truth.injected_ns and point.value > threshold
        streak = streak + 1 if risen else 0
        if streak >= points:
            found.append(point)
    return found


def _stays_above(track: Track, above: float, truth: Truth) -> bool:
    during = (p.value for p in track if truth.injected_ns <= p.at_ns <= truth.healed_ns)
    return max(during, default=0.0) > above


def alert_readings(
    found: Iterable[Alert], truth: Truth, names: Sequence[str], *, grace_ns: int = GRACE_NS
) -> Iterator[Reading]:
    """Yield the result of each of these alerts that fired, or one result if none did."""
    fired = False
    for alert in found:
        if alert.name not in names or alert.firing_ns is None:
            continue
        fired = True
        if alert.firing_ns < truth.injected_ns:
            yield Reading(says=f"{alert.name} fired before the fault", seen=Seen.UNKNOWN)
        elif alert.firing_ns > truth.healed_ns + grace_ns:
            after = (alert.firing_ns - truth.healed_ns) / NS_PER_S
            yield Reading(
                says=f"{alert.name} fired only {after:.0f} s after the heal", seen=Seen.MISSED
            )
        else:
            yield Reading(
                says=f"{alert.name} fired",
                seen=Seen.SEEN,
                at_ns=alert.firing_ns,
                names=of_labels(alert.labels),
            )
    if not names:
        yield Reading(says=NOT_COVERED_BY_AN_ALERT, seen=Seen.MISSED)
    elif not fired:
        yield Reading(says=f"none of {', '.join(names)} fired", seen=Seen.MISSED)


def monitor_readings(
    results: Mapping[str, MonitorResult], truth: Truth, names: Sequence[str]
) -> Iterator[Reading]:
    """Yield the result of each of these monitors of Datadog's, or that none belongs to the fault."""
    for name in names:
        found = results.get(name, MonitorResult(doubt=f"{name} was not evaluated"))
        readings = list(alert_readings(found.alerts, truth, [name], grace_ns=EVALUATED_EVERY_NS))
        shown = [r for r in readings if r.seen is not Seen.MISSED]
        until_ns = truth.healed_ns + GRACE_NS
        held_ns = [at for at in found.held_ns if truth.injected_ns <= at <= until_ns]
        if shown:
            yield from shown
        elif held_ns:
            says = f"{name}: its condition was met, but not at an evaluation, one each minute"
            yield Reading(says=says, seen=Seen.UNKNOWN)
        elif found.doubt:
            yield Reading(says=found.doubt, seen=Seen.UNKNOWN)
        elif _has_gap(found, truth):
            says = f"{name}: a gap in the data during the fault"
            yield Reading(says=says, seen=Seen.UNKNOWN)
        else:
            yield from readings
    if not names:
        yield Reading(says=NOT_COVERED_BY_A_MONITOR, seen=Seen.MISSED)


def _has_gap(found: MonitorResult, truth: Truth) -> bool:
    times = [truth.injected_ns, *found.data_ns, truth.healed_ns]
    during = sorted(min(max(at, truth.injected_ns), truth.healed_ns) for at in times)
    return max(b - a for a, b in pairwise(during)) > found.allowed_gap_ns
