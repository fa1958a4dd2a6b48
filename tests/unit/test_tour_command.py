"""The tour and the decision sheet in a terminal, without a lab."""

import io
import sys

import pytest
import typer
from rich.console import Console

from lab.cli import sheet, tour
from lab.foundation.settings import LabSettings
from lab.judge.verdicts import Depth
from lab.learn.sheet import Sheet, StackSummary
from lab.learn.tour import Language, Step


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What the tour prints."""
    text = io.StringIO()
    monkeypatch.setattr(tour, "out", Console(file=text, width=60, highlight=False))
    return text


def test_the_sheet_has_a_column_for_each_stack() -> None:
    """A hyphen where nothing was measured."""
    known = StackSummary(
        name="A", judged=9, detected=7, unknown=1, median_s=12.0, slowest_s=30.0,
        depths=dict.fromkeys(Depth, 3), only=("x", "y"), ms_per_s=1.5, sessions=2,
    )  # fmt: skip
    other = StackSummary(
        name="B", judged=9, detected=5, unknown=0, median_s=None, slowest_s=None,
        depths=dict.fromkeys(Depth, 0), only=(), ms_per_s=None, sessions=None,
    )  # fmt: skip
    made = Sheet(
        machine="m", at_ns=0, datadog="", drills=10, known=20, stacks=(known, other),
        missed_by_all=(), application_ms_per_s=None,
    )  # fmt: skip
    text = io.StringIO()
    Console(file=text, width=60).print(sheet._table(made))
    assert [" ".join(line.split()) for line in text.getvalue().splitlines()] == [
        "A B",
        "detected, of those judged 7 of 9 5 of 9",
        "unknown 1 0",
        "median time to detect 12.0 s -",
        "named the statement 3 0",
        "named the culprit 3 0",
        "showed the plan 3 0",
        "linked to the trace 3 0",
        "detected by no other 2 0",
        "time in PostgreSQL 1.50 ms/s -",
        "connections 2 -",
    ]


@pytest.fixture
def stepped(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A tour of five steps in a lab that answers; the commands that it runs, the third of which fails."""
    ran: list[str] = []
    every = [
        Step(name=str(n), title=f"Step {n}", why="Why.", look="Look.", page=f"/{n}", commands=(f"c {n}",))
        for n in range(1, 6)
    ]  # fmt: skip

    def run(text: str) -> int:
        ran.append(text)
        return int(text == "c 3")

    monkeypatch.setattr(tour, "steps", lambda *_, **__: every)
    monkeypatch.setattr(tour, "_run", run)
    monkeypatch.setattr(tour, "_require_traces", lambda: None)
    monkeypatch.setattr(tour, "running_settings", lambda _: LabSettings(_env_file=None))
    return ran


def test_a_tour_runs_every_step_and_fails_when_a_command_does(
    stepped: list[str], printed: io.StringIO
) -> None:
    with pytest.raises(typer.Exit) as ended:
        tour.tour(language=Language.EN)
    assert ended.value.exit_code == 1
    assert stepped == ["c 1", "c 2", "c 3", "c 4", "c 5"]
    shown = printed.getvalue()
    assert "2/5 Step 2" in shown
    assert "What to observe: Look." in shown
    assert "http://127.0.0.1:8088/5" in shown
    assert shown.count("End of the tour") == 1


def test_one_step_of_a_tour(stepped: list[str], printed: io.StringIO) -> None:
    tour.tour(language=Language.PT, step=2)
    assert stepped == ["c 2"]
    assert "2/5 Step 2" in printed.getvalue()
    assert "Fim do tour" in printed.getvalue()


@pytest.mark.parametrize(
    ("answers", "yes", "runs"), [(["", "q"], False, 1), ([" Quit "], False, 0), ([], True, 2)]
)
def test_in_a_terminal_a_tour_waits_until_q_ends_it(
    stepped: list[str], printed: io.StringIO, monkeypatch: pytest.MonkeyPatch, answers: list[str],
    *, yes: bool, runs: int,
) -> None:  # fmt: skip
    """With --yes it does not wait."""
    given = iter(answers)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("lab.cli.tour.out.input", lambda _: next(given))
    monkeypatch.setattr(tour, "steps", lambda *_, **__: [
        Step(name="n", title="t", why="w", look="l", page="/", commands=("c 1",))] * 2)  # fmt: skip
    tour.tour(language=Language.EN, yes=yes)
    assert len(stepped) == runs
    assert ("End of the tour" in printed.getvalue()) is yes
