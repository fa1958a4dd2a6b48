"""False positives: signals and alerts of a baseline run without faults, by the same rules as verdicts.

A window without a fault is judged as if each fault had been active in it. An observer that shows one has a
false positive. Pure functions, as in the whole package.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lab.clients.prometheus import Alert
from lab.foundation.timestamps import NS_PER_S
from lab.judge.evidence import Evidence, Observer, Truth
from lab.judge.verdicts import judge, stale_ns

if TYPE_CHECKING:
    from lab.judge.signals import Signal

# Labels of an alert that do not identify its subject.
NOT_IDENTIFYING = frozenset({"alertname", "severity", "job", "instance"})


@dataclass(frozen=True, kw_only=True, slots=True)
class FalsePositive:
    """A fault that an observer showed in a window without faults.

    Attributes:
        what: the drill whose signal rose, or the alert that fired.
        says: the evidence, as text.
        at_ns: the time of the first evidence, in nanoseconds since 1970.
        stretches: the number of judged windows that have it.
    """

    observer: Observer
    what: str
    says: str
    at_ns: int
    stretches: int = 1


def false_positives(
    evidence: Evidence,
    signals: Mapping[str, "Sequence[Signal]"],
    *,
    since_ns: int,
    until_ns: int,
) -> Iterator[FalsePositive]:
    """Yield the false positives of a window in which no fault was active.

    Args:
        evidence: the observers' data, from before the window until after it.
        signals: of each drill, by its name.
        since_ns: the start of the window, taken as the injection of each fault.
        until_ns: the end of the window, taken as the healing of each fault.
    """
    yield from _fired(Observer.ALERTS, evidence.alerts, since_ns, until_ns)
    of_monitors = [alert for result in evidence.monitors.values() for alert in result.alerts]
    yield from _fired(Observer.MONITORS, of_monitors, since_ns, until_ns)
    for drill, expected in signals.items():
        nothing = Truth(drill=drill, injected_ns=since_ns, proven_ns=since_ns, healed_ns=until_ns)
        for verdict in judge(evidence, nothing, expected, ()):
            if verdict.after_s is not None:
                yield FalsePositive(
                    observer=verdict.observer,
                    what=drill,
                    says="; ".join(verdict.says),
                    at_ns=since_ns + round(verdict.after_s * NS_PER_S),
                )


def _fired(
    observer: Observer, alerts: Iterable[Alert], since_ns: int, until_ns: int
) -> Iterator[FalsePositive]:
    """Yield one false positive per alert name: an alert that fires for five services is one."""
    first: dict[str, FalsePositive] = {}
    for alert in alerts:
        at_ns = alert.firing_ns
        if at_ns is None or at_ns > until_ns:
            continue
        about = [f"{k}={v}" for k, v in sorted(alert.labels.items()) if k not in NOT_IDENTIFYING]
        when = "before the window" if at_ns < since_ns else "within the window"
        says = " ".join([f"fired {when}", *about])
        alarm = FalsePositive(observer=observer, what=alert.name, says=says, at_ns=at_ns)
        if alert.name not in first or at_ns < first[alert.name].at_ns:
            first[alert.name] = alarm
    yield from first.values()


def without_data(evidence: Evidence, *, until_ns: int) -> dict[Observer, str]:
    """Return the observers without current data, with the reason: no result of them is valid."""
    found = dict(evidence.unavailable)
    for observer in Observer:
        last_data_ns = evidence.last_data_ns.get(observer)
        if last_data_ns is None:
            found.setdefault(observer, "it delivered nothing")
        elif last_data_ns < until_ns - stale_ns(observer):
            found.setdefault(
                observer, f"its freshest data were {(until_ns - last_data_ns) / NS_PER_S:.0f} s old"
            )
    return found


def together(alarms: Iterable[FalsePositive]) -> tuple[FalsePositive, ...]:
    """Merge equal false positives: one of each, with its first time and the number of windows."""
    known: dict[tuple[Observer, str], FalsePositive] = {}
    for alarm in alarms:
        first = known.get((alarm.observer, alarm.what))
        known[alarm.observer, alarm.what] = (
            replace(first, stretches=first.stretches + alarm.stretches) if first else alarm
        )
    return tuple(known.values())
