"""The doors of an exam: which observers' evidence is open, and the record of each request.

Console pages, APIs, commands and MCP tools call `doors(settings).require(...)` before they answer, and
`record(...)` with what they answered. Without an exam every door is open and nothing is recorded.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from lab.exam import requests
from lab.exam.errors import ClosedError, ExamError
from lab.exam.place import Files, Place, Record
from lab.exam.requests import Request
from lab.foundation import clock
from lab.foundation.settings import LabSettings
from lab.foundation.statefile import DamagedError
from lab.foundation.suggestions import unknown

ALL = "all"


class Door(StrEnum):
    """The evidence of one observer; `sql` is PostgreSQL itself: psql, live sessions, settings."""

    PROMETHEUS = "prometheus"
    DATADOG = "datadog"
    APM = "apm"
    LOG = "log"
    SQL = "sql"


# Of an execution: its span, its activity samples and its lines of the server log.
EXPLAINED = (Door.APM, Door.DATADOG, Door.LOG)


def parse(given: str) -> tuple[Door, ...]:
    """Return the doors of `--with`: `all`, or names separated by commas.

    >>> parse("log,prometheus")
    (<Door.PROMETHEUS: 'prometheus'>, <Door.LOG: 'log'>)

    Raises:
        ExamError: when a door is unknown; the message lists all.
    """
    names = {name.strip().lower() for name in given.split(",")}
    if names == {ALL}:
        return tuple(Door)
    for name in sorted(names):
        if name not in list(Door):
            raise ExamError(unknown("door", name, [*Door, ALL]))
    return tuple(door for door in Door if door in names)


@dataclass(frozen=True, kw_only=True)
class Doors:
    """The doors at this moment; `record` None: no exam is running, and everything is open."""

    exam: Record | None = None
    files: Files | None = None

    def is_open(self, *needed: Door) -> bool:
        """Whether all of these doors are open."""
        return self.exam is None or {door.value for door in needed} <= set(self.exam.doors)

    def require(self, *needed: Door) -> None:
        """Check that all of these doors are open.

        Raises:
            ClosedError: naming the doors that are open.
        """
        if not self.is_open(*needed):
            assert self.exam is not None
            raise ClosedError(
                f"Closed in this exam (open: {', '.join(self.exam.doors)}).\n"
                f"It needs: {', '.join(needed)}. `./creditlab exam stop` ends the exam."
            )

    def require_none(self, what: str) -> None:
        """Check that no exam is running: for what shows or injects faults by name.

        Raises:
            ClosedError: when one is.
        """
        if self.exam is not None:
            raise ClosedError(
                f"{what} is closed while exam {self.exam.exam} is running.\n"
                "Answer it, or end it: ./creditlab exam stop"
            )

    def record(
        self, door: Door, what: str, content: str | bytes, *further: Door, failed: bool = False
    ) -> None:
        """Add a request to the log of the exam: its text, the size of the response, and what it showed.

        Args:
            door: the door.
            what: the request, such as a path or an expression.
            content: the response.
            further: other doors that the request needed as well.
            failed: whether the response is an error, which shows nothing.
        """
        if self.files is None:
            return
        text = content.decode(errors="replace") if isinstance(content, bytes) else content
        request = Request(
            at_ns=clock.now_ns(),
            door="+".join(each.value for each in (door, *further)),
            what=what[: requests.MOST_TEXT],
            size=len(text.encode()) if isinstance(content, str) else len(content),
            shown=() if failed else requests.shown((door.value, *further), what, text),
        )
        requests.append(self.files.requests, request)


def doors(settings: LabSettings) -> Doors:
    """Return the doors of the running exam, or open ones; read from the state directory at each call."""
    place = Place(settings)
    try:
        record = place.current()
    except DamagedError:
        return Doors()  # reported by the commands of the exam
    if record is None or not record.is_open:
        return Doors()
    return Doors(exam=record, files=place.files(record.exam))


def describe(opened: Iterable[str]) -> str:
    """Return the doors as a text: `all observers`, or their names."""
    names = list(opened)
    return "all observers" if len(names) == len(Door) else ", ".join(names)
