"""Exercises: each drill as a lesson, generated from the drill's definition and the prose of exercises.toml.

The symptom comes first. The hints go from where to look to what fires; the answer is the last part.
"""

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from lab.drills.catalogue import DRILLS, find
from lab.drills.coverage import is_covered
from lab.foundation.errors import LabError
from lab.foundation.templates import render
from lab.judge.evidence import TITLES, Observer

if TYPE_CHECKING:
    from lab.drills.drill import Drill

PROSE = Path(__file__).with_name("exercises.toml")
# Where a person finds the data of each observer.
PLACES = {
    Observer.METRICS: "Grafana, dashboards Overview, Sessions, Queries and Tables; console, /prometheus",
    Observer.ALERTS: "Grafana, Alerting; console, /prometheus?expr=ALERTS",
    Observer.DBM: "Datadog, Databases: the host's Active Connections, Query Metrics, Samples and Explain"
    " Plans; console, /sessions, /queries and the overview",
    Observer.APM: "Datadog, APM: Traces, with the SQL Queries of a trace; console, /traces",
    Observer.CHECK: "Datadog, Metrics Explorer: postgresql.*; the dashboard Credit Lab",
    Observer.MONITORS: "Datadog, Monitors: tag service:credit-lab",
    Observer.LOG: "`./creditlab logs postgres`; console, incidents on the overview",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Exercise:
    """One lesson; `number` and `symptom` do not name the fault.

    Attributes:
        places: where to look, by observer that has a signal.
        hints: from the least to the most that they reveal.
        answer: the fault, its cause, and what each observer should show.
        next: what to try afterwards.
        runbook: the alert whose runbook has the remedy.
        command: starts the fault.
    """

    number: int
    drill: str
    symptom: str
    places: tuple[tuple[str, str], ...]
    hints: tuple[str, ...]
    answer: tuple[str, ...]
    next: str
    runbook: str
    command: str


@cache
def exercises() -> tuple[Exercise, ...]:
    """Return all exercises, in the order of the catalogue."""
    prose = tomllib.loads(PROSE.read_text(encoding="utf-8"))
    return tuple(
        _exercise(number, drill, prose[drill.name])
        for number, drill in enumerate(DRILLS.values(), 1)
    )


def exercise(key: str) -> Exercise:
    """Return an exercise by its number, or by the name of its drill.

    Raises:
        LabError: when there is none.
    """
    if key.isdecimal() and len(key) <= 3:  # noqa: PLR2004
        found = next((each for each in exercises() if each.number == int(key)), None)
        if found is None:
            raise LabError(f"There is no exercise {key}: they have the numbers 1 to {len(DRILLS)}.")
        return found
    drill = find(key)
    return next(each for each in exercises() if each.drill == drill.name)


def booklet(found: Sequence[Exercise]) -> str:
    """Return exercises as one HTML page for a class: symptoms and hints first, answers at the end."""
    return render("lab.learn", "booklet.html", exercises=found)


def _exercise(number: int, drill: "Drill", prose: dict[str, str]) -> Exercise:
    covered = [observer for observer in TITLES if is_covered(drill, observer)]
    cause = ", ".join(sorted(drill.statements) + sorted(drill.services)) or "a component"
    return Exercise(
        number=number,
        drill=drill.name,
        symptom=prose["symptom"],
        places=tuple((TITLES[observer], PLACES[observer]) for observer in covered),
        hints=tuple(_hints(drill, covered)),
        answer=(
            f"{drill.title[:1].upper()}{drill.title[1:]}.",
            f"Cause: {cause}.",
            drill.hypothesis,
        ),
        next=prose["next"],
        runbook=drill.runbook,
        command=f"./creditlab drill run {drill.name}",
    )


def _hints(drill: "Drill", covered: Sequence[Observer]) -> Iterator[str]:
    absent = [TITLES[observer] for observer in TITLES if observer not in covered]
    if absent:
        yield f"No signal is expected from: {', '.join(absent)}."
    for observer in covered:
        says = [signal.says for signal in drill.signals if signal.observer is observer]
        if says:
            yield f"{TITLES[observer]}: compare with the minute before: {'; '.join(says)}."
    if drill.alerts:
        yield f"Alerts that fire: {', '.join(drill.alerts)}."
