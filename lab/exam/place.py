"""The files of the exams in the state directory, and the public record of the running one.

The record contains nothing of the fault. `requests.jsonl`, `answer.json` and `hints.jsonl` are written by
the processes that serve the player, and read by the exam process; `result.json` by the exam process only.
"""

import re
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import psutil

from lab.exam.errors import ExamError
from lab.foundation import clock, statefile
from lab.foundation.lock import held
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.foundation.statefile import DamagedError
from lab.foundation.timestamps import NS_PER_S
from lab.stack.native.records import Pid, process_of

NAME = re.compile(r"[0-9a-f]{12}")
# The exam process writes twice a second, seldom while a container stops.
SILENT_S = 120.0


class State(StrEnum):
    """`Record.state`: the clock runs in `running` only."""

    PREPARING = "preparing"
    RUNNING = "running"
    GRADING = "grading"
    OVER = "over"


@dataclass(frozen=True, kw_only=True)
class Record:
    """An exam as the player may see it. Times are nanoseconds since 1970.

    Attributes:
        exam: the name of its directory.
        state: see State.
        doors: the open doors.
        minutes: time for the answer.
        commitment: SHA-256 of the sealed item, published before the injection.
        pid: of the exam process, with the time of its creation in seconds since 1970.
        created: see `pid`; the operating system may have reused it.
        started_ns: time of `exam start`.
        clock_ns: start of the clock; None before.
        deadline_ns: end of the clock; None before.
        says: the reason of a void exam, else empty.
    """

    exam: str
    state: State
    doors: tuple[str, ...]
    minutes: float
    commitment: str
    pid: Pid
    created: float
    started_ns: int
    clock_ns: int | None = None
    deadline_ns: int | None = None
    says: str = ""

    @property
    def is_open(self) -> bool:
        """Whether the fault may be present, or is not graded yet."""
        return self.state is not State.OVER

    def process(self) -> psutil.Process | None:
        """Return the exam process; None when it has ended."""
        return process_of(self.pid, self.created)


@dataclass(frozen=True, kw_only=True)
class Files:
    """The files of one exam."""

    directory: Path

    @property
    def requests(self) -> Path:
        """One line for each request through a door."""
        return self.directory / "requests.jsonl"

    @property
    def hints(self) -> Path:
        """One line for each hint."""
        return self.directory / "hints.jsonl"

    @property
    def answer(self) -> Path:
        """The submitted answer."""
        return self.directory / "answer.json"

    @property
    def stop(self) -> Path:
        """Exists when the player has ended the exam without an answer."""
        return self.directory / "stop.json"

    def is_ended(self) -> bool:
        """Whether the player has answered, or ended the exam."""
        return self.answer.exists() or self.stop.exists()

    @property
    def snapshot(self) -> Path:
        """The state of the lab before the injection; see lab/exam/restoring.py."""
        return self.directory / "snapshot.json"

    @property
    def result(self) -> Path:
        """The log of the exam with the revealed item, and its grade."""
        return self.directory / "result.json"


class Place:
    """The exams of one lab."""

    def __init__(self, settings: LabSettings) -> None:
        self._directory = Paths.of(settings).exams
        # The console of a lab in containers: the exam process is on another machine, so to speak.
        self._is_remote = settings.services_by_name

    @property
    def _current(self) -> Path:
        return self._directory / "current.json"

    @property
    def _heard(self) -> Path:
        """When the exam process was heard last, in nanoseconds since 1970."""
        return self._directory / "heard"

    def locked(self, name: str = "lock") -> AbstractContextManager[None]:
        """Hold a lock for a `with` block: `lock` is that of the exam process, `form` that of the answer.

        Raises:
            LockedError: when another process holds it.
        """
        return held(self._directory / name)

    def current(self) -> Record | None:
        """Return the record of the last exam; None when there was none.

        In the console of a lab in containers an exam is over when its process has been silent for a while.

        Raises:
            DamagedError: when the file cannot be parsed.
        """
        record = statefile.read(self._current, Record)
        if record is not None and record.is_open and self._is_remote and self._is_silent():
            return replace(record, state=State.OVER)
        return record

    def write(self, record: Record) -> None:
        """Write the record, durably."""
        statefile.write_json(self._current, record)

    def confirm(self, record: Record) -> None:
        """Write the record of an exam process elsewhere; the same again only says that it is alive."""
        # Often, and of no use after a crash: replaced, but not durably.
        pending = self._heard.with_suffix(".new")
        pending.write_bytes(b"%d" % clock.now_ns())
        pending.replace(self._heard)
        with suppress(DamagedError):
            if statefile.read(self._current, Record) == record:
                return
        self.write(record)

    def _is_silent(self) -> bool:
        # Not the time of the file: that is the file system's clock.
        try:
            heard_ns = int(self._heard.read_bytes())
        except (FileNotFoundError, ValueError):
            return True
        return clock.now_ns() - heard_ns > SILENT_S * NS_PER_S

    def files(self, exam: str) -> Files:
        """Return the files of an exam.

        Raises:
            ExamError: when this is not the name of an exam.
        """
        if not NAME.fullmatch(exam):
            raise ExamError(
                f'"{exam[:40]}" is not the name of an exam: twelve hexadecimal digits are expected.\n'
                "`./creditlab exam list` shows all names."
            )
        return Files(directory=self._directory / exam)

    def exams(self) -> list[str]:
        """Return the names of the exams that have a result, newest first."""
        found = [path for path in self._directory.glob("*/result.json") if path.is_file()]
        found.sort(key=lambda path: (path.stat().st_mtime_ns, path.parent.name), reverse=True)
        return [path.parent.name for path in found if NAME.fullmatch(path.parent.name)]
