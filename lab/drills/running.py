"""What is known of the drill that runs, kept on disk for whoever finds it: a runner may be killed."""

import json
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from lab.drills.errors import DrillError
from lab.paths import Paths
from lab.stack.lock import LockedError, held


@dataclass(frozen=True, kw_only=True)
class Running:
    """A drill whose fault may be there. `began_ns` in nanoseconds since 1970; `pid` is the runner's."""

    run: str
    drill: str
    intensity: float
    pid: int
    began_ns: int
    memo: dict[str, str] = field(default_factory=dict)


class Place:
    """The files of the drills in a state directory."""

    def __init__(self, paths: Paths) -> None:
        self._directory = paths.drills

    @property
    def journal(self) -> Path:
        """See lab/drills/journal.py."""
        return self._directory / "journal.jsonl"

    @property
    def runs(self) -> Path:
        """One JSON document for each run that was judged."""
        return self._directory / "runs"

    @property
    def _state(self) -> Path:
        return self._directory / "running.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the one runner for the length of a `with` block; the kernel unlocks when it dies.

        Raises:
            LockedError: when another one is.
        """
        with held(self._directory / "lock"):
            yield

    def is_locked(self) -> bool:
        """Whether a runner is alive."""
        if not self._directory.exists():
            return False
        try:
            with self.locked():
                return False
        except LockedError:
            return True

    def read(self) -> Running | None:
        """Return the drill whose fault may be there; None when there is none.

        Raises:
            DrillError: when the file was damaged.
        """
        try:
            return Running(**json.loads(self._state.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise DrillError(
                f"{self._state} is damaged ({error}), so what a drill has left cannot be known.\n"
                "`./creditlab down --wipe` starts from nothing; or remove it, if no drill has run."
            ) from None

    def write(self, running: Running) -> None:
        """Remember this drill."""
        self._directory.mkdir(parents=True, exist_ok=True)
        partial = self._state.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(running)), encoding="utf-8")
        partial.replace(self._state)

    def forget(self) -> None:
        """The fault is healed."""
        self._state.unlink(missing_ok=True)


class Memo(MutableMapping[str, str]):
    """A running drill's memo; each change is on disk before it returns."""

    def __init__(self, place: Place, running: Running) -> None:
        self._place = place
        self._running = running

    @classmethod
    def of(cls, place: Place, running: Running) -> Self:
        """Begin to remember a drill."""
        place.write(running)
        return cls(place, running)

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
