"""The thread that reads ground truth each second: PostgreSQL as the role `lab`, and the services' clocks.

It runs in the console. A source that does not answer is missing in the reading, and is asked again some
seconds later.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from lab.clients.database import Connection, read_only, rows
from lab.clients.services import ServiceClient, ServiceUnreachableError, clients
from lab.foundation import clock
from lab.foundation.errors import DatabaseError
from lab.foundation.settings import LabSettings
from lab.telemetry import redact
from lab.telemetry.sampling import SamplingThread
from lab.telemetry.store import Record, TruthReading
from lab.telemetry.truth.readings import Kind, encoded
from workload.statements import texts

# Sizes and buckets are read with each of so many readings.
SELDOM = 10
RETRY_S = 5.0
TIMEOUT_S = 2.0
CLOCK_TIMEOUT_S = 0.8
QUERIES = {
    name.removeprefix("truth_"): sql
    for name, sql in texts(Path(__file__).with_name("queries.sql"), service="credit-lab").items()
}
# Query -> kind of its rows.
KINDS = {
    "database": "database", "server": "server", "sessions": "sessions", "tables": "table",
    "statements": "statement", "roles": "role", "sizes": "size",
}  # fmt: skip

Clocks: TypeAlias = dict[str, tuple[int, float, dict[int, int]]]


class Telemetry(Protocol):
    """Receives the sampler's counts, for its metrics."""

    def truth_read(self, seconds: float, payload_bytes: int) -> None:
        """A reading took `seconds` and has `payload_bytes`, compressed."""

    def truth_failed(self, source: str) -> None:
        """A source (`postgres`, or a service) did not answer."""


class Sampler(SamplingThread):
    """Offers a reading each second."""

    def __init__(
        self,
        settings: LabSettings,
        offer: Callable[[Sequence[Record]], bool],
        telemetry: Telemetry,
    ) -> None:
        super().__init__(
            settings, name="truth", application_name="credit-lab-truth", retry_s=RETRY_S
        )
        self._services = clients(settings)
        self._offer = offer
        self._telemetry = telemetry
        self._ticks = 0
        self._not_before: dict[str, float] = {}

    def take(self, connection: Connection) -> None:
        """Offer one reading."""
        records = self.read(connection)
        self._telemetry.truth_read(
            records[0].took_ns / 1e9, sum(len(one.payload) for one in records)
        )
        self._offer(records)

    def failed(self, error: DatabaseError) -> None:
        """Count a failed reading of PostgreSQL."""
        del error
        self._telemetry.truth_failed("postgres")

    def read(self, connection: Connection) -> list[TruthReading]:
        """Read all sources once; counters first.

        Raises:
            DatabaseError: when the database does not answer.
        """
        seldom = self._ticks % SELDOM == 0
        self._ticks += 1
        at_ns, begun = clock.now_ns(), time.monotonic()
        clocks = self._clocks(buckets=False)
        found: dict[str, Any] = {"clock": {name: values[:2] for name, values in clocks.items()}}
        # As the role lab itself, so that pg_stat_statements shows the cost under its name.
        with read_only(connection, statement_timeout_s=TIMEOUT_S):
            for query, sql in QUERIES.items():
                if query != "sizes" or seldom:
                    found[KINDS[query]] = {
                        _name(query, name): [float(value or 0) for value in values]
                        for name, *values in rows(connection, sql)
                    }
        took_ns = round((time.monotonic() - begun) * 1e9)
        records = [encoded(Kind.COUNTERS, found, at_ns=at_ns, took_ns=took_ns)]
        if seldom:
            at_ns, begun = clock.now_ns(), time.monotonic()
            buckets = {name: values[2] for name, values in self._clocks(buckets=True).items()}
            took_ns = round((time.monotonic() - begun) * 1e9)
            records.append(encoded(Kind.BUCKETS, buckets, at_ns=at_ns, took_ns=took_ns))
        return records

    def _clocks(self, *, buckets: bool) -> Clocks:
        found: Clocks = {}
        for service in self._services:
            found |= self._clocks_of(service, buckets=buckets)
        return found

    def _clocks_of(self, service: ServiceClient, *, buckets: bool) -> Clocks:
        if time.monotonic() < self._not_before.get(service.name, 0.0):
            return {}
        try:
            return service.clocks(buckets=buckets, timeout_s=CLOCK_TIMEOUT_S)
        except ServiceUnreachableError:
            self._not_before[service.name] = time.monotonic() + RETRY_S
            self._telemetry.truth_failed(service.name)
            return {}


def _name(query: str, name: str) -> str:
    """Return the name of a row; a table's by the rule for names, because it may contain personal data."""
    return (redact.label(name) or "") if query in {"tables", "sizes"} else name
