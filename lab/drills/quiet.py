"""The false positives of all signals in a lab without a fault: each signal that rises is one.

The load stays: the services work as always. No drill can start meanwhile.
"""

from dataclasses import dataclass
from typing import Any

import msgspec

from lab.drills.assessment import BEFORE_NS, FORGOTTEN_NS, SETTLES_NS
from lab.drills.catalogue import DRILLS
from lab.drills.healing import heal_leftovers
from lab.drills.journal import Journal, Step
from lab.drills.minutes import quiet_minute, signals_by_drill
from lab.drills.running import DrillFiles
from lab.drills.stretches import append
from lab.foundation import clock, processors
from lab.foundation.outcome import Outcome
from lab.foundation.paths import Paths
from lab.foundation.readiness import await_moment
from lab.foundation.reporter import Reporter
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import NS_PER_S
from lab.judge.collect import collect
from lab.judge.evidence import Evidence, Observer
from lab.judge.quiet import FalsePositive, false_positives, together, without_data
from lab.stack.components import COMPONENTS
from lab.stack.native.records import Record

# The duration of most drills; each stretch is judged as if every fault had been present in it.
STRETCH_NS = 60 * NS_PER_S


@dataclass(frozen=True, kw_only=True)
class Watch:
    """The false positives found. `stretches` of a minute were judged for each of `drills` drills.

    `stolen` is the steal time: the share of this machine's processor time that its host took, 0 to 1.
    """

    since_ns: int
    until_ns: int
    stretches: int
    drills: int
    alarms: tuple[FalsePositive, ...]
    unheard: dict[Observer, str]
    stolen: float

    @property
    def outcome(self) -> Outcome:
        """Failed when something fired; else unknown when an observer had no data; else ok."""
        without_alarm = Outcome.UNKNOWN if self.unheard else Outcome.OK
        return Outcome.FAILED if self.alarms else without_alarm

    def to_json(self) -> dict[str, Any]:
        """`{"ok", "result", "since_ns", "alarms": [{"observer", "what", "says", ...}], ...}`."""
        document: dict[str, Any] = msgspec.to_builtins(self)
        return {"ok": self.outcome.ok, "result": self.outcome.value, **document}


def watch(settings: LabSettings, *, for_s: float, reporter: Reporter) -> Watch:
    """Watch from now on, for whole minutes; returns 25 s after the last.

    Raises:
        LockedError: when a drill runs.
    """
    place = DrillFiles(Paths.of(settings))
    stretches = max(1, round(for_s * NS_PER_S / STRETCH_NS))
    alarms: list[FalsePositive] = []
    no_data: dict[Observer, str] = {}
    with place.locked():
        heal_leftovers(settings, place, reporter)
        disturbed_ns = max(_last_heal_ns(place), _last_start_ns(Paths.of(settings)))
        # A time in the future would make this wait too long.
        disturbed_ns = min(disturbed_ns, clock.now_ns())
        await_moment(
            "the last disturbance has left the rates",
            disturbed_ns + FORGOTTEN_NS,
            watch=reporter.wait,
        )
        since_ns, began = clock.now_ns(), processors.now()
        for number in range(1, stretches + 1):
            end_ns = since_ns + number * STRETCH_NS
            begin_ns = end_ns - STRETCH_NS
            name = f"minute {number} of {stretches}"
            reporter.begin(name, "watching")
            await_moment(f"{name} is over", end_ns + SETTLES_NS, watch=reporter.wait)
            evidence = _evidence(settings, begin_ns, end_ns)
            found = list(
                false_positives(evidence, signals_by_drill(), since_ns=begin_ns, until_ns=end_ns)
            )
            alarms += found
            append(place, quiet_minute(evidence, since_ns=begin_ns, until_ns=end_ns))
            no_data |= without_data(evidence, until_ns=end_ns)
            reporter.done(name, f"{len(found)} false positives" if found else "none")
    return Watch(
        since_ns=since_ns,
        until_ns=since_ns + stretches * STRETCH_NS,
        stretches=stretches,
        drills=len(DRILLS),
        alarms=together(alarms),
        unheard=no_data,
        stolen=processors.between(began, processors.now()).stolen,
    )


def _evidence(settings: LabSettings, begin_ns: int, end_ns: int) -> Evidence:
    """Collect evidence as after a drill: from before the minute until delayed evidence has arrived."""
    signals = [signal for expected in signals_by_drill().values() for signal in expected]
    return collect(settings, signals, since_ns=begin_ns - BEFORE_NS, until_ns=end_ns + SETTLES_NS)


def _last_heal_ns(place: DrillFiles) -> int:
    healed = (e.at_ns for e in Journal(place.journal).entries() if e.step == Step.HEALED.value)
    return max(healed, default=0)


def _last_start_ns(paths: Paths) -> int:
    """When the last component started: a lab that has just started, with a cold cache, is no baseline."""
    records = (Record.read(paths.run, name) for name in COMPONENTS)
    return max((round(record.created * NS_PER_S) for record in records if record), default=0)
