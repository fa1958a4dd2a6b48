"""The log reader's thread: reads a piece of the log, and stores its records and position in one transaction.

After a failure (the directory does not exist yet, the store is full) it retries from the stored position, so
each line is stored exactly once.
"""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from lab.foundation import clock
from lab.telemetry.pglog.events import Kind
from lab.telemetry.pglog.extract import records_of
from lab.telemetry.pglog.line import InvalidLineError, parse
from lab.telemetry.pglog.tail import Piece, Tail
from lab.telemetry.redact import InvalidPlanError
from lab.telemetry.store import Event, Reader, Record, Statement, StoreError, Writer

POLL_S = 0.2
RETRY_S = 1.0
COMMIT_TIMEOUT_S = 30.0


class Telemetry(Protocol):
    """Receives the log reader's state, for its metrics."""

    def lines(self, count: int) -> None:
        """`count` lines were read and stored."""

    def read_until(self, at_ns: int) -> None:
        """Every line that was written before this time is stored; nanoseconds since 1970."""

    def unreadable(self, reason: str) -> None:
        """A line or a plan could not be parsed."""

    def behind(self, unread_bytes: int) -> None:
        """`unread_bytes` of the log are not read yet."""

    def trouble(self, reason: str | None) -> None:
        """Set the reason why the log cannot be read; None when it can."""


class LogReader:
    """Follows a log directory from the stored positions; start it with `with`."""

    def __init__(
        self, directory: Path, reader: Reader, writer: Writer, telemetry: Telemetry
    ) -> None:
        self._tail = Tail(directory, reader.log_positions())
        self._directory = directory
        self._writer = writer
        self._telemetry = telemetry
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-reader", daemon=True)

    def __enter__(self) -> "LogReader":
        """Start following."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop after the current piece."""
        self._stop.set()
        self._thread.join()

    def catch_up(self) -> int:
        """Read and store all unread lines; return their number.

        Raises:
            OSError: when the log cannot be read.
            StoreError: when the store cannot be written.
        """
        total = 0
        while piece := self._tail.next(now_ns=clock.now_ns()):
            records = self._records(piece)
            self._writer.commit(records, timeout_s=COMMIT_TIMEOUT_S)
            self._tail.advance(piece)
            self._telemetry.lines(len(piece.lines))
            self._telemetry.read_until(piece.position.at_ns)
            total += len(piece.lines)
            if self._stop.is_set():
                break
        return total

    def _run(self) -> None:
        pause = 0.0
        while not self._stop.wait(pause):
            try:
                if not self.catch_up():
                    self._record_idle_log()
                self._telemetry.behind(self._tail.unread_bytes())
            except PermissionError:
                self._telemetry.trouble(
                    f"{self._directory} cannot be read; run the lab as the user who started PostgreSQL"
                )
                pause = RETRY_S
            except (OSError, StoreError) as error:
                self._telemetry.trouble(str(error))
                pause = RETRY_S
            else:
                self._telemetry.trouble(None)
                pause = POLL_S

    def _record_idle_log(self) -> None:
        """Store the time of the last read, so that a log without new lines does not look unread."""
        if piece := self._tail.nothing_new(clock.now_ns()):
            self._writer.commit([piece.position], timeout_s=COMMIT_TIMEOUT_S)
            self._tail.advance(piece)
            self._telemetry.read_until(piece.position.at_ns)

    def _records(self, piece: Piece) -> Sequence[Record]:
        records: list[Record] = []
        statements: dict[str, Statement] = {}
        for raw in piece.lines:
            try:
                found = records_of(parse(raw))
            except InvalidLineError:
                self._telemetry.unreadable("line")
            except InvalidPlanError:
                self._telemetry.unreadable("plan")
            else:
                for record in found:
                    if isinstance(record, Statement):
                        statements[record.key] = record
                        continue
                    records.append(record)
                    if isinstance(record, Event) and record.kind == Kind.PLAN_REJECTED:
                        self._telemetry.unreadable("plan")
        return [*records, *statements.values(), piece.position]
