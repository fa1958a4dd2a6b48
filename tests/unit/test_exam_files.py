"""The files of an exam: answers, hints and results, damaged ones, and an exam whose process died."""

from pathlib import Path

import pytest

from lab.exam import closing, ending, session, starting
from lab.exam.doors import Door
from lab.exam.errors import ExamError
from lab.exam.form import Answer, Finding
from lab.exam.items import MAX_SEED, TEMPLATES
from lab.exam.place import Place, State
from lab.exam.scoring import grade
from lab.exam.starting import Options
from lab.foundation import clock, statefile
from lab.foundation.settings import LabSettings
from tests.exam_records import EXAM, begin
from tests.fix_reporter import RecordedReporter


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabSettings:
    monkeypatch.setenv("LAB_STATE_DIR", str(tmp_path))
    return LabSettings.load()


ANSWER = Answer(findings=(Finding(kind="burst"),))


def test_without_an_exam_there_is_nothing_to_answer_or_to_stop(settings: LabSettings) -> None:
    with pytest.raises(ExamError, match="No exam is running"):
        session.answer(settings, ANSWER, RecordedReporter())
    with pytest.raises(ExamError, match="No exam is running"):
        session.hint(settings)
    assert session.stop(settings, RecordedReporter()) is None
    assert session.results(settings) == []


def test_an_answer_before_the_clock_and_after_the_deadline_is_refused(
    settings: LabSettings,
) -> None:
    begin(settings, Door.LOG, state=State.PREPARING)
    with pytest.raises(ExamError, match="has not started"):
        session.answer(settings, ANSWER, RecordedReporter())
    place = begin(settings, Door.LOG, state=State.RUNNING, left_ns=-1)
    with pytest.raises(ExamError, match="the answer does not count"):
        session.answer(settings, ANSWER, RecordedReporter())
    begin(settings, Door.LOG, state=State.OVER)
    with pytest.raises(ExamError, match=f"{EXAM} is over"):
        session.answer(settings, ANSWER, RecordedReporter())
    assert not place.files(EXAM).answer.exists()


def test_ctrl_c_after_the_answer_keeps_it_and_names_its_result(
    settings: LabSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exam process heals and grades without the command."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    place = begin(settings, Door.LOG, state=State.RUNNING)
    monkeypatch.setattr(session, "await_state", interrupted)
    reporter = RecordedReporter()
    with pytest.raises(KeyboardInterrupt):
        session.answer(settings, ANSWER, reporter)
    assert ending.submitted(place.files(EXAM))
    assert reporter.ends == [f"heal continues without this command: ./creditlab exam report {EXAM}"]


def test_only_the_first_answer_counts(settings: LabSettings) -> None:
    place = begin(settings, Door.LOG, state=State.RUNNING)
    first = ending.Submitted(at_ns=clock.now_ns(), answer=ANSWER)
    statefile.write_json(place.files(EXAM).answer, first)
    with pytest.raises(ExamError, match="only the first counts"):
        session.answer(settings, ANSWER, RecordedReporter())
    assert ending.submitted(place.files(EXAM)) == first


def test_a_damaged_answer_is_no_answer(settings: LabSettings) -> None:
    place = begin(settings, Door.LOG, state=State.RUNNING)
    statefile.write(place.files(EXAM).answer, b'{"at_ns": 1, "answer": {"findings": [], ')
    assert ending.submitted(place.files(EXAM)) is None


def test_hints_are_counted_and_end(settings: LabSettings) -> None:
    place = begin(settings, Door.LOG, state=State.RUNNING)
    texts = [session.hint(settings).text for _ in session.HINTS]
    assert texts == list(session.HINTS)
    with pytest.raises(ExamError, match="All 3 hints"):
        session.hint(settings)
    record = place.current()
    assert record is not None
    log = ending.log_of(record, place.files(EXAM), ended_ns=1)
    assert len(log.hints) == 3


def test_a_second_exam_is_refused(settings: LabSettings) -> None:
    begin(settings, Door.LOG, state=State.RUNNING)
    with pytest.raises(ExamError, match=f"Exam {EXAM} is running"):
        starting.start(settings, Options(), RecordedReporter())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options(seed=-1), "--seed -1"),
        (Options(number=1000), "--item 1000"),
        (Options(number=len(TEMPLATES)), f"0 to {len(TEMPLATES) - 1} are expected"),
        (Options(number=-1), "--item -1"),
        (Options(minutes=120.5), "--minutes 120.5: 1 to 120 are expected"),
        (Options(minutes=0.5), "--minutes 0.5"),
        (Options(minutes=float("nan")), "--minutes nan"),
    ],
)
def test_options_out_of_range_are_refused(
    settings: LabSettings, options: Options, message: str
) -> None:
    with pytest.raises(ExamError, match=message):
        starting.start(settings, options, RecordedReporter())


@pytest.mark.parametrize(
    "options",
    [
        Options(minutes=1.0),
        Options(minutes=120.0),
        Options(number=0),
        Options(number=len(TEMPLATES) - 1),
        Options(seed=0),
        Options(seed=MAX_SEED),
    ],
)
def test_options_at_the_ends_of_their_range_are_accepted(
    settings: LabSettings, options: Options
) -> None:
    """What stops the start is the exam that runs."""
    begin(settings, Door.LOG, state=State.RUNNING)
    with pytest.raises(ExamError, match=f"Exam {EXAM} is running"):
        starting.start(settings, options, RecordedReporter())


def test_an_exam_whose_process_died_is_void_with_its_reason(settings: LabSettings) -> None:
    place = begin(settings, Door.LOG, state=State.RUNNING, alive=False)
    assert session.current(settings) is None
    record = place.current()
    assert record is not None
    assert record.state is State.OVER
    assert "killed" in record.says
    [result] = session.results(settings)
    assert result.grade.score is None
    assert result.grade == grade(result.log)


def test_a_stop_returns_the_result_when_the_exam_is_over(
    settings: LabSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = begin(settings, Door.LOG, state=State.RUNNING)
    record = place.current()
    assert record is not None
    request_stop = session.request_stop

    def ended(found: LabSettings) -> None:
        request_stop(found)
        log = ending.log_of(record, place.files(EXAM), ended_ns=clock.now_ns())
        ending.keep(place, record, log, "ok")

    monkeypatch.setattr(session, "request_stop", ended)
    reporter = RecordedReporter()
    result = session.stop(settings, reporter)
    assert result is not None
    assert (result.verified, result.grade.says) == ("ok", "no answer")
    assert reporter.ends == ["heal the lab is restored"]
    assert place.files(EXAM).stop.exists()


@pytest.mark.parametrize("state", [None, State.OVER])
def test_down_ends_no_exam_that_does_not_run(settings: LabSettings, state: State | None) -> None:
    if state is not None:
        begin(settings, Door.LOG, state=state)
    reporter = RecordedReporter()
    closing.stop_before_down(settings, reporter)
    assert reporter.ends == []
    assert not Place(settings).files(EXAM).stop.exists()


def test_an_unknown_exam_and_a_damaged_result_are_reported(settings: LabSettings) -> None:
    place = Place(settings)
    with pytest.raises(ExamError, match="no result of exam"):
        ending.read(place, EXAM)
    statefile.write(place.files(EXAM).result, b"{")
    with pytest.raises(ExamError, match="damaged"):
        ending.read(place, EXAM)
