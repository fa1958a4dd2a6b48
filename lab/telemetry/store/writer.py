"""The store's writer thread; other threads queue records for it.

`offer` returns at once (for the intake); `commit` returns when the records are in the file (for the log
reader). When the disk is full, records from `offer` are lost and counted; `commit` raises, and the caller
retries.
"""

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from lab.foundation import clock
from lab.telemetry.store.errors import StoreDamagedError, StoreError, StoreTimeoutError
from lab.telemetry.store.file import is_damage, open_for_writing, renewed, require_sound, suspect
from lab.telemetry.store.records import Record
from lab.telemetry.store.retention import Bounds, retain, retain_texts, used_bytes
from lab.telemetry.store.tables import TABLES, Table
from lab.telemetry.store.texts import Texts
from lab.telemetry.store.window import timely

# A queued span takes about a kilobyte: a queue of 60,000, which a fast sender fills, took 30 MB more.
MAX_PENDING = 20_000
BATCH_RECORDS = 10_000
RETENTION_EVERY_S = 15.0


class Telemetry(Protocol):
    """Receives the writer's counts, for its metrics."""

    def written(self, table: str, records: int) -> None:
        """`records` new records were committed to a table."""

    def lost(self, reason: str, records: int) -> None:
        """`records` records could not be stored."""

    def refused(self, table: str, reason: str, records: int) -> None:
        """`records` records of a table were refused: from the future, or older than the retention."""

    def expired(self, records: int) -> None:
        """Retention deleted `records` records."""

    def size(self, used_bytes: int, pending_records: int) -> None:
        """The store uses `used_bytes`, and `pending_records` are queued."""


class Uncounted:
    """A receiver of the writer's counts that ignores them."""

    def written(self, table: str, records: int) -> None:
        """Records were committed."""

    def lost(self, reason: str, records: int) -> None:
        """Records were lost."""

    def refused(self, table: str, reason: str, records: int) -> None:
        """Records were refused."""

    def expired(self, records: int) -> None:
        """Records were deleted."""

    def size(self, used_bytes: int, pending_records: int) -> None:
        """The size of the store."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Batch:
    records: Sequence[Record]
    done: Future[None] | None


class Writer:
    """Owns the file for writing; start it with `with`.

    Raises:
        StoreError: from the constructor, when the file cannot be used.
    """

    def __init__(self, path: Path, bounds: Bounds, telemetry: Telemetry) -> None:
        self._path = path
        self._connection = open_for_writing(path)
        self._renewed_at = float("-inf")
        self._texts = Texts()
        self._bounds = bounds
        self._telemetry = telemetry
        self._batches: deque[_Batch] = deque()
        self._pending = 0
        self._closing = False
        self._changed = threading.Condition()
        self._next_retention = 0.0
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)

    def __enter__(self) -> "Writer":
        """Start writing."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Write what is pending, and close the file."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        self._connection.close()

    def offer(self, records: Sequence[Record]) -> bool:
        """Queue records without waiting; False when the queue is full, and none is queued."""
        return self._put(_Batch(records=self._timely(records), done=None))

    def commit(self, records: Sequence[Record], *, timeout_s: float) -> None:
        """Queue records for one transaction, and wait until it is committed.

        Raises:
            StoreTimeoutError: when it did not begin within `timeout_s`; the records are not written.
            StoreError: when the records could not be written; none of them was.
        """
        done: Future[None] = Future()
        if not self._put(_Batch(records=self._timely(records), done=done)):
            raise StoreTimeoutError("too many records wait to be stored")
        try:
            done.result(timeout_s)
        except TimeoutError as error:
            if not done.cancel():
                done.result()
                return
            raise StoreTimeoutError(f"the store took longer than {timeout_s:g} s") from error

    def _timely(self, records: Sequence[Record]) -> Sequence[Record]:
        kept, refused = timely(records, now_ns=clock.now_ns(), age_ns=self._bounds.age_ns)
        for (table, reason), count in refused.items():
            self._telemetry.refused(table, reason.value, count)
        return kept

    def _put(self, batch: _Batch) -> bool:
        with self._changed:
            full = self._pending > 0 and self._pending + len(batch.records) > MAX_PENDING
            if full or self._closing:
                self._telemetry.lost("queue_full", len(batch.records) if batch.done is None else 0)
                return False
            self._batches.append(batch)
            self._pending += len(batch.records)
            self._changed.notify_all()
            return True

    def _take(self) -> list[_Batch] | None:
        """Return queued batches for one transaction; [] when it is time for maintenance, None to stop."""
        with self._changed:
            self._changed.wait_for(lambda: self._batches or self._closing, RETENTION_EVERY_S)
            if not self._batches:
                return None if self._closing else []
            taken: list[_Batch] = []
            size = 0
            while self._batches and size < BATCH_RECORDS:
                batch = self._batches.popleft()
                size += len(batch.records)
                # A commit that timed out must not be written later: its caller retries.
                if batch.done is None or batch.done.set_running_or_notify_cancel():
                    taken.append(batch)
                else:
                    self._pending -= len(batch.records)
            return taken

    def _run(self) -> None:
        while (batches := self._take()) is not None:
            if batches:
                self._write(batches)
            self._maintain()

    def _write(self, batches: Sequence[_Batch]) -> None:
        try:
            self._transaction(batches)
        except (sqlite3.Error, OverflowError, ValueError) as error:
            if is_damage(error) and self._replace_store(str(error)):
                self._write(batches)
                return
            # The last two: a number or a character that SQLite cannot store.
            if len(batches) > 1:
                # A batch that cannot be written must not fail the others.
                for batch in batches:
                    self._write([batch])
                return
            self._give_up(batches[0], error)
        else:
            for batch in batches:
                if batch.done is not None:
                    batch.done.set_result(None)
        self._settle(sum(len(batch.records) for batch in batches))

    def _settle(self, records: int) -> None:
        with self._changed:
            self._pending -= records

    def _transaction(self, batches: Sequence[_Batch]) -> None:
        by_table: dict[type[Record], list[Record]] = {}
        for batch in batches:
            for record in batch.records:
                by_table.setdefault(type(record), []).append(record)
        counts: dict[str, int] = {}
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for kind, records in by_table.items():
                table = TABLES[kind]
                rows = self._rows(table, records)
                counts[table.name] = self._connection.executemany(table.insert, rows).rowcount
            self._connection.execute("COMMIT")
        except BaseException:
            self._texts.forget()
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        for name, count in counts.items():
            self._telemetry.written(name, count)

    def _rows(self, table: Table[Any], records: Sequence[Record]) -> Iterator[tuple[Any, ...]]:
        rows = map(table.row, records)
        return (
            map(partial(self._encoded, table.repeated, clock.now_ns()), rows)
            if table.repeated
            else rows
        )

    def _encoded(
        self, repeated: tuple[int, ...], now_ns: int, row: tuple[Any, ...]
    ) -> tuple[Any, ...]:
        values = list(row)
        for index in repeated:
            values[index] = self._texts.encoded(values[index], self._connection, now_ns)
        return tuple(values)

    def _replace_store(self, why: str) -> bool:
        """Set the damaged store aside; False when that was just done: a broken disk must not cause a loop."""
        if time.monotonic() < self._renewed_at + RETENTION_EVERY_S:
            return False
        self._renewed_at = time.monotonic()
        self._connection.close()
        self._connection = renewed(self._path, why)
        self._texts.forget()
        self._telemetry.lost("store_damaged", 0)
        return True

    def _check_suspicion(self) -> None:
        """Check the whole file when a reader has reported damage."""
        if not suspect(self._path).exists():
            return
        try:
            require_sound(self._connection)
        except StoreDamagedError as error:
            self._replace_store(error.why)
        else:
            suspect(self._path).unlink(missing_ok=True)

    def _give_up(self, batch: _Batch, error: Exception) -> None:
        if batch.done is None:
            self._telemetry.lost("store_failed", len(batch.records))
        else:
            failure = StoreError(f"the store cannot be written: {error}")
            failure.__cause__ = error
            batch.done.set_exception(failure)

    def _maintain(self) -> None:
        if time.monotonic() < self._next_retention:
            return
        self._next_retention = time.monotonic() + RETENTION_EVERY_S
        try:
            self._check_suspicion()
            for deleted in retain(self._connection, self._bounds, now_ns=clock.now_ns()):
                self._telemetry.expired(deleted)
                self._write_between_slices()
            if retain_texts(self._connection):
                self._texts.forget()
            self._telemetry.size(used_bytes(self._connection), self._pending)
        except sqlite3.Error as error:
            if is_damage(error):
                self._replace_store(str(error))
            # On a full disk deletions fail, too, until there is room for the write-ahead log.
            self._telemetry.lost("retention_failed", 0)

    def _write_between_slices(self) -> None:
        if self._batches and (batches := self._take()):
            self._write(batches)
