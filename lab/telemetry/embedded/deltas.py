"""Deltas of pg_stat_statements' counters between two readings, also after a reset or an eviction.

A row that is missing in the last reading is new, so its delta is its value; so is every row after a reset.
pg_stat_statements evicts the least used rows, and a statement that is executed again begins at zero: its
counter is below its last value. Counts between the last reading and the reset are lost, for any observer.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from operator import add
from typing import Self, TypeAlias

# Queryid, and the names of database and role; or their oids: two names may be decoded to one text.
Key: TypeAlias = tuple[int, str, str]
Oids: TypeAlias = tuple[int, int, int]
FIGURES = (
    "calls", "rows", "total_exec_time", "total_plan_time", "blk_read_time", "blk_write_time",
    "shared_blks_hit", "shared_blks_read", "shared_blks_dirtied", "shared_blks_written",
    "temp_blks_read", "temp_blks_written", "wal_bytes",
)  # fmt: skip
CALLS = FIGURES.index("calls")


@dataclass(frozen=True, kw_only=True, slots=True)
class Counters:
    """One reading of pg_stat_statements: counters and names by queryid and oids."""

    reset_at: datetime | None
    rows: Mapping[Oids, tuple[float, ...]]
    names: Mapping[Oids, Key]

    @classmethod
    def of_rows(cls, rows: Iterable[tuple[object, ...]]) -> Self:
        """Return the reading from rows of the query `statement_counters`."""
        found: dict[Oids, tuple[float, ...]] = {}
        names: dict[Oids, Key] = {}
        reset_at: datetime | None = None
        for reset, queryid, database_oid, role_oid, database, role, *figures in rows:
            assert isinstance(queryid, int)
            assert isinstance(database_oid, int)
            assert isinstance(role_oid, int)
            assert reset is None or isinstance(reset, datetime)
            reset_at = reset
            oids = queryid, database_oid, role_oid
            found[oids] = tuple(figures)  # type: ignore[arg-type]
            names[oids] = queryid, str(database), str(role)
        return cls(reset_at=reset_at, rows=found, names=names)


def deltas(before: Counters | None, now: Counters) -> dict[Key, tuple[float, ...]]:
    """Return the deltas since `before` of each statement that was called; nothing on the first reading.

    Databases or roles whose names are decoded to the same text are summed.
    """
    if before is None:
        return {}
    known = before.rows if before.reset_at == now.reset_at else {}
    changed: dict[Key, tuple[float, ...]] = {}
    for oids, figures in now.rows.items():
        last = known.get(oids)
        if last is None or figures[CALLS] < last[CALLS]:
            difference = figures
        else:
            difference = tuple(max(new - old, 0) for new, old in zip(figures, last, strict=True))
        if difference[CALLS] > 0:
            key = now.names[oids]
            same = changed.get(key)
            changed[key] = tuple(map(add, same, difference)) if same else difference
    return changed
