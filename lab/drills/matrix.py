"""The blind-spot matrix: drills by observers, from the latest run of each drill in this lab."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lab.drills import history
from lab.drills.assessment import Assessment, judge_again
from lab.drills.catalogue import DRILLS
from lab.drills.drill import Drill
from lab.drills.running import DrillFiles
from lab.foundation import clock
from lab.foundation.outcome import Outcome
from lab.foundation.paths import Paths
from lab.foundation.processors import machine
from lab.foundation.settings import LabSettings
from lab.judge.readings import Seen


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """The verdicts of the observers. `machine` is where it was measured; `at_ns` when it was built."""

    machine: str
    at_ns: int
    rows: tuple[Assessment, ...]

    def to_json(self) -> dict[str, Any]:
        """`{"machine", "at_ns", "rows": [...]}`; a row is as `drill run --json` prints it."""
        return {
            "machine": self.machine,
            "at_ns": self.at_ns,
            "rows": [row.to_json() for row in self.rows],
        }

    @property
    def datadog(self) -> str:
        """The senders of Datadog's data in these runs; empty when none is known."""
        return " or ".join(sorted({row.datadog for row in self.rows if row.datadog}))

    def count(self, seen: Seen) -> int:
        """Return how many verdicts are this one."""
        return sum(verdict.seen is seen for row in self.rows for verdict in row.verdicts)


def judged_again(settings: LabSettings, progress: Callable[[str], None]) -> Matrix:
    """Return the matrix of the newest runs by the current rules, from the data that the observers retain.

    `progress` receives the name of each drill before it is judged: twenty take a minute.
    """

    def judged() -> Iterator[Assessment]:
        for row in latest(settings).rows:
            progress(row.run.drill)
            yield judge_again(DRILLS[row.run.drill], row.run, settings)

    return of_runs(judged())


def of_runs(runs: Iterable[Assessment]) -> Matrix:
    """Return the matrix of these runs, in the order of the catalogue."""
    by_drill = {run.run.drill: run for run in runs}
    rows = tuple(by_drill[name] for name in DRILLS if name in by_drill)
    return Matrix(machine=machine(), at_ns=clock.now_ns(), rows=rows)


def latest(settings: LabSettings) -> Matrix:
    """Return the matrix of the newest judged run of each drill in this lab."""
    return of_runs(sorted(_kept(settings), key=lambda kept: kept.run.injected_ns))


def unmet(runs: Sequence[Assessment]) -> list[str]:
    """Return what failed: a fault that was not present, an alert that did not fire."""
    problems = []
    for row in runs:
        drill: Drill = DRILLS[row.run.drill]
        if row.run.outcome is Outcome.FAILED:
            problems.append(f"{drill.name}: {row.run.proof}")
            continue
        times = [time for verdict in row.verdicts for time in verdict.alerts]
        fired = {time.name for time in times if time.firing_s is not None}
        problems += [
            f"{drill.name}: {name} did not fire" for name in drill.alerts if name not in fired
        ]
    return problems


def _kept(settings: LabSettings) -> Iterable[Assessment]:
    for path in DrillFiles(Paths.of(settings)).runs.glob("*.json"):
        found = history.kept(path)
        if found and found.run.drill in DRILLS:
            yield found
