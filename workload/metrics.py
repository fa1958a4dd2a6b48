"""Every metric of the services, declared in one table, on a registry of the caller.

A test compares `docs/metrics.md` with this table. Counters are created for every label set that is
known beforehand, so that a rate over a first event is correct. Counters and histograms are those of
`recordings` and `clocks`: an observation costs a tenth of one of prometheus_client's.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

from workload.clocks import SECONDS, Clock, Clocks, Histogram
from workload.recordings import Counter

BOUNDS = tuple(map(floatToGoString, SECONDS))
# The clock that is also the histogram: kind and name of it.
CLOCKS: Mapping[str, tuple[str, str]] = {
    "credit_start_delay_seconds": ("start", "delay"),
    "credit_pool_wait_seconds": ("pool", "wait"),
    "credit_operation_duration_seconds": ("operation", "{operation}"),
    "credit_statement_duration_seconds": ("statement", "{statement}"),
}


class Kind(StrEnum):
    """The type of a metric in Prometheus."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, kw_only=True, slots=True)
class Declaration:
    """One metric: its name in Prometheus, without the suffixes of its type."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ("service",)


TABLE = (
    Declaration(
        name="credit_service_info",
        kind=Kind.GAUGE,
        help="Always 1; identifies the running process (instance is new at every start)",
        labels=("service", "service_instance", "version"),
    ),
    Declaration(
        name="credit_arrivals",
        kind=Kind.COUNTER,
        help="Scheduled operations, started or dropped",
        labels=("service", "operation"),
    ),
    Declaration(
        name="credit_arrivals_dropped",
        kind=Kind.COUNTER,
        help="Arrivals that found the queue full or waited longer than WORKLOAD_QUEUE_SECONDS",
        labels=("service", "operation"),
    ),
    Declaration(
        name="credit_start_delay_seconds",
        kind=Kind.HISTOGRAM,
        help="Seconds from the scheduled start of an operation to its actual start",
    ),
    Declaration(
        name="credit_operations",
        kind=Kind.COUNTER,
        help="Finished operations by outcome: ok, nothing (there was nothing to do), error",
        labels=("service", "operation", "outcome"),
    ),
    Declaration(
        name="credit_operation_duration_seconds",
        kind=Kind.HISTOGRAM,
        help="Seconds from the start of an operation to its end, retries included",
        labels=("service", "operation"),
    ),
    Declaration(
        name="credit_operation_retries",
        kind=Kind.COUNTER,
        help="Retries: serialization (SQLSTATE class 40) or connection (lost or refused)",
        labels=("service", "operation", "reason"),
    ),
    Declaration(
        name="credit_statement_duration_seconds",
        kind=Kind.HISTOGRAM,
        help="Client time of a statement in seconds, by statement name",
        labels=("service", "statement"),
    ),
    Declaration(
        name="credit_statement_rows",
        kind=Kind.COUNTER,
        help="Rows that statements returned or wrote, as the client received them",
        labels=("service", "statement"),
    ),
    Declaration(
        name="credit_rows_attempted",
        kind=Kind.COUNTER,
        help="Rows written by statements, rolled back or not, as n_tup_ins, n_tup_upd, n_tup_del count",
        labels=("service", "table", "action"),
    ),
    Declaration(
        name="credit_database_errors",
        kind=Kind.COUNTER,
        help="Errors from the database by class of SQLSTATE; 08 includes lost connections",
        labels=("service", "sqlstate_class"),
    ),
    Declaration(
        name="credit_pool_connections",
        kind=Kind.GAUGE,
        help="Connections of the pool that are open, by state: idle, busy",
        labels=("service", "state"),
    ),
    Declaration(
        name="credit_pool_wait_seconds",
        kind=Kind.HISTOGRAM,
        help="Connection checkout wait of an operation, in seconds",
    ),
    Declaration(
        name="credit_pool_timeouts",
        kind=Kind.COUNTER,
        help="Operations that found no free connection within WORKLOAD_POOL_TIMEOUT_SECONDS",
    ),
    Declaration(
        name="credit_proposals",
        kind=Kind.COUNTER,
        help="Proposals by status: submitted, approved, rejected, withdrawn",
        labels=("service", "status"),
    ),
    Declaration(
        name="credit_disbursed_brl",
        kind=Kind.COUNTER,
        help="Principal disbursed to customers, in BRL",
    ),
    Declaration(
        name="credit_paid_brl",
        kind=Kind.COUNTER,
        help="Installments paid by customers, fees included, in BRL",
    ),
    Declaration(
        name="credit_load_multiplier",
        kind=Kind.GAUGE,
        help="Multiplier of every arrival rate of this service",
    ),
    Declaration(
        name="credit_target_rate",
        kind=Kind.GAUGE,
        help="Current target rate in arrivals per second, including multiplier, shape and the limit of 20000",
        labels=("service", "operation"),
    ),
)


class Metrics(Collector):
    """The table's metrics on one registry, with typed access by name and label values.

    The values of one label set are in the order of the declaration's labels.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.clocks = Clocks()
        self._declared = {d.name: d for d in TABLE}
        self._counters: dict[str, dict[tuple[str, ...], Counter]] = {}
        self._histograms: dict[str, dict[tuple[str, ...], Clock]] = {}
        self._gauges = {
            d.name: Gauge(d.name, d.help, d.labels, registry=None)
            for d in TABLE
            if d.kind is Kind.GAUGE
        }
        self.counter: Callable[..., Counter] = cache(self._counter)
        self.gauge: Callable[..., Gauge] = cache(self._gauge)
        self.histogram: Callable[..., Clock] = cache(self._histogram)
        registry.register(self)

    def _counter(self, name: str, **labels: str) -> Counter:
        values = self._values(name, Kind.COUNTER, labels)
        return self._counters.setdefault(name, {}).setdefault(values, Counter())

    def _gauge(self, name: str, **labels: str) -> Gauge:
        return self._gauges[name].labels(*self._values(name, Kind.GAUGE, labels))

    def _histogram(self, name: str, **labels: str) -> Clock:
        values = self._values(name, Kind.HISTOGRAM, labels)
        kind, of = CLOCKS[name]
        clock = self.clocks.of(labels["service"], kind, of.format(**labels))
        return self._histograms.setdefault(name, {}).setdefault(values, clock)

    def _values(self, name: str, kind: Kind, labels: Mapping[str, str]) -> tuple[str, ...]:
        declared = self._declared[name]
        if declared.kind is not kind or labels.keys() != set(declared.labels):
            raise ValueError(
                f"{name} is declared as {declared.kind} with the labels {declared.labels}:"
                f" it is no {kind} with {tuple(labels)}"
            )
        return tuple(labels[label] for label in declared.labels)

    def preset(self, name: str, label: str, values: Iterable[str], **labels: str) -> None:
        """Create one child of counter `name` for each of the values, at zero."""
        for value in values:
            self.counter(name, **{label: value}, **labels)

    def collect(self) -> Iterator[Metric]:
        """Yield every metric of the table for an exposition; called by the registry."""
        for declared in TABLE:
            match declared.kind:
                case Kind.COUNTER:
                    yield self._counter_family(declared)
                case Kind.HISTOGRAM:
                    yield self._histogram_family(declared)
                case Kind.GAUGE:
                    yield from self._gauges[declared.name].collect()

    # A registry asks a collector for its names when it is registered.
    describe = collect

    def _counter_family(self, declared: Declaration) -> Metric:
        family = CounterMetricFamily(declared.name, declared.help, labels=declared.labels)
        for values, counter in self._counters.get(declared.name, {}).copy().items():
            family.add_metric(values, counter.value)
        return family

    def _histogram_family(self, declared: Declaration) -> Metric:
        family = HistogramMetricFamily(declared.name, declared.help, labels=declared.labels)
        for values, clock in self._histograms.get(declared.name, {}).copy().items():
            read = clock.histogram()
            family.add_metric(values, list(_buckets(read)), read.seconds)
        return family


def _buckets(read: Histogram) -> Iterator[tuple[str, float] | tuple[str, float, Exemplar]]:
    """Yield upper bound, cumulative count and exemplar of each bucket, as a family takes them."""
    counts = (*read.cumulative, read.count)
    for index, (bound, count) in enumerate(zip((*BOUNDS, "+Inf"), counts, strict=True)):
        if newest := read.exemplars.get(index):
            yield bound, count, Exemplar(newest.ids.labels(), newest.seconds, newest.at)
        else:
            yield bound, count
