"""The rules of verdicts: from evidence and truth to seen, missed or unknown. Pure functions.

A verdict is unknown when it would have no basis: the fault was not proven, the observer delivered no data,
only old data or none while the fault was active, or it showed the same before the fault.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from lab.clients.prometheus import Alert
from lab.foundation.timestamps import NS_PER_S
from lab.judge.evidence import Evidence, Observer, Truth
from lab.judge.metric_values import MOST_INTERVALS
from lab.judge.names import Names, together
from lab.judge.readings import (
    GRACE_NS,
    NOT_COVERED,
    Reading,
    Seen,
    alert_readings,
    monitor_readings,
    reading,
)

if TYPE_CHECKING:
    from lab.judge.signals import Signal

# An observer with older data has stopped: twice the longest delivery interval of all observers but one.
STALE_NS = 30 * NS_PER_S
# The check runs every 15 s, and a run may be late.
STALE_CHECK_NS = round(MOST_INTERVALS * 15 * NS_PER_S)


class Depth(StrEnum):
    """The detail of an observer's evidence."""

    DETECTED = "detected"
    STATEMENT = "named the statement"
    CULPRIT = "named the culprit"
    PLAN = "showed the plan"
    TRACE = "linked to the trace"


# The letter of each detail in a matrix.
LETTERS = {
    Depth.STATEMENT: "S",
    Depth.CULPRIT: "C",
    Depth.PLAN: "P",
    Depth.TRACE: "T",
}
LEGEND = "S named the statement, C named the culprit, P showed the plan, T linked to the trace"


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertTimes:
    """Seconds from the proof to an alert's pending and firing; None if it was not; 0 if before the proof."""

    name: str
    pending_s: float | None
    firing_s: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """The verdict on one observer. `after_s` is the seconds from the proof to its first evidence."""

    observer: Observer
    seen: Seen
    after_s: float | None = None
    depths: tuple[Depth, ...] = ()
    says: tuple[str, ...] = ()
    alerts: tuple[AlertTimes, ...] = ()


def judge(
    evidence: Evidence,
    truth: Truth,
    signals: "Sequence[Signal]",
    alerts: Sequence[str],
    monitors: Sequence[str] = (),
) -> list[Verdict]:
    """Return a verdict for each observer.

    Args:
        evidence: the data of the observers.
        truth: the ground truth.
        signals: of this fault; an observer without a signal is expected to miss it.
        alerts: the names of the alerts that belong to this fault.
        monitors: the names of Datadog's monitors that belong to it.
    """
    names = {Observer.ALERTS: alerts, Observer.MONITORS: monitors}
    return [
        _judge(observer, evidence, truth, signals, names.get(observer, ())) for observer in Observer
    ]


def stale_ns(observer: Observer) -> int:
    """Return the age from which an observer's newest data are stale, and the length of a gap."""
    return STALE_CHECK_NS if observer is Observer.CHECK else STALE_NS


def _judge(
    observer: Observer,
    evidence: Evidence,
    truth: Truth,
    signals: "Sequence[Signal]",
    alerting: Sequence[str],
) -> Verdict:
    def unknown(reason: str) -> Verdict:
        return Verdict(observer=observer, seen=Seen.UNKNOWN, says=(reason,))

    if truth.proven_ns is None:
        return unknown("not proved: PostgreSQL did not confirm the fault")
    if observer in evidence.unavailable:
        return unknown(evidence.unavailable[observer])
    times: tuple[AlertTimes, ...] = ()
    if observer is Observer.ALERTS:
        readings = list(alert_readings(evidence.alerts, truth, alerting))
        times = _times(evidence.alerts, truth, alerting)
    elif observer is Observer.MONITORS:
        readings = list(monitor_readings(evidence.monitors, truth, alerting))
        fired = [alert for result in evidence.monitors.values() for alert in result.alerts]
        times = _times(fired, truth, alerting)
    else:
        own = [signal for signal in signals if signal.observer is observer]
        readings = [reading(signal, evidence, truth) for signal in own]
    shown = [r for r in readings if r.seen is Seen.SEEN]
    if shown:
        first = min(r.at_ns for r in shown)
        return Verdict(
            observer=observer,
            seen=Seen.SEEN,
            after_s=_after(first, truth.proven_ns),
            depths=_depths(observer, evidence, truth, [r.names for r in shown]),
            says=tuple(dict.fromkeys(r.says for r in shown)),
            alerts=times,
        )
    seen, says = _not_shown(observer, evidence, truth, readings)
    return Verdict(observer=observer, seen=seen, says=says, alerts=times)


def without_basis(observer: Observer, evidence: Evidence, truth: Truth) -> str | None:
    """Return why an observer that showed nothing is unknown; None when its data cover the fault."""
    if observer in evidence.unavailable:
        return evidence.unavailable[observer]
    last_data_ns = evidence.last_data_ns.get(observer)
    if last_data_ns is None:
        return "it delivered nothing in this time"
    if last_data_ns < truth.healed_ns - stale_ns(observer):
        age = (truth.healed_ns - last_data_ns) / NS_PER_S
        return f"its freshest data were {age:.0f} s old when the fault was healed"
    if gap := evidence.gaps.get(observer):
        # Data from after the healing are new, but do not cover the fault.
        without_data_ns = min(gap.end_ns, truth.healed_ns) - max(gap.begin_ns, truth.injected_ns)
        if without_data_ns > stale_ns(observer):
            return f"it delivered nothing for {without_data_ns / NS_PER_S:.0f} s of the fault"
    return None


def _not_shown(
    observer: Observer, evidence: Evidence, truth: Truth, readings: Sequence[Reading]
) -> tuple[Seen, tuple[str, ...]]:
    """Return missed, which requires data of the time of the fault, or unknown, with the reasons."""
    if reason := without_basis(observer, evidence, truth):
        return Seen.UNKNOWN, (reason,)
    doubtful = tuple(dict.fromkeys(r.says for r in readings if r.seen is Seen.UNKNOWN))
    if doubtful:
        return Seen.UNKNOWN, doubtful
    return Seen.MISSED, tuple(r.says for r in readings) or (NOT_COVERED,)


def _times(found: Iterable[Alert], truth: Truth, names: Sequence[str]) -> tuple[AlertTimes, ...]:
    assert truth.proven_ns is not None
    new = [a for a in found if (a.pending_ns or a.firing_ns or 0) >= truth.injected_ns]
    times = []
    for name in names:
        own = [alert for alert in new if alert.name == name]
        pending = [a.pending_ns or a.firing_ns for a in own]
        firing = [a.firing_ns for a in own]
        times.append(
            AlertTimes(
                name=name,
                pending_s=_earliest(pending, truth.proven_ns),
                firing_s=_earliest(firing, truth.proven_ns),
            )
        )
    return tuple(times)


def _earliest(times: Iterable[int | None], proven_ns: int) -> float | None:
    known = [time for time in times if time is not None]
    return _after(min(known), proven_ns) if known else None


def _after(at_ns: int, proven_ns: int) -> float:
    return round(max(0, at_ns - proven_ns) / NS_PER_S, 1)


def _depths(
    observer: Observer, evidence: Evidence, truth: Truth, shown: Sequence[Names]
) -> tuple[Depth, ...]:
    """Return the detail of the evidence; a name counts only when the truth has it."""
    named = together(shown)
    found = [Depth.DETECTED]
    if (
        named.statements & truth.statements
        or named.texts & truth.texts
        or named.queryids & truth.queryids
    ):
        found.append(Depth.STATEMENT)
    if named.services & truth.services or named.pids & truth.pids:
        found.append(Depth.CULPRIT)
    plans = {Observer.DBM: evidence.estimated, Observer.LOG: evidence.executed}.get(observer, ())
    during = (p for p in plans if truth.injected_ns <= p.at_ns <= truth.healed_ns + GRACE_NS)
    if any(p.statement in truth.statements or p.queryid in truth.queryids for p in during):
        found.append(Depth.PLAN)
    if named.traced:
        found.append(Depth.TRACE)
    return tuple(found)
