"""From counters to deltas: what happened since the last look, also when counters were reset or evicted.

A row that was not there at the last look began in between, so all it counts is new; so does every row
after a reset. pg_stat_statements evicts rows that are used least, and a statement that comes again begins
at zero: seen as a counter below its last value. What was counted between the last look and the reset is
gone, for any observer.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self, TypeAlias

Key: TypeAlias = tuple[int, str, str]
FIGURES = (
    "calls", "rows", "total_exec_time", "total_plan_time", "blk_read_time", "blk_write_time",
    "shared_blks_hit", "shared_blks_read", "shared_blks_dirtied", "shared_blks_written",
    "temp_blks_read", "temp_blks_written", "wal_bytes",
)  # fmt: skip
CALLS = FIGURES.index("calls")


@dataclass(frozen=True, kw_only=True, slots=True)
class Counters:
    """All rows of pg_stat_statements at one moment: figures by queryid, database and role."""

    reset_at: datetime | None
    rows: Mapping[Key, tuple[float, ...]]

    @classmethod
    def of_rows(cls, rows: Iterable[tuple[object, ...]]) -> Self:
        """Return the rows of the query `statement_counters`."""
        found: dict[Key, tuple[float, ...]] = {}
        reset_at: datetime | None = None
        for reset, queryid, database, role, *figures in rows:
            assert isinstance(queryid, int)
            assert reset is None or isinstance(reset, datetime)
            reset_at = reset
            found[queryid, str(database), str(role)] = tuple(figures)  # type: ignore[arg-type]
        return cls(reset_at=reset_at, rows=found)


def deltas(before: Counters | None, now: Counters) -> dict[Key, tuple[float, ...]]:
    """Return what each statement did since `before`, only where it was called; nothing on a first look."""
    if before is None:
        return {}
    known = before.rows if before.reset_at == now.reset_at else {}
    changed: dict[Key, tuple[float, ...]] = {}
    for key, figures in now.rows.items():
        last = known.get(key)
        if last is None or figures[CALLS] < last[CALLS]:
            difference = figures
        else:
            difference = tuple(max(new - old, 0) for new, old in zip(figures, last, strict=True))
        if difference[CALLS] > 0:
            changed[key] = difference
    return changed
