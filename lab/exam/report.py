"""The debrief of an exam: what each observer held, what the player opened, and the score, with plots.

The HTML has no script and no further file, so it can be printed and kept. It has only the exam's own data.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lab.exam.doors import describe
from lab.exam.ending import Result
from lab.exam.experiment import Experiment
from lab.exam.log import ExamLog, Observed
from lab.exam.scoring import WEIGHTS
from lab.foundation.templates import render
from lab.foundation.timestamps import NS_PER_S, moment

# The plot, in SVG units: names on the left, seconds on the right.
LEFT, WIDTH, LINE, TOP = 170, 600, 24, 24
STEPS_S = (5, 10, 30, 60, 120, 300, 600, 1200)
MOST_TICKS = 8
OPENS = {
    "Prometheus metrics": "prometheus",
    "Prometheus alerts": "prometheus",
    "Datadog DBM": "datadog",
    "Datadog metrics": "datadog",
    "Datadog monitors": "datadog",
    "Datadog APM": "apm",
    "PostgreSQL log": "log",
}


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A mark in the timeline: a range when `width` is not 0."""

    x: float
    y: float
    width: float
    css: str
    says: str


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """The exam over time: a line for the faults, each observer, each door and the player."""

    height: int
    names: tuple[tuple[float, str], ...]
    ticks: tuple[tuple[float, int], ...]
    marks: tuple[Mark, ...]


def page(result: Result) -> str:
    """Return the report as one HTML document."""
    return render("lab.exam", "report.html", **values(result))


def experiment(found: Experiment) -> str:
    """Return the page of an experiment: the share solved by each selection of doors, with intervals."""
    answers = {(trial.template, trial.doors): trial for trial in found.trials}
    selections = list(dict.fromkeys(trial.doors for trial in found.trials))
    return render(
        "lab.exam", "experiment.html", found=found, answers=answers, selections=selections
    )


def values(result: Result) -> dict[str, Any]:
    """Return the values of the report's template; the console renders the same."""
    log = result.log
    return {
        "result": result,
        "log": log,
        "grade": result.grade,
        "score": "void" if result.grade.score is None else f"{result.grade.score:.0%}",
        "doors": describe(log.doors),
        "weights": WEIGHTS,
        "timeline": timeline(log),
        "shortest": shortest(log),
        "events": events(log),
        "began": moment(log.started_ns),
        "onsets": [moment(fault.onset_ns) for fault in log.faults],
        "seal_holds": log.seal is not None and log.seal.commitment == log.commitment,
    }


def shortest(log: ExamLog) -> tuple[Observed, ...]:
    """Return the earliest evidence of each fault behind an open door: the shortest path to it."""
    found: dict[str, Observed] = {}
    for each in log.observed:
        if each.after_s is None or OPENS.get(each.observer) not in log.doors:
            continue
        best = found.get(each.kind)
        if best is None or best.after_s is None or each.after_s < best.after_s:
            found[each.kind] = each
    return tuple(found.values())


def events(log: ExamLog) -> list[tuple[datetime, float, str]]:
    """Return everything that happened, in order: time, seconds on the clock, text."""
    clock_ns = log.clock_ns or log.started_ns
    found = [(log.started_ns, "the exam began")]
    found += [(fault.onset_ns, f"{fault.kind} was injected") for fault in log.faults]
    if log.clock_ns is not None:
        found.append((log.clock_ns, "proven in PostgreSQL; the clock started"))
    found += [
        (clock_ns + round(o.after_s * NS_PER_S), f"{o.observer} had its first evidence of {o.kind}")
        for o in log.observed
        if o.after_s is not None
    ]
    found += [(r.at_ns, f"opened {r.door}: {r.what} ({r.size:,} bytes)") for r in log.requests]
    found += [(at_ns, "a hint was given") for at_ns in log.hints]
    found.append((log.ended_ns, "answered" if log.answer else "ended without an answer"))
    ordered = sorted(found)
    return [(moment(at), round((at - clock_ns) / NS_PER_S, 1), text) for at, text in ordered]


def timeline(log: ExamLog) -> Timeline:
    """Return the positions of all elements of the plot; 0 is the start of the clock."""
    plot = _Plot(log)
    for fault in log.faults:
        plot.line(fault.kind)
        plot.mark(fault.onset_ns, "fault", f"{fault.kind} until the end", until_ns=log.ended_ns)
    for observer in dict.fromkeys(each.observer for each in log.observed):
        plot.line(observer)
        for each in log.observed:
            if each.observer == observer and each.after_s is not None:
                at_ns = plot.clock_ns + round(each.after_s * NS_PER_S)
                plot.mark(at_ns, "seen", f"{each.kind} after {each.after_s:.1f} s")
    for door in log.doors:
        plot.line(f"door {door}")
        for request in log.requests:
            if door in request.door.split("+"):
                plot.mark(request.at_ns, "opened", request.what)
    plot.line("answer")
    for at_ns in log.hints:
        plot.mark(at_ns, "hint", "a hint")
    plot.mark(log.ended_ns, "answer", "answered" if log.answer else "no answer")
    return plot.drawn()


class _Plot:
    """Collects the marks of the timeline, line by line."""

    def __init__(self, log: ExamLog) -> None:
        self.clock_ns = log.clock_ns or log.started_ns
        self._first = min(
            self.clock_ns, *(fault.onset_ns for fault in log.faults), log.ended_ns - 1
        )
        self._last = max(log.ended_ns, self.clock_ns + NS_PER_S)
        self._names: list[tuple[float, str]] = []
        self._marks: list[Mark] = []

    def line(self, name: str) -> None:
        """Begin a line; marks follow."""
        self._names.append((TOP + LINE * len(self._names) + LINE / 2, name))

    def mark(self, at_ns: int, css: str, says: str, *, until_ns: int | None = None) -> None:
        """Add a mark to the last line, a range with `until_ns`."""
        x = self._x(at_ns)
        width = 0.0 if until_ns is None else max(2.0, self._x(until_ns) - x)
        self._marks.append(Mark(x=x, y=self._names[-1][0], width=width, css=css, says=says))

    def drawn(self) -> Timeline:
        """Return the plot."""
        length_s = (self._last - self._first) / NS_PER_S
        step = next((step for step in STEPS_S if length_s / step <= MOST_TICKS), STEPS_S[-1])
        last_s = int((self._last - self.clock_ns) / NS_PER_S)
        seconds = range(0, last_s + 1, step)
        return Timeline(
            height=TOP + LINE * len(self._names) + 10,
            names=tuple(self._names),
            ticks=tuple((self._x(self.clock_ns + s * NS_PER_S), s) for s in seconds),
            marks=tuple(self._marks),
        )

    def _x(self, at_ns: int) -> float:
        inside = min(max(at_ns, self._first), self._last)
        return round(LEFT + WIDTH * (inside - self._first) / (self._last - self._first), 1)
