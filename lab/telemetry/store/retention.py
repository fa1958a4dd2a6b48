"""Retention of the store: deletes records by age, and by total bytes, oldest first.

Deletes in slices, so that pending writes do not wait for long.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from lab.foundation.settings import LabSettings
from lab.telemetry.store.tables import TABLES
from lab.telemetry.store.texts import RENEW_NS
from lab.telemetry.store.window import AHEAD_NS

SLICE_ROWS = 5_000
# When the store is too large, records of this share of its time range are deleted at once.
SHARE = 0.1
NS_PER_HOUR = 3_600_000_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """Retention limits: the maximum age of a record, and the maximum bytes in use."""

    age_ns: int
    size_bytes: int

    @classmethod
    def of(cls, settings: LabSettings) -> Self:
        """Return the limits of the settings."""
        return cls(
            age_ns=round(settings.store_max_age_hours * NS_PER_HOUR),
            size_bytes=settings.store_max_bytes,
        )


TIMED = tuple((table.stored, table.time) for table in TABLES.values() if table.time)
# Tables whose records are kept for a shorter time than the others'.
SHORTER = tuple(
    (table.stored, table.time, table.age_ns)
    for table in TABLES.values()
    if table.time and table.age_ns
)


def used_bytes(connection: sqlite3.Connection) -> int:
    """Return the number of bytes in use in the file."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def retain(connection: sqlite3.Connection, bounds: Bounds, *, now_ns: int) -> Iterator[int]:
    """Delete records beyond the limits; yield the number of rows after each slice, committed.

    Args:
        connection: the writer's, in no transaction.
        bounds: the limits.
        now_ns: the time now.
    """
    # Records of the future were stored while this machine's clock was wrong.
    yield from _delete(connection, "{time} > ?", now_ns + AHEAD_NS)
    yield from _delete_before(connection, now_ns - bounds.age_ns)
    for name, time, age_ns in SHORTER:
        yield from _delete_from(connection, name, f"{time} < ?", now_ns - age_ns)
    while used_bytes(connection) > bounds.size_bytes:
        oldest = _oldest(connection)
        if oldest is None:
            break
        # At least one millisecond later, so that the loop ends.
        horizon = oldest + max(round((now_ns - oldest) * SHARE), 1_000_000)
        yield from _delete_before(connection, horizon)
    connection.execute("PRAGMA incremental_vacuum(2000)").fetchall()


def retain_texts(connection: sqlite3.Connection) -> int:
    """Delete the texts that no span has any more; return their number.

    A text's `seen_ns` is at most RENEW_NS older than the last row with its id, and a span starts before it is
    written, at most AHEAD_NS in the future. So no span that starts after the oldest one has an older text.
    """
    [[oldest]] = connection.execute("SELECT min(start_ns) FROM span_rows").fetchall()
    condition = "true" if oldest is None else f"seen_ns < {oldest - RENEW_NS - AHEAD_NS}"
    return connection.execute(f"DELETE FROM texts WHERE {condition}").rowcount


def _oldest(connection: sqlite3.Connection) -> int | None:
    found = (
        connection.execute(f"SELECT min({time}) FROM {name}").fetchone()[0] for name, time in TIMED
    )
    return min((value for value in found if value is not None), default=None)


def _delete_before(connection: sqlite3.Connection, horizon_ns: int) -> Iterator[int]:
    return _delete(connection, "{time} < ?", horizon_ns)


def _delete(connection: sqlite3.Connection, condition: str, at_ns: int) -> Iterator[int]:
    for name, time in TIMED:
        yield from _delete_from(connection, name, condition.format(time=time), at_ns)


def _delete_from(
    connection: sqlite3.Connection, name: str, condition: str, at_ns: int
) -> Iterator[int]:
    deleted = SLICE_ROWS
    while deleted == SLICE_ROWS:
        deleted = connection.execute(
            f"DELETE FROM {name} WHERE rowid IN (SELECT rowid FROM {name}"
            f" WHERE {condition} LIMIT {SLICE_ROWS})",
            (at_ns,),
        ).rowcount
        if deleted:
            yield deleted
