"""Access to the tools: which doors `--with` and a running exam leave open, and the exam's record of requests.

A tool names the doors of its data (lab/exam/doors.py). Without a door are the lab's documents and its
status; the truth, which names injected faults, is closed in every exam and when `--with` names doors.
"""

from dataclasses import dataclass

from lab.exam.doors import Door, doors
from lab.exam.errors import ClosedError
from lab.foundation.settings import LabSettings


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What a tool reads: all of these doors must be open. `truth`: the lab's own knowledge of faults."""

    doors: tuple[Door, ...] = ()
    truth: bool = False

    @property
    def labels(self) -> tuple[str, ...]:
        """The doors' names, `truth`, or nothing for what is always open."""
        return ("truth",) if self.truth else tuple(door.value for door in self.doors)


@dataclass(frozen=True, kw_only=True)
class Access:
    """The access of one server.

    Attributes:
        opened: the doors of `--with`.
        settings: the state directory, whose exam is read again for each call.
    """

    opened: tuple[Door, ...]
    settings: LabSettings

    def require(self, needs: Needs, what: str) -> None:
        """Check that a tool may answer now.

        Raises:
            ClosedError: naming the doors that are open.
        """
        if needs.truth and set(self.opened) != set(Door):
            raise ClosedError(f"closed: {what} is open only with --with all.")
        if missing := [door.value for door in needs.doors if door not in self.opened]:
            there = ", ".join(self.opened)
            raise ClosedError(
                f"closed: {what} needs {' and '.join(missing)}; this server was started with {there}."
                " Use the tools of an open door."
            )
        if needs.truth:
            doors(self.settings).require_none(what)
        doors(self.settings).require(*needs.doors)

    def record(self, needs: Needs, what: str, data: str) -> None:
        """Record a request and its data, empty for an error, in the log of the running exam."""
        if needs.doors:
            first, *further = needs.doors
            doors(self.settings).record(first, what, data, *further)
