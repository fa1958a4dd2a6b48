"""An observer without a signal for a fault, by design, is "not covered" in every report, never "missed"."""

from rich.console import Console, RenderableType

from lab.cli.views import drills as view
from lab.drills import coverage, matrix, report
from lab.drills.assessment import Assessment
from lab.drills.catalogue import DRILLS
from lab.drills.runner import Run
from lab.judge.evidence import Observer
from lab.judge.readings import Seen
from lab.judge.verdicts import Verdict

# No alert, no monitor, and no signal of the log: docs/drills.md.
DRILL = DRILLS["burst"]
COVERED = Verdict(observer=Observer.DBM, seen=Seen.MISSED)
NOT_COVERED = Verdict(observer=Observer.ALERTS, seen=Seen.MISSED)


def run() -> Assessment:
    """A run in which every observer showed nothing."""
    return Assessment(
        run=Run(run="r", drill=DRILL.name, injected_ns=0, proven_ns=1, healed_ns=2, proof="p", held=True,
                intensity=1.0, pids=()),
        verdicts=tuple(Verdict(observer=observer, seen=Seen.MISSED) for observer in Observer),
        other_alerts=(),
    )  # fmt: skip


def text(shown: RenderableType, width: int = 80) -> str:
    """What a terminal of this width shows."""
    console = Console(width=width, record=True, force_terminal=False)
    with console.capture() as captured:
        console.print(shown)
    return captured.get()


def test_only_an_observer_with_a_signal_can_miss_a_fault() -> None:
    assert coverage.result(DRILL, COVERED) == "missed"
    assert coverage.result(DRILL, NOT_COVERED) == "not covered"
    seen = Verdict(observer=Observer.ALERTS, seen=Seen.SEEN)
    assert coverage.result(DRILL, seen) == "seen"
    assert coverage.result(None, NOT_COVERED) == "missed"
    assert coverage.seen(DRILL, [COVERED, NOT_COVERED, seen]) == "1 of 2"


def test_the_terminal_and_the_reports_tell_them_apart() -> None:
    """One line for each observer, the matrix, Markdown and HTML."""
    covered = [observer for observer in Observer if coverage.is_covered(DRILL, observer)]
    absent = len(Observer) - len(covered)
    assert covered
    assert absent
    lines = text(view.verdicts(run()))
    assert lines.count("○ missed") == len(covered)
    assert lines.count("· not covered") == absent
    found = matrix.of_runs([run()])
    [row] = [
        line for line in text(view.matrix(found)).splitlines() if line.strip().startswith("burst")
    ]
    assert (row.count("○"), row.count("·")) == (len(covered), absent)
    cells = report.markdown(found).splitlines()[-1]
    assert (cells.count(" missed "), cells.count(" not covered ")) == (len(covered), absent)
    page = report.html(found)
    assert f"{len(covered)} missed, {absent} not covered by design" in page
    assert page.count('<td class="not covered">') == absent
