"""Thresholds of signals from recorded stretches: set on one half, tested on the other. Pure functions.

A stretch is a minute without a fault, or the time of a fault. The level of a signal in a stretch is the
largest threshold at which it would have shown the fault, by the rules of lab/judge/readings.py.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import floor, log10, sqrt
from typing import TYPE_CHECKING, TypeAlias

from lab.judge.evidence import Evidence, Observer, Truth
from lab.judge.readings import GRACE_NS
from lab.judge.verdicts import without_basis

if TYPE_CHECKING:
    from lab.judge.signals import Signal

Key: TypeAlias = tuple[str, Observer, str]


@dataclass(frozen=True, kw_only=True)
class Level:
    """A signal's level in a stretch; None when the observer had no data to judge."""

    drill: str
    observer: Observer
    says: str
    level: float | None

    @property
    def key(self) -> Key:
        """The signal, in all stretches."""
        return self.drill, self.observer, self.says


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """The levels of a recorded stretch. `fault` is the drill, None of a minute without a fault."""

    began_ns: int
    fault: str | None
    levels: tuple[Level, ...]


@dataclass(frozen=True, kw_only=True)
class Errors:
    """False positives in minutes without a fault, and missed faults, with the number judged of each."""

    false_positives: int
    minutes: int
    misses: int
    faults: int

    @property
    def total(self) -> int:
        """All errors."""
        return self.false_positives + self.misses


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """A signal's threshold from one half of the stretches, and its errors on the other half.

    Attributes:
        current: the threshold of the drill's declaration.
        tuned: from the tuning half; None when it has no minute without a fault, or no fault.
        quiet: the highest level without a fault in the tuning half.
        fault: the lowest level of a fault in the tuning half.
        with_current: errors of the current threshold on the held-out half.
        with_tuned: errors of the tuned one.
    """

    drill: str
    observer: Observer
    says: str
    current: float
    tuned: float | None
    quiet: float | None
    fault: float | None
    with_current: Errors
    with_tuned: Errors | None


@dataclass
class _Half:
    quiet: list[float] = field(default_factory=list)
    fault: list[float] = field(default_factory=list)

    def errors(self, threshold: float) -> Errors:
        return Errors(
            false_positives=sum(level > threshold for level in self.quiet),
            minutes=len(self.quiet),
            misses=sum(level <= threshold for level in self.fault),
            faults=len(self.fault),
        )


def stretch(
    evidence: Evidence, truth: Truth, signals: Mapping[str, "Sequence[Signal]"], *, fault: bool
) -> Stretch:
    """Return the levels of signals in a stretch.

    Args:
        evidence: the observers' data, from before the stretch until after it.
        truth: the times of the stretch: of its fault, or taken as those of a fault.
        signals: by drill.
        fault: whether the fault of `truth.drill` was present.
    """
    levels = tuple(
        Level(
            drill=drill,
            observer=signal.observer,
            says=signal.says,
            level=level(signal, evidence, truth),
        )
        for drill, declared in signals.items()
        for signal in declared
    )
    name = truth.drill if fault else None
    return Stretch(began_ns=truth.injected_ns, fault=name, levels=levels)


def level(signal: "Signal", evidence: Evidence, truth: Truth) -> float | None:
    """Return the largest threshold at which a signal shows a fault, 0 at none; None without data."""
    found = 0.0
    for track in signal.tracks(evidence):
        before = max((p.value for p in track if p.at_ns < truth.injected_ns), default=0.0)
        during = [p for p in track if p.at_ns >= truth.injected_ns]
        for last in range(signal.points - 1, len(during)):
            if during[last].at_ns > truth.healed_ns + GRACE_NS:
                break
            in_a_row = during[last - signal.points + 1 : last + 1]
            lowest = min(point.value for point in in_a_row)
            if lowest > signal.times * before:
                found = max(found, lowest)
    if found > 0.0:
        return found
    unknown = without_basis(signal.observer, evidence, truth) or signal.doubt(evidence, truth)
    return None if unknown else 0.0


def tune(
    stretches: Iterable[Stretch], signals: Mapping[str, "Sequence[Signal]"]
) -> Iterator[Tuned]:
    """Yield each signal's threshold; every other stretch of a kind, by time, is held out."""
    tuning: defaultdict[Key, _Half] = defaultdict(_Half)
    held_out: defaultdict[Key, _Half] = defaultdict(_Half)
    seen: defaultdict[str | None, int] = defaultdict(int)
    for one in sorted(stretches, key=lambda found: found.began_ns):
        half = held_out if seen[one.fault] % 2 else tuning
        seen[one.fault] += 1
        for found in one.levels:
            # During a fault only its own signals are judged: others may rise as its effects.
            if found.level is None or one.fault not in {None, found.drill}:
                continue
            own = half[found.key]
            (own.quiet if one.fault is None else own.fault).append(found.level)
    for drill, declared in signals.items():
        for signal in declared:
            key = (drill, signal.observer, signal.says)
            yield _tuned(key, signal.above, tuning[key], held_out[key])


def _tuned(key: Key, current: float, tuning: _Half, held_out: _Half) -> Tuned:
    drill, observer, says = key
    threshold = _threshold(tuning) if tuning.quiet and tuning.fault else None
    return Tuned(
        drill=drill,
        observer=observer,
        says=says,
        current=current,
        tuned=threshold,
        quiet=max(tuning.quiet, default=None),
        fault=min(tuning.fault, default=None),
        with_current=held_out.errors(current),
        with_tuned=None if threshold is None else held_out.errors(threshold),
    )


def _threshold(half: _Half) -> float:
    """Return a threshold between the levels without and with a fault, or with the fewest errors."""
    quiet, fault = max(half.quiet), min(half.fault)
    if fault > quiet:
        # Halfway in proportion: levels differ by factors. Without any noise half of the fault's level.
        return _rounded(sqrt(quiet * fault) if quiet > 0 else fault / 2, above=quiet, below=fault)
    candidates = sorted({0.0, *half.quiet, *half.fault})
    return min(candidates, key=lambda candidate: (half.errors(candidate).total, candidate))


def _rounded(value: float, *, above: float, below: float) -> float:
    """Return a value with two significant digits, if it stays in its range.

    >>> _rounded(123.4, above=100, below=200), _rounded(123.4, above=123, below=124)
    (120.0, 123.4)
    """
    rounded = round(value, 1 - floor(log10(value)))
    return rounded if above <= rounded < below else value
