"""A running exam: submits its answer, gives hints and stops it, for commands, pages and MCP tools."""

import msgspec

from lab.exam import abandoned, ending
from lab.exam.ending import Hint, Result, Submitted
from lab.exam.errors import ExamError
from lab.exam.form import Answer
from lab.exam.place import Place, Record, State
from lab.foundation import clock, statefile
from lab.foundation.readiness import NotReadyError, await_state
from lab.foundation.reporter import Reporter
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import NS_PER_S

ENDS_WITHIN_S = 240.0
HINTS = (
    "Compare statements, sessions and services of the last minute with those before: which name is new?",
    "Read what waits, what is called most, and what takes most time; the loudest symptom may be an effect.",
    "Check whether every source of data is complete, and whether anything is wrong at all.",
)


def current(settings: LabSettings) -> Record | None:
    """Return the record of the running exam, None when there is none; a dead one is healed first."""
    place = Place(settings)
    abandoned.recover(settings, place)
    record = place.current()
    return record if record and record.is_open else None


def answer(settings: LabSettings, given: Answer, reporter: Reporter) -> Result:
    """Submit the answer, and return the result after the heal.

    Raises:
        ExamError: when no clock runs, the deadline has passed, or an answer was submitted.
    """
    current(settings)
    record = submit(settings, given)
    return _await_result(settings, Place(settings), record, reporter)


def submit(settings: LabSettings, given: Answer) -> Record:
    """Submit the answer, and return the record of its exam without waiting for the result.

    Raises:
        ExamError: as `answer`.
    """
    place = Place(settings)
    with ending.form_locked(place):
        record = _running(place)
        files = place.files(record.exam)
        now_ns = clock.now_ns()
        if record.state is not State.RUNNING or now_ns > (record.deadline_ns or 0):
            raise ExamError(
                f"The time of exam {record.exam} is over: the answer does not count.\n"
                f"Its result: ./creditlab exam report {record.exam}"
            )
        if files.answer.exists():
            raise ExamError(f"Exam {record.exam} has an answer already; only the first counts.")
        statefile.write_json(files.answer, Submitted(at_ns=now_ns, answer=given))
    return record


def hint(settings: LabSettings) -> Hint:
    """Return the next hint; each one costs a tenth of the score.

    Raises:
        ExamError: when no clock runs, or no hint is left.
    """
    place = Place(settings)
    with ending.form_locked(place):
        files = place.files(_running(place).exam)
        given = len(ending.hints(files))
        if given == len(HINTS):
            raise ExamError(f"All {given} hints of this exam were given.")
        found = Hint(at_ns=clock.now_ns(), text=HINTS[given])
        statefile.append(files.hints, msgspec.json.encode(found))
    return found


def stop(settings: LabSettings, reporter: Reporter) -> Result | None:
    """End the running exam without an answer, and return its result; None when none was running."""
    place = Place(settings)
    if (healed := abandoned.recover(settings, place)) is not None:
        return ending.read(place, healed.exam)
    record = place.current()
    if record is None or not record.is_open:
        return None
    request_stop(settings)
    return _await_result(settings, place, record, reporter)


def request_stop(settings: LabSettings) -> None:
    """Ask the exam process to end the running exam; it has a result soon."""
    place = Place(settings)
    record = place.current()
    if record is not None and record.is_open:
        statefile.write(place.files(record.exam).stop, b"{}")


def result(settings: LabSettings, exam: str) -> Result:
    """Return the result of an exam that is over.

    Raises:
        ExamError: when there is none.
    """
    return ending.read(Place(settings), exam)


def results(settings: LabSettings) -> list[Result]:
    """Return the results of all exams, newest first."""
    place = Place(settings)
    return [ending.read(place, exam) for exam in place.exams()]


def _running(place: Place) -> Record:
    last = place.current()
    record = last if last is not None and last.is_open else None
    if record is None:
        raise ExamError(
            f"No exam is running; {last.exam} is over.\nIts result: ./creditlab exam report {last.exam}"
            if last
            else "No exam is running.\nStart one: ./creditlab exam start"
        )
    if record.state is State.PREPARING:
        raise ExamError(f"The clock of exam {record.exam} has not started.\nWait for it.")
    return record


def _await_result(
    settings: LabSettings, place: Place, record: Record, reporter: Reporter
) -> Result:
    reporter.begin("heal", "the lab is restored and verified")

    def unfinished() -> str | None:
        abandoned.recover(settings, place)
        now = place.current()
        done = now is None or now.exam != record.exam or not now.is_open
        return None if done else f"exam {record.exam} is {now.state.value if now else 'over'}"

    try:
        await_state(
            "the exam has a result", unfinished, within_s=ENDS_WITHIN_S, watch=reporter.wait
        )
    except KeyboardInterrupt:
        reporter.done(
            "heal", f"continues without this command: ./creditlab exam report {record.exam}"
        )
        raise
    except NotReadyError as error:
        raise ExamError(f"{error}\nLater: ./creditlab exam report {record.exam}") from error
    reporter.done("heal", "the lab is restored")
    return ending.read(place, record.exam)


def seconds_left(record: Record) -> float:
    """Return the seconds until the deadline, 0 when it has passed or the clock has not started."""
    return max(0.0, ((record.deadline_ns or 0) - clock.now_ns()) / NS_PER_S)
