"""A store in a temporary directory, and what its writer tells."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lab.telemetry.store import Bounds, Reader, Writer

HOUR_NS = 3_600_000_000_000


@dataclass
class Tally:
    """Counts what a writer reports."""

    counts: Counter[str] = field(default_factory=Counter)

    def written(self, table: str, records: int) -> None:
        self.counts[table] += records

    def lost(self, reason: str, records: int) -> None:
        self.counts[f"lost {reason}"] += records

    def refused(self, table: str, reason: str, records: int) -> None:
        self.counts[f"refused {reason} {table}"] += records

    def expired(self, records: int) -> None:
        self.counts["expired"] += records

    def size(self, used_bytes: int, pending_records: int) -> None:
        self.counts["bytes"] = used_bytes
        self.counts["pending"] = pending_records


@dataclass(frozen=True, kw_only=True)
class Store:
    """A store under test."""

    path: Path
    writer: Writer
    tally: Tally

    @property
    def reader(self) -> Reader:
        return Reader(self.path)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store with a running writer."""
    path, tally = tmp_path / "store.sqlite", Tally()
    bounds = Bounds(age_ns=24 * HOUR_NS, size_bytes=10**9)
    with Writer(path, bounds, tally) as writer:
        yield Store(path=path, writer=writer, tally=tally)
