"""Top statements of a window, from the query metrics that Database Monitoring received."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from lab.foundation.timestamps import nanoseconds
from lab.telemetry.store import Reader, Source
from workload.statements import texts

SQL = texts(Path(__file__).with_name("queries.sql"), service="drilldown")
MAX_LISTED = 500
# The role of the services; None selects all roles.
APPLICATION = "credit_app"


def signatures_of(reader: Reader, queryids: Iterable[int]) -> set[str]:
    """Return the signatures that an Agent gives to statements of these queryids."""
    return {one for (one,) in reader.rows(SQL["signatures"], {"queryids": json.dumps([*queryids])})}


def queryids_of(reader: Reader, signatures: Iterable[str]) -> set[int]:
    """Return the queryids of statements with these signatures of an Agent; IN lists cause several."""
    found = reader.rows(SQL["queryids"], {"signatures": json.dumps([*signatures])})
    return {one for (one,) in found}


class By(StrEnum):
    """The sort key of a list of statements, largest first."""

    TIME = "time"
    CALLS = "calls"
    MEAN = "mean"
    ROWS = "rows"
    IO = "io"


@dataclass(frozen=True, kw_only=True, slots=True)
class QuerySummary:
    """The query metrics of one statement in a window.

    Attributes:
        key: the queryid in decimal, or Datadog's signature where its sender has no queryid.
        queryid: in decimal text; None where the sender has none.
        statement, owner: its name in workload/sql/ and the service that it belongs to.
        text: normalized.
        share: of the time of all statements in the window, 0 to 1.
        io_ms: time spent in reading and writing blocks.
        hit_ratio: share of blocks found in shared_buffers; None when it requested none.
        source: the sender: an Agent, or the embedded agent, which is not Datadog's.
    """

    key: str
    queryid: str | None
    statement: str | None
    owner: str | None
    text: str
    calls: int
    total_ms: float
    mean_ms: float
    share: float
    rows: int
    io_ms: float
    blocks_hit: int
    blocks_read: int
    temp_blocks_written: int
    hit_ratio: float | None
    source: Source


_SORTED = {
    By.TIME: lambda q: q.total_ms,
    By.CALLS: lambda q: q.calls,
    By.MEAN: lambda q: q.mean_ms,
    By.ROWS: lambda q: q.rows,
    # Time of I/O first; without track_io_timing, the blocks that were read.
    By.IO: lambda q: (q.io_ms, q.blocks_read),
}


def top(
    reader: Reader,
    *,
    since: datetime,
    until: datetime,
    by: By = By.TIME,
    role: str | None = APPLICATION,
    limit: int = 50,
) -> tuple[QuerySummary, ...]:
    """Return the top statements of a window; none when DBM received none.

    Args:
        reader: of the store.
        since: included.
        until: not included.
        by: the sort key.
        role: that ran the statements; None for all roles.
        limit: the maximum number of statements.
    """
    window = {"since": nanoseconds(since), "until": nanoseconds(until), "role": role}
    found = reader.rows(SQL["totals"], window)
    whole = sum(row[5] for row in found)
    texts = _texts(reader, [row[0] for row in found])
    listed = [_summary(row, texts.get(row[0]), whole) for row in found]
    return tuple(sorted(listed, key=_SORTED[by], reverse=True)[: min(limit, MAX_LISTED)])


def _texts(reader: Reader, keys: Sequence[str]) -> Mapping[str, tuple[Any, ...]]:
    return {row[0]: row[1:] for row in reader.rows(SQL["texts"], {"keys": json.dumps(keys)})}


def _summary(row: tuple[Any, ...], text: tuple[Any, ...] | None, whole_ms: float) -> QuerySummary:
    key, queryid, _, source, calls, total_ms, mean_ms, count, io_ms, hit, read, temp = row
    name, owner, sql = text or (None, None, "")
    return QuerySummary(
        key=key,
        queryid=None if queryid is None else str(queryid),
        statement=name,
        owner=owner,
        text=sql,
        calls=calls,
        total_ms=round(total_ms, 3),
        mean_ms=round(mean_ms, 3),
        share=round(total_ms / whole_ms, 6) if whole_ms else 0.0,
        rows=count,
        io_ms=round(io_ms, 3),
        blocks_hit=hit,
        blocks_read=read,
        temp_blocks_written=temp,
        hit_ratio=round(hit / (hit + read), 4) if hit + read else None,
        source=Source(source),
    )
