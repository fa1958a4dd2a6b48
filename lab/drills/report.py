"""The blind-spot matrix as one HTML file, with its plot as SVG: no script and no further file."""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.drills.catalogue import DRILLS
from lab.drills.coverage import NOT_COVERED, result
from lab.foundation.templates import render
from lab.foundation.timestamps import moment
from lab.judge.evidence import TITLES, Observer
from lab.judge.readings import Seen
from lab.judge.verdicts import LEGEND, LETTERS, Verdict

if TYPE_CHECKING:
    from lab.drills.matrix import Matrix

# The plot, in SVG units: names on the left, seconds on the right.
LEFT, WIDTH, LINE, TOP = 190, 560, 26, 30
COLOURS = {
    Observer.METRICS: "#e6522c",
    Observer.ALERTS: "#8c2f14",
    Observer.DBM: "#632ca6",
    Observer.APM: "#a86bd8",
    Observer.CHECK: "#c24a93",
    Observer.MONITORS: "#7a2e5c",
    Observer.LOG: "#336791",
}


@dataclass(frozen=True, kw_only=True)
class Dot:
    """One first evidence in the plot."""

    x: float
    y: float
    colour: str
    says: str


@dataclass(frozen=True, kw_only=True)
class Plot:
    """Seconds from proof to first evidence: a line for each drill, a dot for each observer that saw it."""

    height: int
    names: tuple[tuple[float, str], ...]
    ticks: tuple[tuple[float, int], ...]
    dots: tuple[Dot, ...]


def html(matrix: "Matrix") -> str:
    """Return the report."""
    return render(
        "lab.drills",
        "report.html",
        matrix=matrix,
        drills=DRILLS,
        titles=TITLES,
        colours=COLOURS,
        legend=LEGEND,
        letters=letters,
        plot=plot(matrix),
        at=f"{moment(matrix.at_ns):%Y-%m-%d %H:%M} UTC",
        counts=_counts(matrix),
        result=result,
    )


def _counts(matrix: "Matrix") -> Counter[str]:
    """Return the number of verdicts by result; also of those that no run has."""
    shown = (
        result(DRILLS.get(row.run.drill), each) for row in matrix.rows for each in row.verdicts
    )
    return Counter({**dict.fromkeys((*Seen, NOT_COVERED), 0), **Counter(shown)})


def markdown(matrix: "Matrix") -> str:
    """Return the matrix as a Markdown table, for a page such as docs/blind-spots.md."""
    head = ["drill", *TITLES.values()]
    rows = (
        [f"`{row.run.drill}`", *(_cell(row.run.drill, row.of(observer)) for observer in TITLES)]
        for row in matrix.rows
    )
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cell(drill: str, verdict: Verdict | None) -> str:
    if verdict is None:
        return "-"
    if verdict.after_s is None:
        return result(DRILLS.get(drill), verdict)
    return f"**{verdict.after_s:.0f} s** {letters(verdict)}".strip()


def letters(verdict: Verdict) -> str:
    """Return the depths beyond detection, a letter each."""
    return "".join(LETTERS[depth] for depth in verdict.depths if depth in LETTERS)


def plot(matrix: "Matrix") -> Plot:
    """Return the positions of all elements of the plot."""
    times = [v.after_s for row in matrix.rows for v in row.verdicts if v.after_s is not None]
    last = max(10, -(-int(max(times, default=0) + 1) // 10) * 10)
    names, dots = [], []
    for number, row in enumerate(matrix.rows):
        y = TOP + LINE * number + LINE / 2
        names.append((y, row.run.drill))
        for place, verdict in enumerate(map(row.of, TITLES)):
            if verdict is not None and verdict.after_s is not None:
                title = TITLES[verdict.observer]
                dots.append(
                    Dot(
                        x=LEFT + WIDTH * verdict.after_s / last,
                        # Side by side where they coincide, in the order of the legend.
                        y=y + (place - len(TITLES) // 2) * 3,
                        colour=COLOURS[verdict.observer],
                        says=f"{row.run.drill}: {title} after {verdict.after_s:.1f} s",
                    )
                )
    ticks = tuple((LEFT + WIDTH * second / last, second) for second in range(0, last + 1, 10))
    return Plot(
        height=TOP + LINE * len(matrix.rows) + 10,
        names=tuple(names),
        ticks=ticks,
        dots=tuple(dots),
    )
