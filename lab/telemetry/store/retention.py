"""Keeps the store within its bounds: by age, and by bytes, oldest first.

Deletes in slices, so that what waits to be written never waits for long.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from lab.foundation.settings import LabSettings
from lab.telemetry.store.tables import TABLES
from lab.telemetry.store.window import AHEAD_NS

SLICE_ROWS = 5_000
# When there are too many bytes, this share of the time that is covered goes at once.
SHARE = 0.1
NS_PER_HOUR = 3_600_000_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """How much is kept: whatever is younger than `age_ns`, as long as it is less than `size_bytes`."""

    age_ns: int
    size_bytes: int

    @classmethod
    def of(cls, settings: LabSettings) -> Self:
        """Return the bounds that the settings give."""
        return cls(
            age_ns=round(settings.store_max_age_hours * NS_PER_HOUR),
            size_bytes=settings.store_max_bytes,
        )


TIMED = tuple((table.name, table.time) for table in TABLES.values() if table.time)


def used_bytes(connection: sqlite3.Connection) -> int:
    """Return how many bytes of the file are in use."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def retain(connection: sqlite3.Connection, bounds: Bounds, *, now_ns: int) -> Iterator[int]:
    """Delete what is out of bounds; yields the number of rows after each slice, committed.

    Args:
        connection: the writer's, in no transaction.
        bounds: what is kept.
        now_ns: the time now.
    """
    # Of the future are those that were stored while this machine's clock was wrong.
    yield from _delete(connection, "{time} > ?", now_ns + AHEAD_NS)
    yield from _delete_before(connection, now_ns - bounds.age_ns)
    while used_bytes(connection) > bounds.size_bytes:
        oldest = _oldest(connection)
        if oldest is None:
            break
        # At least a millisecond on, so that this ends.
        horizon = oldest + max(round((now_ns - oldest) * SHARE), 1_000_000)
        yield from _delete_before(connection, horizon)
    connection.execute("PRAGMA incremental_vacuum(2000)").fetchall()


def _oldest(connection: sqlite3.Connection) -> int | None:
    found = (
        connection.execute(f"SELECT min({time}) FROM {name}").fetchone()[0] for name, time in TIMED
    )
    return min((value for value in found if value is not None), default=None)


def _delete_before(connection: sqlite3.Connection, horizon_ns: int) -> Iterator[int]:
    return _delete(connection, "{time} < ?", horizon_ns)


def _delete(connection: sqlite3.Connection, condition: str, at_ns: int) -> Iterator[int]:
    for name, time in TIMED:
        deleted = SLICE_ROWS
        while deleted == SLICE_ROWS:
            deleted = connection.execute(
                f"DELETE FROM {name} WHERE rowid IN (SELECT rowid FROM {name}"
                f" WHERE {condition.format(time=time)} LIMIT {SLICE_ROWS})",
                (at_ns,),
            ).rowcount
            if deleted:
                yield deleted
