"""Metrics of the database layer: the adapter between `database` and `metrics`."""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple, TypeAlias

from workload.clocks import Clock
from workload.exemplars import SpanIds
from workload.metrics import Metrics
from workload.recordings import Counter
from workload.statements import Statement

# Faster executions have no exemplar: it would cost each of them a microsecond.
EXEMPLAR_S = 0.001
# Ids of the active operation's root span; None without one.
Active: TypeAlias = Callable[[], SpanIds | None]


def _none() -> None:
    return None


class _Executions(NamedTuple):
    """The metrics of one statement, looked up once."""

    duration: Clock
    rows: Counter


class DatabaseTelemetry:
    """Counts for one service; implements `workload.database.Telemetry`."""

    def __init__(self, metrics: Metrics, service: str, active: Active = _none) -> None:
        self._active = active
        self._service = service
        self._metrics = metrics
        self._wait = metrics.histogram("credit_pool_wait_seconds", service=service)
        self._timed_out = metrics.counter("credit_pool_timeouts", service=service)
        self._executions: dict[str, _Executions] = {}
        self._attempted = cache(
            lambda table, action: metrics.counter(
                "credit_rows_attempted", service=service, table=table, action=action
            )
        )

    def waited(self, seconds: float) -> None:
        """Connection checkout wait, in seconds."""
        self._wait.observe(seconds)

    def timed_out(self) -> None:
        """No connection of the pool became free in time."""
        self._timed_out.inc()

    def executed(self, statement: Statement, seconds: float, rows: int) -> None:
        """A statement succeeded, and returned or wrote rows; -1 when the driver does not know."""
        name = statement.name
        executions = self._executions.get(name) or self._executions_of(name)
        executions.duration.observe(seconds, self._active() if seconds >= EXEMPLAR_S else None)
        if rows > 0:
            executions.rows.inc(rows)

    def wrote(self, table: str, action: str, rows: int) -> None:
        """A statement wrote rows; the transaction may still be rolled back."""
        self._attempted(table, action).inc(rows)

    def failed(self, sqlstate: str) -> None:
        """A statement, commit or connect failed."""
        self._metrics.counter(
            "credit_database_errors", service=self._service, sqlstate_class=sqlstate[:2]
        ).inc()

    def _executions_of(self, statement: str) -> _Executions:
        labels = {"service": self._service, "statement": statement}
        return self._executions.setdefault(
            statement,
            _Executions(
                self._metrics.histogram("credit_statement_duration_seconds", **labels),
                self._metrics.counter("credit_statement_rows", **labels),
            ),
        )
