"""The record of the running drill, on disk: it survives a runner that is killed."""

from collections.abc import Iterator, MutableMapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from lab.foundation import statefile
from lab.foundation.errors import LabError
from lab.foundation.lock import held
from lab.foundation.paths import Paths
from lab.stack.native.records import Pid, process_of


@dataclass(frozen=True, kw_only=True)
class Running:
    """A drill whose fault may be present. `began_ns` in nanoseconds since 1970.

    `pid` is the runner's, and `created` the time of its creation, in seconds since the epoch: the operating
    system may have reused the pid.
    """

    run: str
    drill: str
    intensity: float
    pid: Pid
    began_ns: int
    created: float = 0.0
    memo: dict[str, str] = field(default_factory=dict)

    def runner(self) -> psutil.Process | None:
        """Return the runner's process; None when it has ended."""
        return process_of(self.pid, self.created)


class DrillFiles:
    """The files of the drills in a state directory."""

    def __init__(self, paths: Paths) -> None:
        self._directory = paths.drills

    @property
    def journal(self) -> Path:
        """See lab/drills/journal.py."""
        return self._directory / "journal.jsonl"

    @property
    def minutes(self) -> Path:
        """Recorded stretches; see lab/drills/stretches.py."""
        return self.journal.with_name("minutes.jsonl")

    @property
    def runs(self) -> Path:
        """One JSON document for each run that was judged."""
        return self._directory / "runs"

    @property
    def state(self) -> Path:
        """The record of the running drill."""
        return self._directory / "running.json"

    def locked(self) -> AbstractContextManager[None]:
        """Hold the lock of the only runner for a `with` block; the kernel releases it when the process ends.

        Raises:
            LockedError: when another one is.
        """
        return held(self._directory / "lock")

    def read(self) -> Running | None:
        """Return the drill whose fault may be present; None when there is none. Takes no lock.

        Raises:
            DamagedError: when the file cannot be parsed.
        """
        return statefile.read(self.state, Running)

    def set_aside(self, why: LabError, *, lost: str) -> None:
        """Rename the damaged file of the running drill."""
        statefile.set_aside(self.state, getattr(why, "why", why), lost=lost)

    def write(self, running: Running) -> None:
        """Write the record of this drill, durably."""
        statefile.write_json(self.state, running)

    def forget(self) -> None:
        """Remove the record: the fault is healed."""
        statefile.remove(self.state)


class Memo(MutableMapping[str, str]):
    """A running drill's memo; each change is on disk before it returns."""

    def __init__(self, place: DrillFiles, running: Running) -> None:
        self._place = place
        self._running = running

    def __getitem__(self, key: str) -> str:
        return self._running.memo[key]

    def __setitem__(self, key: str, value: str) -> None:
        self._running.memo[key] = value
        self._place.write(self._running)

    def __delitem__(self, key: str) -> None:
        del self._running.memo[key]
        self._place.write(self._running)

    def __iter__(self) -> Iterator[str]:
        return iter(self._running.memo)

    def __len__(self) -> int:
        return len(self._running.memo)
