"""Signal levels of minutes without a fault and of drills, from evidence and from recordings."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache

from lab.drills.assessment import BEFORE_NS, FORGOTTEN_NS, SETTLES_NS, truth_of, window
from lab.drills.catalogue import DRILLS
from lab.drills.recording import Recording
from lab.drills.runner import Run
from lab.foundation.timestamps import NS_PER_S
from lab.judge.evidence import Evidence, Truth
from lab.judge.signals import Signal
from lab.judge.tuning import Stretch, stretch

MINUTE_NS = 60 * NS_PER_S


@cache
def signals_by_drill() -> Mapping[str, Sequence[Signal]]:
    """Return the signals of every drill, by its name."""
    return {name: drill.signals for name, drill in DRILLS.items()}


def quiet_minute(evidence: Evidence, *, since_ns: int, until_ns: int) -> Stretch:
    """Return the levels of all signals in a minute without a fault."""
    nothing = Truth(drill="", injected_ns=since_ns, proven_ns=since_ns, healed_ns=until_ns)
    return stretch(evidence, nothing, signals_by_drill(), fault=False)


def of_run(run: Run, evidence: Evidence) -> Stretch | None:
    """Return the levels of a drill's own signals while its fault was active; None when it was not proven."""
    if run.proven_ns is None:
        return None
    drill = DRILLS[run.drill]
    truth = truth_of(drill, run, frozenset())
    return stretch(evidence, truth, {drill.name: drill.signals}, fault=True)


def of_recording(recording: Recording) -> Iterator[Stretch]:
    """Yield the runs of a recording, and its whole minutes without a fault."""
    for run in recording.runs:
        since_ns, until_ns = window(DRILLS[run.drill], run)
        signals = DRILLS[run.drill].signals
        found = of_run(run, recording.evidence(signals, since_ns=since_ns, until_ns=until_ns))
        if found is not None:
            yield found
    every = [signal for declared in signals_by_drill().values() for signal in declared]
    for since_ns in _quiet_minutes(recording):
        until_ns = since_ns + MINUTE_NS
        evidence = recording.evidence(
            every, since_ns=since_ns - BEFORE_NS, until_ns=until_ns + SETTLES_NS
        )
        yield quiet_minute(evidence, since_ns=since_ns, until_ns=until_ns)


def _quiet_minutes(recording: Recording) -> Iterable[int]:
    """Yield the beginnings of minutes that no fault disturbs, as `drill quiet` would judge them."""
    at_ns = recording.since_ns + BEFORE_NS
    for run in (*recording.runs, None):
        # The baseline of the next drill is 20 s long, and may contain late evidence of the minute.
        end_ns = recording.until_ns if run is None else run.injected_ns
        while at_ns + MINUTE_NS + SETTLES_NS <= end_ns:
            yield at_ns
            at_ns += MINUTE_NS
        if run is not None:
            at_ns = run.healed_ns + FORGOTTEN_NS
