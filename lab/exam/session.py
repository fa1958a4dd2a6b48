"""Starts an exam, submits its answer, gives hints and stops it: for commands, pages and MCP tools."""

import os
import secrets
import subprocess
import sys
from dataclasses import dataclass

import msgspec

from lab.drills.running import DrillFiles as Drills
from lab.exam import abandoned, ending
from lab.exam.doors import Door
from lab.exam.ending import Hint, Result, Submitted
from lab.exam.errors import ExamError, VoidError
from lab.exam.form import Answer
from lab.exam.items import MAX_SEED, TEMPLATES, draw
from lab.exam.order import Order
from lab.exam.place import Place, Record, State
from lab.foundation import clock, statefile
from lab.foundation.paths import Paths
from lab.foundation.readiness import NotReadyError, await_state
from lab.foundation.reporter import Reporter
from lab.foundation.settings import ROOT, LabSettings
from lab.foundation.timestamps import NS_PER_S
from lab.stack import probes

MINUTES = (1.0, 120.0)
PREPARED_WITHIN_S = 300.0
ENDS_WITHIN_S = 240.0
HINTS = (
    "Compare statements, sessions and services of the last minute with those before: which name is new?",
    "Read what waits, what is called most, and what takes most time; the loudest symptom may be an effect.",
    "Check whether every source of data is complete, and whether anything is wrong at all.",
)


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to start an exam: seed and template None are chosen at random, and stay secret until the end."""

    seed: int | None = None
    number: int | None = None
    doors: tuple[Door, ...] = tuple(Door)
    minutes: float = 15.0


def start(settings: LabSettings, options: Options, reporter: Reporter) -> Record:
    """Start an exam, and return its record when the clock runs.

    Raises:
        ExamError: when an exam or a drill is running, the lab is down, or an option is out of range.
        VoidError: when a fault was not proven, or the exam was stopped before.
    """
    exam, process = launch(settings, options)
    place = Place(settings)
    reporter.begin("exam", exam)
    try:
        await_state(
            "the exam is prepared",
            lambda: _unprepared(place, exam, process),
            within_s=PREPARED_WITHIN_S,
            watch=reporter.wait,
        )
    except KeyboardInterrupt:
        statefile.write(place.files(exam).stop, b"{}")
        raise
    record = place.current()
    assert record is not None
    if record.state is State.OVER:
        raise VoidError(f"Exam {exam} is void: {record.says}.\nThe lab is restored. Start another.")
    reporter.done("exam", f"{exam}: the clock runs")
    return record


def begin(settings: LabSettings, options: Options) -> Record:
    """Start an exam, and return its record without waiting for the clock.

    Raises:
        ExamError: as `start`.
    """
    exam, process = launch(settings, options)
    place = Place(settings)

    def unrecorded() -> str | None:
        record = _record(place, exam, process)
        return None if record else "the exam process starts"

    await_state("the exam has begun", unrecorded, within_s=PREPARED_WITHIN_S)
    record = place.current()
    assert record is not None
    return record


def launch(settings: LabSettings, options: Options) -> "tuple[str, subprocess.Popen[bytes]]":
    """Start the exam process, and return the exam's name and its guardian without waiting.

    Raises:
        ExamError: as `start`.
    """
    _check(options)
    _require_free(settings)
    exam = secrets.token_hex(6)
    seed = secrets.randbelow(MAX_SEED) if options.seed is None else options.seed
    order = Order(
        exam=exam,
        seed=seed,
        number=options.number,
        doors=tuple(door.value for door in options.doors),
        minutes=float(options.minutes),
    )
    return exam, _spawn(order)


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


def _check(options: Options) -> None:
    if not MINUTES[0] <= options.minutes <= MINUTES[1]:
        raise ExamError(f"--minutes {options.minutes:g}: 1 to 120 are expected.")
    if options.seed is not None:
        draw(options.seed)
    if options.number is not None and not 0 <= options.number < len(TEMPLATES):
        raise ExamError(f"--item {options.number}: 0 to {len(TEMPLATES) - 1} are expected.")


def _require_free(settings: LabSettings) -> None:
    if (record := current(settings)) is not None:
        raise ExamError(
            f"Exam {record.exam} is running.\n"
            "Answer it (./creditlab exam answer), or end it (./creditlab exam stop)."
        )
    if (drill := Drills(Paths.of(settings)).read()) is not None:
        raise ExamError(f"The drill {drill.drill} is running.\nEnd it: ./creditlab drill stop")
    if (seen := probes.query(settings)) is not None:
        raise ExamError(f"An exam needs a running lab. Start it: ./creditlab up\n{seen}")


def _spawn(order: Order) -> "subprocess.Popen[bytes]":
    """Start the guardian, detached from this terminal; the order is not on a command line."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "lab.exam"],
        cwd=ROOT,
        env=dict(os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(order) + b"\n")
    process.stdin.close()
    return process


def _record(place: Place, exam: str, process: "subprocess.Popen[bytes]") -> Record | None:
    """Return the record of an exam that was launched; None before the exam process has written it."""
    record = place.current()
    if record is not None and record.exam == exam:
        return record
    if process.poll() is not None:
        raise ExamError(
            "The exam process ended before it began; see `./creditlab status`.\n"
            "A drill may hold the lock: ./creditlab drill stop"
        )
    return None


def _unprepared(place: Place, exam: str, process: "subprocess.Popen[bytes]") -> str | None:
    record = _record(place, exam, process)
    if record is None:
        return "the exam process starts"
    return None if record.state in {State.RUNNING, State.OVER} else "the lab is being observed"


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
