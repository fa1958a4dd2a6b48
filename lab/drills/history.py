"""The history of drills in this lab: the journal's lines by run, with the verdicts of judged runs.

Only reads, and takes no lock: a run that is under way has no end yet, and a run that was never judged has
no verdicts.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lab.drills.assessment import Assessment
from lab.drills.journal import Entry, Journal, Step
from lab.drills.running import DrillFiles
from lab.foundation import statefile
from lab.foundation.statefile import DamagedError


@dataclass(frozen=True, kw_only=True)
class Past:
    """One run, from the journal; `steps` in order of time, at least one."""

    steps: tuple[Entry, ...]

    @property
    def run(self) -> str:
        """Its id."""
        return self.steps[0].run

    @property
    def drill(self) -> str:
        """The drill's name."""
        return self.steps[0].drill

    @property
    def began_ns(self) -> int:
        """When the injection began, in nanoseconds since 1970."""
        return self.steps[0].at_ns

    @property
    def healed_ns(self) -> int | None:
        """When the fault was healed; None while it may be present."""
        return next((step.at_ns for step in self.steps if step.step == Step.HEALED.value), None)

    def at(self, step: Step) -> Entry | None:
        """Return the last line of a kind."""
        return next((entry for entry in reversed(self.steps) if entry.step == step.value), None)


class History:
    """The runs of one lab."""

    def __init__(self, place: DrillFiles) -> None:
        self._place = place

    @property
    def is_there(self) -> bool:
        """Whether a journal exists: not before the first drill, and not in a container."""
        return self._place.journal.exists()

    def runs(self) -> list[Past]:
        """Return all runs in the journal, the latest first."""
        steps: dict[str, list[Entry]] = {}
        for entry in Journal(self._place.journal).entries():
            steps.setdefault(entry.run, []).append(entry)
        return [Past(steps=tuple(found)) for found in reversed(steps.values())]

    def run(self, run: str) -> Past | None:
        """Return one run by its id."""
        return next((past for past in self.runs() if past.run == run), None)

    def between(self, since_ns: int, until_ns: int) -> list[Past]:
        """Return the runs whose fault may have been present at some time between two moments."""
        return [
            past
            for past in self.runs()
            if past.began_ns < until_ns and (past.healed_ns is None or past.healed_ns > since_ns)
        ]

    def judged(self, past: Past) -> Assessment | None:
        """Return the verdicts on a run; None when it has none, or those of another version of the lab."""
        return kept(self._place.runs / f"{past.run}.json")


def kept(path: Path) -> Assessment | None:
    """Return the verdicts in a file of a run; None when it has none that this version can read."""
    with suppress(DamagedError):
        return statefile.read(path, Assessment)
    return None


def latest(runs: Sequence[Past]) -> list[Past]:
    """Return the latest run of each drill, given the latest first."""
    found: dict[str, Past] = {}
    for past in runs:
        found.setdefault(past.drill, past)
    return list(found.values())
