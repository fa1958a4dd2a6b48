"""The journal: one JSON line for each step of each drill, in the state directory.

A file, not a table: drills stop PostgreSQL and the console, and the journal is written meanwhile. Each
line is on disk before its step is taken. The console and Grafana's annotations read it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from lab.foundation import clock, statefile
from lab.foundation.statefile import DamagedError

MAX_BYTES = 4_000_000
KEPT_LINES = 4_000
# Year 2262: the largest number of nanoseconds in 64 bits.
LATEST_NS = 2**63 - 1
# Also the name of a file.
RUN = re.compile(r"[\w-]{1,64}")


class Step(StrEnum):
    """`Entry.step`."""

    INJECT = "inject"
    PROVEN = "proven"
    NOT_PROVEN = "not_proven"
    HEAL = "heal"
    HEALED = "healed"
    NOT_HEALED = "not_healed"
    FOUND = "found"  # what a killed runner had left
    VERIFIED = "verified"
    VERDICT = "verdict"


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One step of a drill: see Step. `detail` is JSON."""

    at_ns: int
    run: str
    drill: str
    step: str
    detail: str


class Journal:
    """The journal of one lab; every call opens the file again."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, run: str, drill: str, step: Step, **detail: object) -> int:
        """Add a line, and return its time in nanoseconds since 1970."""
        at_ns = clock.now_ns()
        text = msgspec.json.encode(detail).decode()
        entry = Entry(at_ns=at_ns, run=run, drill=drill, step=step.value, detail=text)
        self._shorten()
        statefile.append(self._path, msgspec.json.encode(entry))
        return at_ns

    def entries(self) -> Iterator[Entry]:
        """Yield the steps, oldest first; a line that is incomplete after a crash, or no step, is skipped."""
        try:
            content = statefile.read_bytes(self._path)
        except DamagedError:
            return  # set aside by the next write
        for line in (content or b"").split(b"\n"):
            try:
                entry = msgspec.json.decode(line, type=Entry)
                msgspec.json.decode(entry.detail, type=dict[str, Any])
            except (ValueError, RecursionError):
                continue
            if 0 <= entry.at_ns < LATEST_NS and RUN.fullmatch(entry.run):
                yield entry

    def _shorten(self) -> None:
        try:
            content = statefile.read_bytes(self._path)
        except DamagedError as error:
            statefile.set_aside(self._path, error.why, lost="The history of drills starts empty.")
            return
        if content and len(content) > MAX_BYTES:
            kept = content.splitlines(keepends=True)[-KEPT_LINES:]
            statefile.write(self._path, b"".join(kept))
