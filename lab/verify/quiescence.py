"""Snapshots of the counters of application and database at two quiescent moments.

Quiescent: no operation runs and no session of the services is open, so that every backend has flushed its
statistics. The services are resumed in any case.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from threading import Event
from time import monotonic

from lab.clients import database
from lab.clients.services import Sample, ServiceClient
from lab.foundation.errors import LabError
from lab.foundation.settings import LabSettings
from lab.verify import ledger
from lab.verify.invariants import FIGURES
from lab.verify.ledger import Ledger

SESSIONS_TIMEOUT_S = 10.0
POLL_S = 0.05
ACTIONS = ("insert", "update", "delete")
# A table, and an action on its rows.
Key = tuple[str, str]


class NotQuiescentError(LabError):
    """A client other than the services has a session as credit_app; close it and run the command again."""


class NotResumedError(LabError):
    """A service could not be resumed; it resumes by itself a minute after it was paused."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CounterSnapshot:
    """The counters of application and database at a quiescent moment."""

    samples: Sequence[Sample]
    attempted_in_database: Counter[Key]
    ledger: Ledger
    server_start: datetime

    @property
    def instances(self) -> dict[str, str]:
        """The id of each service's process, by the service's name."""
        return _instances(self.samples)

    @property
    def attempted_in_application(self) -> Counter[Key]:
        """Rows attempted, by the counters of all services."""
        rows: Counter[Key] = Counter()
        for sample in self.samples:
            if sample.name == "credit_rows_attempted_total":
                rows[sample.labels["table"], sample.labels["action"]] += int(sample.value)
        return rows

    def total(self, name: str, **labels: str) -> float:
        """The sum over the samples of a metric that have these labels."""
        return sum(
            sample.value
            for sample in self.samples
            if sample.name == name and all(sample.labels.get(k) == v for k, v in labels.items())
        )


@contextmanager
def quiescent(
    services: Sequence[ServiceClient], connection: database.Connection
) -> Iterator[CounterSnapshot]:
    """Pause the services, yield a snapshot of the counters, and resume the services."""
    try:
        for service in services:
            service.pause()
        _await_no_sessions(connection)
        yield _read(services, connection)
    except BaseException as first:
        # The first error is the cause; a service that stays paused is added as a note.
        for failure in _resume(services):
            first.add_note(str(failure))
        raise
    if failures := _resume(services):
        raise NotResumedError("\n".join(map(str, failures)))


def _resume(services: Sequence[ServiceClient]) -> list[NotResumedError]:
    """Resume every service, also after a failure of another; return the failures."""
    failures = []
    for service in services:
        try:
            service.resume()
        except LabError as error:
            failures.append(
                NotResumedError(
                    f"credit-{service.name} could not be resumed: {error}\n"
                    "It resumes by itself a minute after it was paused; or run ./creditlab restart."
                )
            )
    return failures


def window(
    services: Sequence[ServiceClient], settings: LabSettings, *, seconds: float
) -> tuple[CounterSnapshot, CounterSnapshot]:
    """Return the snapshots at the start and at the end of a window in which the services ran.

    Raises:
        NotQuiescentError: when a session that is not the services' stays open.
        NotResumedError: when a service stays paused, and nothing else failed.
        ServiceUnreachableError: when a service became unreachable within the window.
    """
    with database.connect(database.dsn(settings, database.Role.LAB)) as connection:
        with quiescent(services, connection) as start:
            pass
        Event().wait(seconds)
        with quiescent(services, connection) as end:
            return start, end


def _await_no_sessions(connection: database.Connection) -> None:
    deadline = monotonic() + SESSIONS_TIMEOUT_S
    while monotonic() < deadline:
        [[sessions]] = database.rows(connection, FIGURES["open_sessions"].sql)
        if sessions == 0:
            return
        Event().wait(POLL_S)
    raise NotQuiescentError(
        f"{sessions} sessions of credit_app are still open {SESSIONS_TIMEOUT_S:g} s after the services"
        " closed theirs. Close the other clients that use this role, and run the command again."
    )


def _read(services: Sequence[ServiceClient], connection: database.Connection) -> CounterSnapshot:
    attempted: Counter[Key] = Counter()
    for table, *counts in database.rows(connection, FIGURES["attempted_rows"].sql):
        attempted.update({(table, action): n for action, n in zip(ACTIONS, counts, strict=True)})
    [[server_start]] = database.rows(connection, FIGURES["server_start"].sql)
    samples = [sample for service in services for sample in service.samples()]
    return CounterSnapshot(
        samples=samples,
        ledger=ledger.read(connection, list(_instances(samples).values())),
        attempted_in_database=attempted,
        server_start=server_start,
    )


def _instances(samples: Sequence[Sample]) -> dict[str, str]:
    return {
        sample.labels["service"]: sample.labels["service_instance"]
        for sample in samples
        if sample.name == "credit_service_info"
    }
