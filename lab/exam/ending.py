"""The end of an exam: its log from the files, and the grade."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from lab.exam import form, requests
from lab.exam.errors import ExamError
from lab.exam.form import Answer
from lab.exam.log import ExamLog
from lab.exam.place import Files, Place, Record, State
from lab.exam.scoring import Grade, grade
from lab.foundation import statefile
from lab.foundation.errors import LabError
from lab.foundation.lock import LockedError
from lab.foundation.readiness import await_state
from lab.foundation.statefile import DamagedError

FORM_WITHIN_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Submitted:
    """An answer with the time of its submission, in nanoseconds since 1970."""

    at_ns: int
    answer: Answer


@dataclass(frozen=True, kw_only=True)
class Hint:
    """A hint that was given: its time and text."""

    at_ns: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Result:
    """A finished exam and its grade; `verified` is what verify found after the heal."""

    log: ExamLog
    grade: Grade
    verified: str

    def to_json(self) -> dict[str, Any]:
        """`{"log": {...}, "grade": {"score", ...}, "verified"}`."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found


@contextmanager
def form_locked(place: Place) -> Iterator[None]:
    """Hold the lock of the answer form: an answer and the deadline exclude each other.

    Raises:
        NotReadyError: when another process holds it for ten seconds.
    """
    with ExitStack() as held:

        def taken() -> str | None:
            try:
                held.enter_context(place.locked("form"))
            except LockedError as error:
                return str(error)
            return None

        await_state("the answer form is free", taken, within_s=FORM_WITHIN_S)
        yield


def submitted(files: Files) -> Submitted | None:
    """Return the submitted answer; None when there is none, or its file is damaged."""
    try:
        found = statefile.read(files.answer, Submitted)
        if found is not None:
            form.checked(found.answer)
    except LabError:
        return None
    return found


def hints(files: Files) -> tuple[Hint, ...]:
    """Return the hints that were given, in order of time."""
    content = statefile.read_bytes(files.hints) or b""
    found = (msgspec.json.decode(line, type=Hint) for line in content.splitlines() if line)
    return tuple(sorted(found, key=lambda hint: hint.at_ns))


def add_hints(files: Files, found: Sequence[Hint]) -> None:
    """Add the hints that another process gave, and that the file has not."""
    known = set(hints(files))
    for hint in found:
        if hint not in known:
            statefile.append(files.hints, msgspec.json.encode(hint))


def log_of(record: Record, files: Files, *, ended_ns: int, void: str = "") -> ExamLog:
    """Return the log of an exam without its truth: requests, hints and answer from the files."""
    found = submitted(files)
    return ExamLog(
        exam=record.exam,
        seal=None,
        commitment=record.commitment,
        doors=record.doors,
        minutes=record.minutes,
        started_ns=record.started_ns,
        clock_ns=record.clock_ns,
        ended_ns=found.at_ns if found else ended_ns,
        requests=requests.read(files.requests),
        hints=tuple(hint.at_ns for hint in hints(files)),
        answer=found.answer if found else None,
        void=void,
    )


def keep(place: Place, record: Record, log: ExamLog, verified: str) -> Result:
    """Write the result and the public record of an exam that is over."""
    result = Result(log=log, grade=grade(log), verified=verified)
    statefile.write_json(place.files(record.exam).result, result)
    place.write(replace(record, state=State.OVER, says=log.void))
    return result


def read(place: Place, exam: str) -> Result:
    """Return the result of an exam.

    Raises:
        ExamError: when there is no such exam, or its file is damaged.
    """
    try:
        found = statefile.read(place.files(exam).result, Result)
    except DamagedError as error:
        raise ExamError(f"{error}.\nThe result of exam {exam} cannot be shown.") from None
    if found is None:
        raise ExamError(f"There is no result of exam {exam}.\n`./creditlab exam list` shows all.")
    return found
