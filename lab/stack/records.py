"""A record of each started process, written by itself, so that nothing of ours is ever lost sight of.

The supervisor forgets its children when it is killed; the records do not. A process id alone may be
somebody else's by now, so that the time of its creation is kept with it.
"""

import json
import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import psutil

# Creation times are computed from the boot time, which moves a little when the clock is set.
TOLERANCE_S = 1.0
# A killed process has no say any more, but a busy machine takes its time to end it.
KILLED_WITHIN_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Record:
    """One started process. `created` is in seconds since the epoch."""

    component: str
    pid: int
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
        """Return the last record of a component; None when there is none or it was cut short."""
        try:
            return cls(**json.loads((directory / f"{component}.json").read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def write(self, directory: Path) -> None:
        """Replace the component's last record."""
        partial = directory / f"{self.component}.json.partial"
        partial.write_text(json.dumps(asdict(self)), encoding="utf-8")
        partial.replace(directory / f"{self.component}.json")

    def process(self) -> psutil.Process | None:
        """Return the process if it is still the one that was recorded, and alive."""
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.created) < TOLERANCE_S
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
