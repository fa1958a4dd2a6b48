"""Records of started processes, by which the lab finds them, even when supervisord was killed.

Each process writes its record. A process id may have been reused, so the record has its creation time, too.
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
# Time for the kernel to end a killed process on a busy machine.
KILLED_WITHIN_S = 10.0
# The kernel's highest process id (PID_MAX_LIMIT).
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
        """Return the record of the calling process, which keeps its id and creation time over an exec."""
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
    """Return the process with an id and a creation time, in seconds since the epoch; None when it has ended.

    Signals are sent by the returned object: psutil compares the creation time again before it sends.
    """
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        same = abs(process.create_time() - created) < TOLERANCE_S
        if same and process.status() != psutil.STATUS_ZOMBIE:
            return process
    return None


def living(directory: Path) -> Iterator[tuple[Record, psutil.Process]]:
    """Yield the records of processes that are alive."""
    for path in sorted(directory.glob("*.json")):
        record = Record.read(directory, path.stem)
        process = record.process() if record else None
        if record and process:
            yield record, process


def descendants(process: psutil.Process) -> set[psutil.Process]:
    """Return a process and its descendants; empty when it has ended."""
    with suppress(psutil.NoSuchProcess):
        return {process, *process.children(recursive=True)}
    return set()


def wait_or_kill(processes: Collection[psutil.Process], *, within_s: float) -> list[psutil.Process]:
    """Wait until processes have ended, then kill the others; return those that remain."""
    _, running = psutil.wait_procs(processes, timeout=within_s)
    for process in running:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    _, remaining = psutil.wait_procs(running, timeout=KILLED_WITHIN_S)
    return remaining
