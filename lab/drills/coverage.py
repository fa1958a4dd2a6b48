"""Which observers can detect a drill at all; one without a signal by design is "not covered"."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from lab.judge.evidence import Observer
from lab.judge.readings import Seen

if TYPE_CHECKING:
    from lab.drills.drill import Drill
    from lab.judge.verdicts import Verdict

NOT_COVERED = "not covered"
BY_NAME = {Observer.ALERTS: "alerts", Observer.MONITORS: "monitors"}


def is_covered(drill: "Drill | None", observer: Observer) -> bool:
    """Return whether the drill expects a signal of this observer; True for a drill that is not known."""
    if drill is None:
        return True
    if observer in BY_NAME:
        return bool(getattr(drill, BY_NAME[observer], ()))
    return any(signal.observer is observer for signal in drill.signals)


def result(drill: "Drill | None", verdict: "Verdict") -> str:
    """Return a verdict as reports show it: an observer without a signal by design did not miss the fault."""
    if verdict.seen is Seen.MISSED and not is_covered(drill, verdict.observer):
        return NOT_COVERED
    return verdict.seen.value


def seen(drill: "Drill | None", verdicts: Collection["Verdict"]) -> str:
    """Return how many observers saw a fault, of those that could, such as "4 of 5"."""
    shown = [result(drill, verdict) for verdict in verdicts]
    return f"{shown.count(Seen.SEEN)} of {len(shown) - shown.count(NOT_COVERED)}"
