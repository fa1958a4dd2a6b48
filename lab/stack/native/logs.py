"""Log files of the components: path, last lines, and following new lines."""

import os
from pathlib import Path
from typing import TextIO

from lab.foundation.errors import LabError
from lab.foundation.paths import Paths
from lab.foundation.suggestions import unknown
from lab.stack.components import COMPONENTS, POSTGRES
from lab.stack.native.supervision import NAME as SUPERVISORD

# The last lines are searched in this number of bytes at the end of a file.
END_BYTES = 1_000_000


def names() -> list[str]:
    """Return the names of the components with a log."""
    return [*COMPONENTS, SUPERVISORD]


def file_of(component: str, paths: Paths) -> Path:
    """Return the current log file of a component; it may not exist yet.

    PostgreSQL's logging collector writes one file per hour of the day; before the collector runs, and when
    the server cannot start, it writes to standard error like the other components.

    Raises:
        LabError: when there is no such component.
    """
    if component not in names():
        raise LabError(unknown("component", component, names()))
    own = paths.logs / f"{component}.log"
    if component == POSTGRES.name:
        collected = list((paths.postgres / "data" / "log").glob("*.log"))
        return max([own, *collected], key=_written)
    return own


def tail(path: Path, lines: int) -> list[str]:
    """Return the last lines of a file; none when it does not exist, or is not a regular file."""
    if not lines or not path.is_file():
        return []
    try:
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - END_BYTES, 0))
            return file.read(END_BYTES).decode(errors="replace").splitlines()[-lines:]
    except OSError:  # missing or unreadable
        return []


def _written(path: Path) -> float:
    return path.stat().st_mtime if path.exists() else 0.0


class Follower:
    """Follows new lines of a component's log, across rotation and hourly files."""

    def __init__(self, component: str, paths: Paths) -> None:
        self._component = component
        self._paths = paths
        self._file: TextIO | None = None
        self._rest = ""
        self._open()
        if self._file:
            self._file.seek(0, os.SEEK_END)

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()
            self._file = None

    def new_lines(self) -> list[str]:
        """Return the lines that were completed since the last call."""
        lines = self._read()
        if self._is_superseded():
            self._open()
            lines += self._read()
        return lines

    def _read(self) -> list[str]:
        if not self._file:
            return []
        if self._file.tell() > os.fstat(self._file.fileno()).st_size:  # truncated by its writer
            self._file.seek(0)
        *lines, self._rest = (self._rest + self._file.read()).split("\n")
        return lines

    def _is_superseded(self) -> bool:
        current = file_of(self._component, self._paths)
        if not current.is_file():
            return False
        return not self._file or not os.path.samestat(os.fstat(self._file.fileno()), current.stat())

    def _open(self) -> None:
        self.close()
        path = file_of(self._component, self._paths)
        self._file = path.open(encoding="utf-8", errors="replace") if path.is_file() else None
