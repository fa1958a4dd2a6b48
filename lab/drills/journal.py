"""The journal: one JSON line for each step of each drill, in the state directory.

A file, not a table: it is written while PostgreSQL is stopped or the console is, and both are drills. Each
line is on disk before the step that it announces is taken. The console and Grafana's marks read it.
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
# Year 2262: as far as nanoseconds go in 64 bits.
LATEST_NS = 2**63 - 1
# The name of a file, too.
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
    """The journal of one lab; every call opens the file anew."""

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
        """Yield what was written, oldest first; a line that a crash tore or that is no step is left out."""
        try:
            content = statefile.read_bytes(self._path)
        except DamagedError:
            return  # set aside by the next that writes
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
            statefile.set_aside(self._path, error.why, lost="The history of drills begins anew.")
            return
        if content and len(content) > MAX_BYTES:
            kept = content.splitlines(keepends=True)[-KEPT_LINES:]
            statefile.write(self._path, b"".join(kept))
