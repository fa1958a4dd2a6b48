"""One service in one process: builds its parts, starts them, and stops them in order.

Each process has its own DD_SERVICE, pool, metrics port and instance id.
"""

import logging
import threading
from uuid import UUID, uuid4

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from workload import __version__
from workload.database import ERROR_CLASSES, Database
from workload.engine import Engine
from workload.metrics import Metrics
from workload.operation import Service
from workload.replicas import Replicas
from workload.runner import Runner
from workload.settings import Settings
from workload.statements import STATEMENTS
from workload.telemetry import DatabaseTelemetry
from workload.tracing import Tracing

log = logging.getLogger(__name__)

DRAIN_S = 10.0


def new_registry() -> CollectorRegistry:
    """Return a registry with the metrics of this process: CPU, memory, garbage collection."""
    # A _created series for every counter of the shop would double its series in Prometheus, without use.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class RunningService:
    """A service with its engine, runner and pool."""

    def __init__(
        self, service: Service, *, settings: Settings, metrics: Metrics, tracing: Tracing
    ) -> None:
        self.service = service
        self.metrics = metrics
        self.instance: UUID = uuid4()
        self._stop = threading.Event()
        name = service.dd_service
        self.database = Database(
            settings,
            service=name,
            size=settings.workload_pool_size or service.threads(settings),
            telemetry=DatabaseTelemetry(metrics, name, tracing.active),
        )
        self.runner = Runner(
            service,
            settings=settings,
            instance=self.instance,
            database=self.database,
            metrics=metrics,
            tracing=tracing,
            stop=self._stop,
        )
        self.replicas = Replicas(settings.workload_replicas_host)
        self.engine = Engine(
            service=name,
            operations=service.operations,
            threads=service.threads(settings),
            settings=settings,
            metrics=metrics,
            run=self.runner.run,
            share=lambda: self.replicas.share,
        )
        self._declare(metrics)

    def _declare(self, metrics: Metrics) -> None:
        """Create the label sets that are known beforehand, so that each series starts at zero."""
        name = self.service.dd_service
        metrics.gauge(
            "credit_service_info",
            service=name,
            service_instance=str(self.instance),
            version=__version__,
        ).set(1)
        pool = {"idle": lambda: self.database.idle, "busy": lambda: self.database.busy}
        for state, count in pool.items():
            metrics.gauge("credit_pool_connections", service=name, state=state).set_function(count)
        metrics.preset("credit_database_errors", "sqlstate_class", ERROR_CLASSES, service=name)
        own = (s for s in STATEMENTS.values() if s.service in {name, "shared"})
        for write in (write for statement in own for write in statement.writes):
            actions = ("insert", "update") if write.action == "upsert" else (write.action,)
            metrics.preset(
                "credit_rows_attempted", "action", actions, service=name, table=write.table
            )

    def start(self) -> None:
        """Start arrivals."""
        self.replicas.start()
        self.engine.start()

    def pause(self, *, timeout: float) -> bool:
        """Quiesce: nothing runs, no connection is open; return whether that was reached in time."""
        paused = self.engine.pause(timeout=timeout)
        self.database.close_idle()
        return paused

    def stop(self) -> bool:
        """Drain and close; return whether all queued operations were finished."""
        # First, so that no thread continues to wait for an unavailable database.
        self._stop.set()
        self.replicas.stop()
        drained = self.engine.drain(timeout=DRAIN_S)
        self.database.close_idle()
        log.info("stopped" if drained else "stopped with operations unfinished")
        return drained
