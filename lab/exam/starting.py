"""Starts an exam: checks the options, starts the exam process, and waits until its clock runs."""

import os
import secrets
import subprocess
import sys
from dataclasses import dataclass

import msgspec

from lab.drills.running import DrillFiles as Drills
from lab.exam.doors import Door
from lab.exam.errors import ExamError, VoidError
from lab.exam.items import MAX_SEED, TEMPLATES, draw
from lab.exam.order import Order
from lab.exam.place import Place, Record, State
from lab.exam.session import current
from lab.foundation import statefile
from lab.foundation.paths import Paths
from lab.foundation.readiness import await_state
from lab.foundation.reporter import Reporter
from lab.foundation.settings import ROOT, LabSettings
from lab.stack import probes

MINUTES = (1.0, 120.0)
PREPARED_WITHIN_S = 300.0


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
