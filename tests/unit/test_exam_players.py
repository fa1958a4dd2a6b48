"""An experiment whose player is a command: its doors, its end, a time-out; a scripted player's readings."""

import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lab.exam import ablation, session, starting
from lab.exam.ablation import Design
from lab.exam.doors import Door
from lab.exam.ending import Result
from lab.exam.errors import VoidError
from lab.exam.evidence import Table
from lab.exam.experiment import Trial
from lab.exam.items import TEMPLATES
from lab.exam.place import Record
from lab.exam.scoring import grade
from lab.exam.starting import Options
from lab.foundation import clock
from lab.foundation.errors import LabError
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import NS_PER_S
from tests.exam_logs import unanswered
from tests.exam_records import EXAM, begin
from tests.fix_reporter import RecordedReporter

SELECTIONS = ((Door.LOG,), (Door.APM, Door.LOG))
Trials = Callable[..., list[Trial]]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabSettings:
    monkeypatch.setenv("LAB_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr(ablation, "FORGOTTEN_S", 0.0)
    return LabSettings.load()


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Options]:
    """The options of each exam, which begins at once and ends without an answer."""
    found: list[Options] = []

    def start(settings: LabSettings, options: Options, _: object) -> Record:
        found.append(options)
        record = begin(settings, *options.doors).current()
        assert record
        return record

    log = unanswered(0)
    monkeypatch.setattr(starting, "start", start)
    monkeypatch.setattr(
        session, "stop", lambda *_: Result(log=log, grade=grade(log), verified="ok")
    )
    return found


def test_a_command_takes_one_exam_for_each_item_and_selection(
    settings: LabSettings, started: list[Options], tmp_path: Path
) -> None:
    """It gets the doors and the exam in its environment, and neither input nor the terminal."""
    file = tmp_path / "seen"
    program = (
        f"import os, sys; open({str(file)!r}, 'a').write("
        "os.environ['EXAM_DOORS'] + ' ' + os.environ['EXAM'] + repr(sys.stdin.read()) + '\\n'); sys.exit(3)"
    )
    reporter = RecordedReporter()
    design = Design(
        items=(0, 1), seed=7, player=shlex.join([sys.executable, "-c", program]), selections=SELECTIONS,
        minutes=2.0,
    )  # fmt: skip
    trials = list(ablation.run(design, settings, reporter))
    assert [(one.seed, one.number, one.doors, one.minutes) for one in started] == [
        (7, number, doors, 2.0) for doors in SELECTIONS for number in (0, 1)
    ]
    assert file.read_text() == f"log {EXAM}''\n" * 2 + f"apm,log {EXAM}''\n" * 2
    assert [(trial.item, trial.template) for trial in trials] == [
        (number, TEMPLATES[number].name) for number in (0, 1, 0, 1)
    ]
    assert reporter.ends.count("player ended with status 3") == 4


@pytest.mark.parametrize(
    ("command", "minutes", "reported"),
    [
        ([sys.executable, "-c", "import threading; threading.Event().wait()"], 0.01,
         r"timed out after 0\.[56]"),
        (["./no-such-program"], 1.0, r"No such file"),
    ],
)  # fmt: skip
def test_a_player_that_does_not_end_or_start_costs_its_exam(
    settings: LabSettings, started: list[Options], command: list[str], minutes: float, reported: str
) -> None:
    reporter = RecordedReporter()
    design = Design(
        items=(0,), seed=7, player=shlex.join(command), selections=SELECTIONS[:1], minutes=minutes
    )
    [trial] = ablation.run(design, settings, reporter)
    assert (trial.score, trial.solved, len(started)) == (0.0, False, 1)
    assert [end for end in reporter.ends if re.search(reported, end)]


def test_an_exam_begins_when_the_last_fault_is_forgotten(
    settings: LabSettings, started: list[Options], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one begins at once."""
    monkeypatch.setattr(ablation, "FORGOTTEN_S", 0.2)
    begun_ns: list[int] = []
    start = starting.start

    def timed(settings: LabSettings, options: Options, reporter: object) -> Record:
        begun_ns.append(clock.now_ns())
        return start(settings, options, reporter)  # type: ignore[arg-type]

    monkeypatch.setattr(starting, "start", timed)
    reporter = RecordedReporter()
    design = Design(items=(0, 1), seed=7, player="true", selections=SELECTIONS[:1])
    assert len(list(ablation.run(design, settings, reporter))) == len(started) == 2
    assert begun_ns[1] - begun_ns[0] >= 200_000_000


def test_an_exam_that_never_began_is_a_void_trial(
    settings: LabSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(*_: object) -> Record:
        raise VoidError("Exam a is void: no proof.\nStart another.")

    monkeypatch.setattr(starting, "start", start)
    design = Design(items=(0,), seed=7, player="true", selections=SELECTIONS[1:])
    [trial] = ablation.run(design, settings, RecordedReporter())
    assert (trial.score, trial.void, trial.doors) == (
        None,
        "Exam a is void: no proof.",
        ("apm", "log"),
    )


def test_a_scripted_player_reads_every_observer_at_its_moments(
    settings: LabSettings, started: list[Options], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the start of the clock on; an observer that does not answer has no rows."""
    row = Table(title="t", columns=("pid",), rows=((4711,),))

    def tables(door: Door, _: LabSettings) -> tuple[Table, ...]:
        if door is Door.PROMETHEUS:
            raise LabError("it does not answer")
        return (row,)

    monkeypatch.setattr(ablation, "tables", tables)
    now_ns = clock.now_ns()
    found = ablation._read(settings, now_ns, 0.05, RecordedReporter())
    assert found.at_ns >= now_ns + NS_PER_S // 20
    assert found.tables == {
        Door.PROMETHEUS: (), Door.DATADOG: (row,), Door.APM: (row,), Door.LOG: (row,)
    }  # fmt: skip
    request = ablation._request(Door.DATADOG, [row, replace(row, title="u", rows=())], 10)
    assert (request.at_ns, request.door, request.what) == (9, "datadog", "t")
    assert (request.shown, request.size) == (("sample:4711",), len('[[{"pid":4711}],[]]'))
    assert started == []


def test_a_design_is_scripted_with_a_player_of_the_lab() -> None:
    design = Design(items=(), seed=1, player="scripted", selections=())
    assert design.is_scripted
    assert replace(design, player="oracle").is_scripted
    assert not replace(design, player="true").is_scripted
    assert design.minutes == ablation.MINUTES
