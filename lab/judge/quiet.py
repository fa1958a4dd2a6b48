"""False alarms: what observers show while nothing is broken, by the same rules as verdicts.

A stretch of a quiet lab is judged as if each fault had been there in it. Whoever has seen one has seen
nothing. Pure functions, as all of the judge.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from lab.clients.prometheus import Alert
from lab.foundation.timestamps import NS_PER_S
from lab.judge.evidence import Evidence, Observer, Truth
from lab.judge.readings import Seen
from lab.judge.signals import Signal
from lab.judge.verdicts import STALE_NS, judge

# Labels of an alert that say nothing about what it is about.
UNSAID = frozenset({"alertname", "severity", "job", "instance"})


@dataclass(frozen=True, kw_only=True, slots=True)
class FalseAlarm:
    """One observer that showed what was not there.

    Attributes:
        what: the drill whose signal rose, or the alert that fired.
        says: what the observer held.
        at_ns: when it first held it, in nanoseconds since 1970.
        stretches: in how many of the stretches that were judged.
    """

    observer: Observer
    what: str
    says: str
    at_ns: int
    stretches: int = 1


def false_alarms(
    evidence: Evidence,
    signals: Mapping[str, Sequence[Signal]],
    *,
    since_ns: int,
    until_ns: int,
) -> Iterator[FalseAlarm]:
    """Yield what the observers showed of each fault between two moments at which there was none.

    Args:
        evidence: what they held, from some time before until some time after.
        signals: of each drill, by its name.
        since_ns: as if each fault had been injected then.
        until_ns: as if each had been healed then.
    """
    yield from _fired(evidence.alerts, since_ns, until_ns)
    for drill, expected in signals.items():
        nothing = Truth(drill=drill, injected_ns=since_ns, proven_ns=since_ns, healed_ns=until_ns)
        for verdict in judge(evidence, nothing, expected, ()):
            if verdict.seen is Seen.SEEN and verdict.after_s is not None:
                yield FalseAlarm(
                    observer=verdict.observer,
                    what=drill,
                    says="; ".join(verdict.says),
                    at_ns=since_ns + round(verdict.after_s * NS_PER_S),
                )


def _fired(alerts: Iterable[Alert], since_ns: int, until_ns: int) -> Iterator[FalseAlarm]:
    """Yield one for each alert by its name: what fires for five services is one alert."""
    first: dict[str, FalseAlarm] = {}
    for alert in alerts:
        at_ns = alert.firing_ns
        if at_ns is None or at_ns > until_ns:
            continue
        about = [f"{k}={v}" for k, v in sorted(alert.labels.items()) if k not in UNSAID]
        when = "before already" if at_ns < since_ns else "in it"
        says = " ".join([f"fired {when}", *about])
        alarm = FalseAlarm(observer=Observer.ALERTS, what=alert.name, says=says, at_ns=at_ns)
        if alert.name not in first or at_ns < first[alert.name].at_ns:
            first[alert.name] = alarm
    yield from first.values()


def unheard(evidence: Evidence, *, until_ns: int) -> dict[Observer, str]:
    """Return which observers were not there, and why: their quiet says nothing."""
    found = dict(evidence.silent)
    for observer in Observer:
        heard_ns = evidence.heard_ns.get(observer)
        if heard_ns is None:
            found.setdefault(observer, "it delivered nothing")
        elif heard_ns < until_ns - STALE_NS:
            found.setdefault(
                observer, f"its freshest data were {(until_ns - heard_ns) / NS_PER_S:.0f} s old"
            )
    return found


def together(alarms: Iterable[FalseAlarm]) -> tuple[FalseAlarm, ...]:
    """Return one of each, with its first time and the number of stretches that it was in."""
    known: dict[tuple[Observer, str], FalseAlarm] = {}
    for alarm in alarms:
        first = known.get((alarm.observer, alarm.what))
        known[alarm.observer, alarm.what] = (
            replace(first, stretches=first.stretches + alarm.stretches) if first else alarm
        )
    return tuple(known.values())
