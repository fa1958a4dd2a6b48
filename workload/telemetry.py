"""Metrics of the database layer: the adapter between `database` and `metrics`."""

from collections.abc import Callable
from functools import cache
from typing import TypeAlias

from workload.metrics import Metrics
from workload.statements import Statement

# Faster executions have no exemplar: it would cost each of them some microseconds.
EXEMPLAR_S = 0.001
# Trace and span id of the active operation; None without one.
Exemplar: TypeAlias = Callable[[], dict[str, str] | None]


def _none() -> None:
    return None


class DatabaseTelemetry:
    """Counts for one service; implements `workload.database.Telemetry`."""

    def __init__(self, metrics: Metrics, service: str, active: Exemplar = _none) -> None:
        self._active = active
        self._waited = metrics.histogram("credit_pool_wait_seconds", service=service)
        self._wait_clock = metrics.clocks.of(service, "pool", "wait")
        self._timed_out = metrics.counter("credit_pool_timeouts", service=service)
        # Looked up once for each name: a lookup by all labels costs as much as an observation.
        self._duration_of = cache(
            lambda statement: metrics.histogram(
                "credit_statement_duration_seconds", service=service, statement=statement
            )
        )
        self._rows_of = cache(
            lambda statement: metrics.counter(
                "credit_statement_rows", service=service, statement=statement
            )
        )
        self._metrics = metrics
        self._service = service

    def waited(self, seconds: float) -> None:
        """Connection checkout wait, in seconds."""
        self._waited.observe(seconds)
        self._wait_clock.observe(seconds)

    def timed_out(self) -> None:
        """No connection of the pool became free in time."""
        self._timed_out.inc()

    def executed(self, statement: Statement, seconds: float, rows: int) -> None:
        """A statement succeeded, and returned or wrote rows; -1 when the driver does not know."""
        exemplar = self._active() if seconds >= EXEMPLAR_S else None
        self._duration_of(statement.name).observe(seconds, exemplar)
        self._rows_of(statement.name).inc(max(rows, 0))
        self._metrics.clocks.of(self._service, "statement", statement.name).observe(seconds)

    def wrote(self, table: str, action: str, rows: int) -> None:
        """A statement wrote rows; the transaction may still be rolled back."""
        self._metrics.counter(
            "credit_rows_attempted", service=self._service, table=table, action=action
        ).inc(rows)

    def failed(self, sqlstate: str) -> None:
        """A statement, commit or connect failed."""
        self._metrics.counter(
            "credit_database_errors", service=self._service, sqlstate_class=sqlstate[:2]
        ).inc()
