"""Reads the store: typed records, a time limit for each call, and no lock that blocks the writer."""

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from lab.telemetry.store.errors import (
    OutOfRangeError,
    StoreDamagedError,
    StoreError,
    StoreTimeoutError,
)
from lab.telemetry.store.file import is_damage, open_for_reading, raise_suspicion
from lab.telemetry.store.records import Execution, LogPosition, Plan, Record, Span
from lab.telemetry.store.tables import TABLES, Table

R = TypeVar("R", bound=Record)
TIMEOUT_S = 2.0
# SQLite's instructions between two checks of the deadline: some tenths of a millisecond.
INSTRUCTIONS = 10_000
DEFAULT_LIMIT = 10_000


class Reader:
    """Opens the file for each call, so that any thread may use it."""

    def __init__(self, path: Path, *, timeout_s: float = TIMEOUT_S) -> None:
        self._path = path
        self._timeout_s = timeout_s

    def select(
        self,
        record: type[R],
        condition: str = "true",
        parameters: Sequence[object] = (),
        *,
        order: str = "rowid",
        limit: int = DEFAULT_LIMIT,
    ) -> list[R]:
        """Return the records of a table that meet a condition.

        Args:
            record: the table's class.
            condition: constant SQL of the lab; values only through `parameters`.
            parameters: for the condition's question marks.
            order: constant SQL of the lab.
            limit: the maximum number of records.

        Raises:
            StoreTimeoutError: when it takes longer than the reader's time limit.
            StoreError: when there is no store.
        """
        table: Table[R] = TABLES[record]
        columns = ", ".join(table.columns)
        sql = f"SELECT {columns} FROM {table.name} WHERE {condition} ORDER BY {order} LIMIT ?"
        found = self.rows(sql, (*parameters, limit))
        try:
            return table.of_rows(found)
        except (ValueError, TypeError) as error:
            raise StoreDamagedError(
                f"a row of table {table.name} cannot be read: {error}"
            ) from error

    def rows(
        self, sql: str, parameters: Sequence[object] | Mapping[str, object] = ()
    ) -> list[tuple[Any, ...]]:
        """Return the rows of a query of the lab; raises as `select` does."""
        with self._connection() as connection:
            return connection.execute(sql, parameters).fetchall()

    def trace(self, trace_id: str) -> list[Span]:
        """Return the spans of a trace, ordered by start."""
        return self.select(Span, "trace_id = ?", [trace_id], order="start_ns, duration_ns DESC")

    def executions_of(self, trace_id: str) -> list[Execution]:
        """Return the statement executions of a trace that PostgreSQL logged."""
        return self.select(Execution, "trace_id = ?", [trace_id], order="at_ns")

    def plans_of(self, trace_id: str) -> list[Plan]:
        """Return the plans of a trace's statements, executed ones first."""
        return self.select(Plan, "trace_id = ?", [trace_id], order="executed DESC, at_ns")

    def log_positions(self) -> dict[str, LogPosition]:
        """Return the read position in each log file, by the file's name."""
        return {position.file: position for position in self.select(LogPosition)}

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        connection = open_for_reading(self._path)
        deadline = time.monotonic() + self._timeout_s
        connection.set_progress_handler(lambda: time.monotonic() > deadline, INSTRUCTIONS)
        try:
            yield connection
        except (OverflowError, UnicodeEncodeError) as error:
            raise OutOfRangeError from error
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.ProgrammingError):
                raise  # a bug of the lab
            if is_damage(error):
                raise_suspicion(self._path)
                raise StoreDamagedError(str(error)) from error
            if time.monotonic() > deadline:
                raise StoreTimeoutError(
                    f"the store did not answer within {self._timeout_s:g} s; use a shorter time range"
                ) from error
            raise StoreError(f"the store cannot be read: {error}") from error
        finally:
            connection.close()
