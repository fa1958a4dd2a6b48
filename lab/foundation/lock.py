"""The lab's lock: one command at a time changes the lab; another one fails at once and names it."""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.foundation import statefile
from lab.foundation.errors import LabError

# The part of a lock file that an error message shows, in characters.
HOLDER = 4_000


class LockedError(LabError):
    """Another command is changing the lab; wait for it to end."""


@contextmanager
def held(lock: Path) -> Iterator[None]:
    """Hold the lab's lock for the length of a `with` block; the kernel releases it when the process dies.

    Raises:
        LockedError: naming the command and the process that holds it.
    """
    statefile.make_directory(lock.parent)
    if os.path.lexists(lock) and not lock.is_file():
        statefile.set_aside(lock, "it is no regular file")
    with lock.open("a+", encoding="utf-8", errors="replace") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise LockedError(
                f"{file.read(HOLDER).strip() or 'Another command'} is changing the lab right now.\n"
                "Wait until it ends, or end it; then try again."
            ) from None
        file.truncate(0)
        file.write(f"`creditlab {' '.join(sys.argv[1:])}` (process {os.getpid()})")
        file.flush()
        yield
