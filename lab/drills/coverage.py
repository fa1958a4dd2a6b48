"""Which observers can detect a drill at all; one without a signal by design is "not covered"."""

from lab.drills.drill import Drill
from lab.judge.evidence import Observer

BY_NAME = {Observer.ALERTS: "alerts", Observer.MONITORS: "monitors"}


def is_covered(drill: Drill | None, observer: Observer) -> bool:
    """Return whether the drill expects a signal of this observer; True for a drill that is not known."""
    if drill is None:
        return True
    if observer in BY_NAME:
        return bool(getattr(drill, BY_NAME[observer], ()))
    return any(signal.observer is observer for signal in drill.signals)
