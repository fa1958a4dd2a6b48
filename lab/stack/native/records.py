"""A record of each started process, written by itself, so that nothing of ours is ever lost sight of.

The supervisor forgets its children when it is killed; the records do not. A process id alone may be
somebody else's by now, so that the time of its creation is kept with it.
"""

import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

import msgspec
import psutil

from lab.foundation import statefile
from lab.foundation.statefile import DamagedError

# Creation times are computed from the boot time, which moves a little when the clock is set.
TOLERANCE_S = 1.0
# A killed process has no say any more, but a busy machine takes its time to end it.
KILLED_WITHIN_S = 10.0
# The kernel gives no higher one (PID_MAX_LIMIT).
Pid = Annotated[int, msgspec.Meta(ge=1, le=2**22)]


@dataclass(frozen=True, kw_only=True)
class Record:
    """One started process. `created` is in seconds since the epoch."""

    component: str
    pid: Pid
    created: float
    version: str
    address: str

    @classmethod
    def of_this_process(cls, component: str, *, version: str, address: str) -> Self:
        """Describe the calling process, which keeps its id and age when it execs."""
        return cls(
            component=component,
            pid=os.getpid(),
            created=psutil.Process().create_time(),
            version=version,
            address=address,
        )

    @classmethod
    def read(cls, directory: Path, component: str) -> Self | None:
        """Return the last record of a component; None when there is none; a damaged one is set aside."""
        path = directory / f"{component}.json"
        try:
            return statefile.read(path, cls)
        except DamagedError as error:
            lost = f"If {component} runs, only supervisord knows it."
            statefile.set_aside(path, error.why, lost=lost)
            return None

    def write(self, directory: Path) -> None:
        """Replace the component's last record."""
        statefile.write_json(directory / f"{self.component}.json", self)

    def process(self) -> psutil.Process | None:
        """Return the process if it is still the one that was recorded, and alive."""
        return process_of(self.pid, self.created)


def process_of(pid: int, created: float) -> psutil.Process | None:
    """Return the living process of an id that was created at this time, in seconds since the epoch.

    What is signalled goes through it: psutil compares the time of creation again before it sends.
    """
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        same = abs(process.create_time() - created) < TOLERANCE_S
        if same and process.status() != psutil.STATUS_ZOMBIE:
            return process
    return None


def living(directory: Path) -> Iterator[tuple[Record, psutil.Process]]:
    """Yield what is recorded and still alive."""
    for path in sorted(directory.glob("*.json")):
        record = Record.read(directory, path.stem)
        process = record.process() if record else None
        if record and process:
            yield record, process


def descendants(process: psutil.Process) -> set[psutil.Process]:
    """Return a process and all that descend from it; empty when it is gone."""
    with suppress(psutil.NoSuchProcess):
        return {process, *process.children(recursive=True)}
    return set()


def outlast(processes: Collection[psutil.Process], *, patience_s: float) -> list[psutil.Process]:
    """Wait until processes have gone, kill those that do not go; return what remains even so."""
    _, stubborn = psutil.wait_procs(processes, timeout=patience_s)
    for process in stubborn:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    _, remaining = psutil.wait_procs(stubborn, timeout=KILLED_WITHIN_S)
    return remaining
