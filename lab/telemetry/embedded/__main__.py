"""`python -m lab.telemetry.embedded`: the embedded agent's process; its metrics on EMBEDDED_AGENT_PORT."""

import sys
import threading
import time
from types import MappingProxyType

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector

from lab.clients import database, services
from lab.foundation.errors import DatabaseError
from lab.foundation.settings import LabSettings
from lab.telemetry.embedded.collector import Collector
from lab.telemetry.embedded.delivery import AGGREGATION_S, BATCH_S, Delivery, Schedule
from lab.telemetry.embedded.openmetrics import OpenMetrics
from lab.telemetry.embedded.process import run_process
from lab.telemetry.store.senders import DEFAULT_ACTIVITY_S

# Method of the collector -> collection interval in ticks, as the documented defaults of the Agent's check.
COLLECTORS = MappingProxyType(
    {"metadata": 600, "check_metrics": 15, "statements": 10, "sessions": 1}
)
RETRY_S = 2.0
# `reported_hostname` of datadog/conf.d/postgres.d, by which monitors and dashboards select the database.
HOST = "credit-lab-postgres"
CRITICAL = 2


class Agent:
    """The loop: one tick a second, on one connection as the role `datadog`."""

    def __init__(self, settings: LabSettings, registry: CollectorRegistry) -> None:
        self._settings = settings
        self._delivery = Delivery.of(settings)
        activity_s = settings.embedded_agent_activity_seconds
        self._collector = Collector(
            host=HOST,
            database=settings.postgres_db,
            put=self._delivery.put,
            tags=tags_of(settings),
            activity_s=activity_s,
        )
        self._of_services = OpenMetrics(
            services.clients(settings), self._delivery.put, host=HOST, env=settings.dd_env
        )
        # Data that is collected faster is also sent faster.
        self._schedule = (
            Schedule(events_s=min(BATCH_S, activity_s), series_s=min(AGGREGATION_S, activity_s))
            if activity_s < DEFAULT_ACTIVITY_S
            else Schedule()
        )
        self._ticks = 0
        self._refused_at = float("-inf")
        self._waiting = Gauge(
            "lab_embedded_waiting_payloads",
            "Payloads that the intake has not accepted yet",
            registry=registry,
        )
        self._failures = Counter(
            "lab_embedded_failures",
            "Collections that failed, by collector; `connection` when there was no session",
            ["collector"],
            registry=registry,
        )
        skipped = Counter(
            "lab_embedded_rows_skipped",
            "Rows skipped because they could not be decoded, by collector",
            ["collector"],
            registry=registry,
        )
        for collector in ("connection", *COLLECTORS):
            self._failures.labels(collector)
            skipped.labels(collector)
        self._collector.skipped = lambda collector: skipped.labels(collector).inc()
        self._seconds = Counter(
            "lab_embedded_collection_seconds",
            "Time spent collecting, in seconds",
            registry=registry,
        )

    def run(self, stop: threading.Event) -> None:
        """Collect and send until `stop` is set; reconnect when the database is unavailable."""
        sender = threading.Thread(
            target=self._delivery.run, args=(stop, self._schedule, self._waiting.set), daemon=True
        )
        sender.start()
        threading.Thread(target=self._of_services.run, args=(stop,), daemon=True).start()
        while not stop.is_set():
            try:
                with database.connect(
                    database.dsn(self._settings, database.Role.DATADOG),
                    application_name="datadog-embedded-agent",
                ) as connection:
                    self._follow(connection, stop)
            except DatabaseError as error:
                print(f"embedded agent: {error}", file=sys.stderr, flush=True)
                self._failures.labels("connection").inc()
                self._report_no_connection()
                stop.wait(RETRY_S)
        sender.join()

    def _report_no_connection(self) -> None:
        """Send the service check as critical, at the interval of the check."""
        now = time.monotonic()
        if now - self._refused_at >= COLLECTORS["check_metrics"]:
            self._refused_at = now
            self._collector.can_connect(CRITICAL)

    def _follow(self, connection: database.Connection, stop: threading.Event) -> None:
        next_tick = time.monotonic()
        while not stop.wait(max(next_tick - time.monotonic(), 0)):
            begun = time.monotonic()
            self.tick(connection)
            self._seconds.inc(time.monotonic() - begun)
            # Missed ticks are skipped: two samples at one time have the same content.
            next_tick = max(next_tick + 1, time.monotonic())

    def tick(self, connection: database.Connection) -> None:
        """Run the collectors that are due; a failing one does not stop the others.

        Raises:
            DatabaseError: when the session is lost.
        """
        for name, every in COLLECTORS.items():
            if self._ticks % every == 0:
                self._collect(name, connection)
        self._ticks += 1

    def _collect(self, name: str, connection: database.Connection) -> None:
        try:
            getattr(self._collector, name)(connection)
        except DatabaseError as error:
            if connection.closed or error.sqlstate is None:
                raise
            print(f"embedded agent: {name}: {error}", file=sys.stderr, flush=True)
            self._failures.labels(name).inc()


def tags_of(settings: LabSettings) -> tuple[str, ...]:
    """Return the tags that the check adds to all series and events."""
    return (
        f"database_instance:{HOST}",
        f"env:{settings.dd_env}",
        f"port:{settings.postgres_port}",
    )


def run(settings: LabSettings, registry: CollectorRegistry, stop: threading.Event) -> None:
    """Run the embedded agent until `stop` is set."""
    ProcessCollector(registry=registry)
    Agent(settings, registry).run(stop)


if __name__ == "__main__":
    run_process("The embedded agent", run)
