"""The journal: one JSON line for each step of each drill, in the state directory.

A file, not a table: it is written while PostgreSQL is stopped or the console is, and both are drills. Each
line is on disk before the step that it announces is taken. The console and Grafana's marks read it.
"""

import os
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import msgspec

from lab import clock
from lab.store.records import Drill as Entry

MAX_BYTES = 4_000_000
KEPT_LINES = 4_000


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


class Journal:
    """The journal of one lab; every call opens the file anew."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, run: str, drill: str, step: Step, **detail: object) -> int:
        """Add a line, and return its time in nanoseconds since 1970."""
        at_ns = clock.now_ns()
        text = msgspec.json.encode(detail).decode()
        entry = Entry(at_ns=at_ns, run=run, drill=drill, step=step.value, detail=text)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._shorten()
        with self._path.open("ab") as file:
            file.write(msgspec.json.encode(entry) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        return at_ns

    def entries(self) -> Iterator[Entry]:
        """Yield what was written, oldest first; a line that a crash tore is left out."""
        if not self._path.exists():
            return
        for line in self._path.read_bytes().splitlines():
            try:
                yield msgspec.json.decode(line, type=Entry)
            except msgspec.DecodeError:
                continue

    def _shorten(self) -> None:
        if self._path.exists() and self._path.stat().st_size > MAX_BYTES:
            kept = self._path.read_bytes().splitlines(keepends=True)[-KEPT_LINES:]
            partial = self._path.with_suffix(".partial")
            partial.write_bytes(b"".join(kept))
            partial.replace(self._path)
