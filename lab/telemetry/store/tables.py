"""Mapping between records and rows: the table of each class, and the columns of its fields.

A field of a type that SQLite has is stored unchanged; any other (tags, participants) as JSON.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from functools import partial
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Generic, TypeVar, get_type_hints

import msgspec

from lab.telemetry.store.records import (
    ActivityRound,
    ActivitySample,
    Event,
    Execution,
    LogPosition,
    MetricPoint,
    MetricSeries,
    Plan,
    QueryMetrics,
    Record,
    ServiceCheck,
    Snapshot,
    Span,
    Statement,
    TraceStats,
    TruthReading,
)

R = TypeVar("R", bound=Record)
PLAIN = {int, float, str, bytes, int | None, float | None, str | None}
IGNORE = "ON CONFLICT DO NOTHING"
# Some 30 MB of readings, a second apart; `compare` uses no longer window.
TRUTH_AGE_NS = 3 * 3_600 * 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class Table(Generic[R]):
    """A table of the store.

    Attributes:
        stored: the table of the rows, where `name` is a view of it.
        repeated: indexes of the columns whose texts go into the dictionary (texts.py).
        time: the column that retention uses, None where rows are few and kept.
        age_ns: the maximum age of a row, where it is below that of the whole store.
    """

    name: str
    record: type[R]
    columns: tuple[str, ...]
    readers: tuple[Callable[[Any], Any] | None, ...]
    json: tuple[int, ...]
    stored: str
    repeated: tuple[int, ...]
    insert: str
    time: str | None
    age_ns: int | None = None

    def row(self, record: R) -> tuple[Any, ...]:
        """Return a record as values in the order of `columns`."""
        values = attrgetter(*self.columns)(record)
        if not self.json:
            return tuple(values)
        mutable = list(values)
        for index in self.json:
            mutable[index] = msgspec.json.encode(mutable[index]).decode()
        return tuple(mutable)

    def of_rows(self, rows: Iterable[tuple[Any, ...]]) -> list[R]:
        """Return rows, with the values in the order of `columns`, as records."""
        return [
            self.record(
                **{
                    column: value if read is None or value is None else read(value)
                    for column, read, value in zip(self.columns, self.readers, row, strict=True)
                }
            )
            for row in rows
        ]


def _table(
    name: str,
    record: type[R],
    *,
    time: str | None,
    conflict: str = "",
    age_ns: int | None = None,
    stored: str | None = None,
    repeated: tuple[str, ...] = (),
) -> Table[R]:
    hints = get_type_hints(record)
    columns = tuple(f.name for f in fields(record))
    plain = [hints[c] in PLAIN or isinstance(hints[c], type) for c in columns]
    holes = ", ".join("?" * len(columns))
    return Table(
        name=name,
        record=record,
        columns=columns,
        readers=tuple(_reader(hints[c], is_plain=p) for c, p in zip(columns, plain, strict=True)),
        json=tuple(i for i, is_plain in enumerate(plain) if not is_plain),
        stored=stored or name,
        repeated=tuple(map(columns.index, repeated)),
        insert=f"INSERT INTO {stored or name} ({', '.join(columns)}) VALUES ({holes}) {conflict}".rstrip(),
        time=time,
        age_ns=age_ns,
    )


def _reader(hint: Any, *, is_plain: bool) -> Callable[[Any], Any] | None:
    if not is_plain:
        return partial(msgspec.json.decode, type=hint)
    return None if hint in PLAIN else hint


STATEMENT_SEEN_AGAIN = """ON CONFLICT (key) DO UPDATE SET
    queryid = coalesce(excluded.queryid, queryid),
    signature = CASE WHEN (excluded.text NOT LIKE 'EXPLAIN%') >= (text NOT LIKE 'EXPLAIN%')
        THEN coalesce(excluded.signature, signature) ELSE coalesce(signature, excluded.signature) END,
    name = coalesce(excluded.name, name), owner = coalesce(excluded.owner, owner),
    -- An Agent's deltas have 200 characters of a text that another stream has whole. A statement that the
    -- Agent explains has a second entry in pg_stat_statements, with the same queryid, a text that begins with
    -- EXPLAIN, and a signature that no plan has.
    text = CASE WHEN (excluded.text NOT LIKE 'EXPLAIN%', length(excluded.text))
        >= (text NOT LIKE 'EXPLAIN%', length(text)) THEN excluded.text ELSE text END,
    seen_ns = max(seen_ns, excluded.seen_ns)"""
SNAPSHOT_AGAIN = (
    "ON CONFLICT (kind, host) DO UPDATE SET at_ns = excluded.at_ns, payload = excluded.payload"
)
SERIES_SEEN_AGAIN = "ON CONFLICT (key) DO UPDATE SET seen_ns = max(seen_ns, excluded.seen_ns)"
POSITION_AGAIN = """ON CONFLICT (file) DO UPDATE SET head = excluded.head,
    head_bytes = excluded.head_bytes, position = excluded.position, at_ns = excluded.at_ns"""

TABLES: MappingProxyType[type[Any], Table[Any]] = MappingProxyType(
    {
        table.record: table
        for table in (
            _table(
                "spans",
                Span,
                time="start_ns",
                conflict=IGNORE,
                stored="span_rows",
                repeated=("resource", "tags"),
            ),
            _table("statements", Statement, time="seen_ns", conflict=STATEMENT_SEEN_AGAIN),
            _table("executions", Execution, time="at_ns"),
            _table("plans", Plan, time="at_ns", conflict=IGNORE),
            _table("query_metrics", QueryMetrics, time="at_ns", conflict=IGNORE),
            _table("activity", ActivitySample, time="at_ns", conflict=IGNORE),
            _table("activity_rounds", ActivityRound, time="at_ns", conflict=IGNORE),
            _table("trace_stats", TraceStats, time="at_ns"),
            _table("metric_series", MetricSeries, time="seen_ns", conflict=SERIES_SEEN_AGAIN),
            _table("metric_points", MetricPoint, time="at_ns", conflict=IGNORE),
            _table("service_checks", ServiceCheck, time="at_ns", conflict=IGNORE),
            _table("truth", TruthReading, time="at_ns", conflict=IGNORE, age_ns=TRUTH_AGE_NS),
            _table("events", Event, time="at_ns"),
            _table("snapshots", Snapshot, time="at_ns", conflict=SNAPSHOT_AGAIN),
            _table("log_positions", LogPosition, time=None, conflict=POSITION_AGAIN),
        )
    }
)
