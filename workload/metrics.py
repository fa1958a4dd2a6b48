"""Every metric of the services, declared in one table, on a registry of the caller.

A test compares `docs/metrics.md` with this table. Counters are created for every label set that is
known beforehand, so that a rate over a first event is correct.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from workload.clocks import Clocks

Metric: TypeAlias = Counter | Gauge | Histogram

# From a point read on a warm cache to a statement timeout; finer between 5 ms and 250 ms.
SECONDS = (
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Declaration:
    """One metric: its name in Prometheus, without the suffixes of its type."""

    name: str
    kind: type[Metric]
    help: str
    labels: tuple[str, ...] = ("service",)


TABLE = (
    Declaration(
        name="credit_service_info",
        kind=Gauge,
        help="Always 1; identifies the running process (instance is new at every start)",
        labels=("service", "service_instance", "version"),
    ),
    Declaration(
        name="credit_arrivals",
        kind=Counter,
        help="Scheduled operations, started or dropped",
        labels=("service", "operation"),
    ),
    Declaration(
        name="credit_arrivals_dropped",
        kind=Counter,
        help="Arrivals that found the queue full or waited longer than WORKLOAD_QUEUE_SECONDS",
        labels=("service", "operation"),
    ),
    Declaration(
        name="credit_start_delay_seconds",
        kind=Histogram,
        help="Seconds from the scheduled start of an operation to its actual start",
    ),
    Declaration(
        name="credit_operations",
        kind=Counter,
        help="Finished operations by outcome: ok, nothing (there was nothing to do), error",
        labels=("service", "operation", "outcome"),
    ),
    Declaration(
        name="credit_operation_duration_seconds",
        kind=Histogram,
        help="Seconds from the start of an operation to its end, retries included",
        labels=("service", "operation"),
    ),
    Declaration(
        name="credit_operation_retries",
        kind=Counter,
        help="Retries: serialization (SQLSTATE class 40) or connection (lost or refused)",
        labels=("service", "operation", "reason"),
    ),
    Declaration(
        name="credit_statement_duration_seconds",
        kind=Histogram,
        help="Client time of a statement in seconds, by statement name",
        labels=("service", "statement"),
    ),
    Declaration(
        name="credit_statement_rows",
        kind=Counter,
        help="Rows that statements returned or wrote, as the client received them",
        labels=("service", "statement"),
    ),
    Declaration(
        name="credit_rows_attempted",
        kind=Counter,
        help="Rows written by statements, rolled back or not, as n_tup_ins, n_tup_upd, n_tup_del count",
        labels=("service", "table", "action"),
    ),
    Declaration(
        name="credit_database_errors",
        kind=Counter,
        help="Errors from the database by class of SQLSTATE; 08 includes lost connections",
        labels=("service", "sqlstate_class"),
    ),
    Declaration(
        name="credit_pool_connections",
        kind=Gauge,
        help="Connections of the pool that are open, by state: idle, busy",
        labels=("service", "state"),
    ),
    Declaration(
        name="credit_pool_wait_seconds",
        kind=Histogram,
        help="Connection checkout wait of an operation, in seconds",
    ),
    Declaration(
        name="credit_pool_timeouts",
        kind=Counter,
        help="Operations that found no free connection within WORKLOAD_POOL_TIMEOUT_SECONDS",
    ),
    Declaration(
        name="credit_proposals",
        kind=Counter,
        help="Proposals by status: submitted, approved, rejected, withdrawn",
        labels=("service", "status"),
    ),
    Declaration(
        name="credit_disbursed_brl",
        kind=Counter,
        help="Principal disbursed to customers, in BRL",
    ),
    Declaration(
        name="credit_paid_brl",
        kind=Counter,
        help="Installments paid by customers, fees included, in BRL",
    ),
    Declaration(
        name="credit_load_multiplier",
        kind=Gauge,
        help="Multiplier of every arrival rate of this service",
    ),
    Declaration(
        name="credit_target_rate",
        kind=Gauge,
        help="Current target rate in arrivals per second, including multiplier, shape and the limit of 20000",
        labels=("service", "operation"),
    ),
)


class Metrics:
    """The table's metrics on one registry, with typed access by name and label values."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.clocks = Clocks()
        self._metrics = {d.name: _create(d, registry) for d in TABLE}
        # labels() checks names and takes a lock at each call, a third of the engine's own cost.
        self.counter: Callable[..., Counter] = cache(self._counter)
        self.gauge: Callable[..., Gauge] = cache(self._gauge)
        self.histogram: Callable[..., Histogram] = cache(self._histogram)

    def _counter(self, name: str, **labels: str) -> Counter:
        child = self._metrics[name].labels(**labels)
        assert isinstance(child, Counter)
        return child

    def _gauge(self, name: str, **labels: str) -> Gauge:
        child = self._metrics[name].labels(**labels)
        assert isinstance(child, Gauge)
        return child

    def _histogram(self, name: str, **labels: str) -> Histogram:
        child = self._metrics[name].labels(**labels)
        assert isinstance(child, Histogram)
        return child

    def preset(self, name: str, label: str, values: Iterable[str], **labels: str) -> None:
        """Create one child of counter `name` for each of the values, at zero."""
        for value in values:
            self.counter(name, **{label: value}, **labels)


def _create(declaration: Declaration, registry: CollectorRegistry) -> Metric:
    if issubclass(declaration.kind, Histogram):
        return declaration.kind(
            declaration.name,
            declaration.help,
            declaration.labels,
            registry=registry,
            buckets=SECONDS,
        )
    return declaration.kind(
        declaration.name, declaration.help, declaration.labels, registry=registry
    )
