"""What is fuzzed: every decoder of the intake, the redactor, and the log reader's lines.

The first byte of an input chooses the target, the rest is its body. A target may refuse (RejectedError,
InvalidLineError, InvalidPlanError); anything else it raises is a finding. What it returns must fit into
the store: each record is turned into a row and bound by a real SQLite.
"""

import sqlite3
from collections.abc import Callable, Iterable
from types import MappingProxyType

from lab.telemetry import redact
from lab.telemetry.intake import STREAMS, RejectedError
from lab.telemetry.pglog import InvalidLineError, parse, records_of
from lab.telemetry.store import Record
from lab.telemetry.store.file import SCHEMA
from lab.telemetry.store.tables import TABLES

MAX_BODY = 4096


def _memory() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(SCHEMA.read_text(encoding="utf-8"))
    return connection


_store = _memory()


def _stream(path: str) -> Callable[[bytes], Iterable[Record]]:
    return lambda body: STREAMS[path].decode(body).records


def _redact(body: bytes) -> Iterable[Record]:
    once = redact.statement(body.decode("utf-8", "replace")).text
    assert redact.statement(once).text == once
    redact.error_message(once, "22P02")
    redact.plan(body)
    return ()


TARGETS = MappingProxyType({
    0: _stream("/v0.5/traces"),
    1: _stream("/v0.4/traces"),
    2: _stream("/api/v0.2/traces"),
    3: _stream("/api/v2/databasequery"),
    4: _stream("/api/v2/dbmmetrics"),
    5: _stream("/api/v2/dbmactivity"),
    6: _stream("/api/v2/dbmmetadata"),
    7: _stream("/api/v2/series"),
    8: lambda body: records_of(parse(body)),
    9: _redact,
    10: _stream("/api/v0.2/stats"),
    11: _stream("/api/v1/check_run"),
})  # fmt: skip


def one(data: bytes) -> bool:
    """Run one input; returns whether it was taken (else it was refused)."""
    if not data:
        return False
    target = TARGETS[data[0] % len(TARGETS)]
    try:
        records = target(data[1:])
    except (RejectedError, InvalidLineError, redact.InvalidPlanError):
        return False
    _store.execute("BEGIN")
    try:
        for record in records:
            table = TABLES[type(record)]
            _store.execute(table.insert, table.row(record))
            table.of_rows([table.row(record)])
    finally:
        _store.execute("ROLLBACK")
    return True
