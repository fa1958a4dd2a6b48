"""The collectors: samples each second, activity and deltas every 10 s, metrics every 15 s, metadata 600 s."""

import sys
import time
from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from lab.clients.database import Connection, Parameters, Row, read_only, rows
from lab.foundation import clock
from lab.foundation.errors import DatabaseError
from lab.telemetry.embedded import events, metrics
from lab.telemetry.embedded.delivery import SERIES, SERVICE_CHECKS
from lab.telemetry.embedded.deltas import Counters, deltas
from lab.telemetry.embedded.explain import Limits, NoPlan, refusal
from lab.telemetry.redact import InvalidPlanError
from lab.telemetry.store.senders import DEFAULT_ACTIVITY_S
from workload.statements import texts

QUERIES = {
    name: sql
    for file in ("queries.sql", "metrics.sql")
    for name, sql in texts(Path(__file__).with_name(file), service="embedded-agent").items()
}
Item = TypeVar("Item")
Read = TypeVar("Read")
Put = Callable[[str, list[events.Event]], None]
MAX_TEXTS = 20_000
SAMPLE_S = 1.0
# `service` of datadog/conf.d/postgres.d.
SERVICE = "credit-postgres"
STATEMENT_TIMEOUT_S = 2.0


@dataclass(kw_only=True)
class Collector:
    """Collects from a connection into `put`; its state (counters, texts) outlives the connection."""

    host: str
    database: str
    put: Put
    # Of all events and series, beside those of the embedded agent itself.
    tags: Sequence[str] = ()
    service: str = SERVICE
    # Seconds between two activity events; samples between them are only explained.
    activity_s: float = DEFAULT_ACTIVITY_S
    limits: Limits = field(default_factory=Limits)
    # Called with the collector's name for each row that could not be decoded.
    skipped: Callable[[str], None] = lambda _: None
    _sampler: metrics.Sampler | None = None
    _before: Counters | None = None
    _texts: dict[int, str] = field(default_factory=dict)
    # Texts from pg_stat_activity, for statements whose text pg_stat_statements cannot return.
    _sampled: dict[int, str] = field(default_factory=dict)
    _text_size: int | None = None
    # Idle sessions whose statement is older have been sampled before.
    _newest_start: datetime | None = None
    _activity_at_s: float = float("-inf")

    def sessions(self, connection: Connection) -> None:
        """Sample pg_stat_activity, explain a few of the sampled statements, and send activity when it is due.

        Raises:
            DatabaseError: when the database does not answer.
        """
        if self._text_size is None:
            self._text_size = int(_query(connection, "text_size")[0][0])
        parameters = {"newest_start": self._newest_start}
        rows_found = [
            dict(zip(events.SESSION, row, strict=True))
            for row in _query(connection, "sessions", parameters)
        ]
        starts = [row["query_start"] for row in rows_found]
        self._newest_start = max((s for s in (self._newest_start, *starts) if s), default=None)
        at_ms = clock.now_s() * 1000
        size = self._text_size
        found = list(
            self._readable("sessions", rows_found, lambda row: events.session(row, size=size))
        )
        if len(self._sampled) > MAX_TEXTS:
            self._sampled.clear()
        self._sampled.update((row["query_id"], row["query"]) for row, _ in found if row["query_id"])
        if self._is_activity_due():
            connections = [
                dict(zip(events.CONNECTIONS, row, strict=True))
                for row in _query(connection, "connections")
            ]
            event = events.activity(
                [session for _, session in found if session["state"] != "idle"],
                connections,
                self._common(at_ms),
                interval_s=self.activity_s,
            )
            self.put("/api/v2/dbmactivity", [event])
        plans = self._readable("sessions", found, lambda one: self._plan(connection, *one))
        self.put("/api/v2/databasequery", [plan for _, plan in plans if plan is not None])

    def _is_activity_due(self) -> bool:
        """Whether activity is due, to half a second: samples are taken each second, not exactly."""
        now = time.monotonic()
        due = now - self._activity_at_s > self.activity_s - SAMPLE_S / 2
        if due:
            self._activity_at_s = now
        return due

    def statements(self, connection: Connection) -> None:
        """Send the deltas of pg_stat_statements since the last call; the first call only reads the counters.

        Raises:
            DatabaseError: when the database does not answer.
        """
        now = Counters.of_rows(_query(connection, "statement_counters"))
        changed = deltas(self._before, now)
        self._before = now
        try:
            self._read_texts(connection, {queryid for queryid, _, _ in changed})
        finally:
            # One text of an SQL_ASCII database that is not in this database's encoding fails the reading of
            # all texts. The counters are reported all the same.
            texts = ChainMap(self._texts, self._sampled)
            described = self._readable(
                "statements", changed.items(), lambda one: events.query(*one, texts)
            )
            if found := [query for _, query in described]:
                event = events.metrics(found, self._common(clock.now_s() * 1000))
                self.put("/api/v2/dbmmetrics", [event])

    def check_metrics(self, connection: Connection) -> None:
        """Send the check's metrics; a failing query does not stop the others.

        Raises:
            DatabaseError: when the session is lost.
        """
        sampler = self._sampler = self._sampler or metrics.Sampler(
            host=self.host, tags=(*events.TAGS, f"service:{self.service}", *self.tags)
        )
        sampler.begin()
        found: list[events.Event] = []
        for name, query in metrics.QUERIES.items():
            try:
                found_rows = _query(connection, name)
            except DatabaseError as error:
                if connection.closed or error.sqlstate is None:
                    raise
                print(f"embedded agent: {name}: {error}", file=sys.stderr, flush=True)
                self.skipped("check_metrics")
                continue
            found.extend(sampler.series(query, found_rows, at_s=clock.now_s()))
        self.put(SERIES, found)

        self.can_connect(0)

    def can_connect(self, status: int) -> None:
        """Send the service check postgres.can_connect: 0 ok, 2 critical."""
        tags = [*events.TAGS, f"service:{self.service}", *self.tags, f"db:{self.database}"]
        run = events.service_check(
            events.CAN_CONNECT, status, tags, host=self.host, at_s=clock.now_s()
        )
        self.put(SERVICE_CHECKS, [run])

    def metadata(self, connection: Connection) -> None:
        """Send settings and tables.

        Raises:
            DatabaseError: when the database does not answer.
        """
        at_ms = clock.now_s() * 1000
        settings = _query(connection, "settings")
        columns = _query(connection, "columns")
        found = [
            events.settings(settings, self._common(at_ms)),
            events.schema(columns, self.database, self._common(at_ms)),
        ]
        self.put("/api/v2/dbmmetadata", found)

    def _readable(
        self, collector: str, items: Iterable[Item], read: Callable[[Item], Read]
    ) -> Iterator[tuple[Item, Read]]:
        """Yield each item with its decoded form; an item that cannot be decoded is counted and skipped."""
        for item in items:
            try:
                yield item, read(item)
            except DatabaseError:
                raise
            except Exception as error:  # noqa: BLE001 - one row must not lose the others
                print(
                    f"embedded agent: {collector}: a row: {type(error).__name__}", file=sys.stderr
                )
                self.skipped(collector)

    def _read_texts(self, connection: Connection, queryids: set[int]) -> None:
        """Read the texts of new queryids, once: the server reads a file for them, and they do not change."""
        unknown = sorted(queryids - self._texts.keys())
        if not unknown:
            return
        if len(self._texts) > MAX_TEXTS:
            self._texts.clear()
            unknown = sorted(queryids)
        found = _query(connection, "statement_texts", {"queryids": unknown})
        # A text is NULL when the server has lost the file with all of them.
        self._texts.update((queryid, text) for queryid, text in found if text is not None)

    def _plan(
        self, connection: Connection, row: dict[str, Any], session: events.Event
    ) -> events.Event | None:
        """Return the sample of a session's statement that is due: its plan, or why it has none."""
        text, database = row["query"] or "", row["datname"]
        assert self._text_size is not None
        key = database, str(session["query_signature"])
        if database != self.database or not self.limits.allows(key, now=time.monotonic()):
            return None
        event = partial(events.plan, session, row, self._common(clock.now_s() * 1000))
        if reason := refusal(text, size=self._text_size):
            return event(error=reason)
        try:
            # The function's own settings would leave transaction_read_only as set by the session.
            ((document,),) = _query(connection, "explain", {"statement": text}, roll_back=True)
            return event(definition=msgspec.json.encode(document).decode())
        except DatabaseError as error:
            if error.sqlstate is None:
                raise
            return event(error=NoPlan.DATABASE_ERROR, message=f"SQLSTATE {error.sqlstate}")
        except InvalidPlanError:
            return event(error=NoPlan.INVALID)

    def _common(self, at_ms: float) -> events.Common:
        return events.Common(host=self.host, at_ms=at_ms, service=self.service, tags=self.tags)


def _query(
    connection: Connection,
    query: str,
    parameters: Parameters | None = None,
    *,
    roll_back: bool = False,
) -> list[Row]:
    with read_only(connection, statement_timeout_s=STATEMENT_TIMEOUT_S, roll_back=roll_back):
        return rows(connection, QUERIES[query], parameters)
