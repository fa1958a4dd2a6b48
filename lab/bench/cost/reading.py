"""One reading of all counters: processor time of the components, and their work since their start.

Processor time, not wall time: on a busy machine work waits longer, and its processor time hardly changes.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import TypeAlias

from lab.clients import exposition
from lab.clients.database import Role, connect, dsn, rows
from lab.clients.services import Sample, clients, shop_client
from lab.foundation.errors import LabError
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.stack import probes
from lab.stack.components import COMPONENTS
from lab.stack.native import records
from lab.stack.native.process_cost import ProcessCost, cost_of
from lab.telemetry.store import Reader, StoreError

Counts: TypeAlias = defaultdict[str | tuple[str, str], float]
# A large store is read completely.
STORE_S = 60.0
STATEMENTS = "credit_statement_duration_seconds_count"
EXECUTION_BY_ROLE = """
SELECT rolname, sum(total_exec_time) / 1000
FROM pg_stat_statements JOIN pg_roles ON pg_roles.oid = userid
GROUP BY rolname
"""
BYTES_OF_SPANS = """
SELECT sum(pgsize) FROM dbstat
WHERE name IN (SELECT name FROM sqlite_master WHERE tbl_name IN ('span_rows', 'texts'))
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """All counters at one moment; `at_s`, `resident` and `series` are gauges.

    Attributes:
        at_s: monotonic clock, for differences only.
        processes: by component.
        operations: by service, with any outcome.
        statements: executed by the services.
        execution_s: execution time of statements in PostgreSQL, by role.
        spans, log_lines: stored by the console.
        samples: appended by Prometheus.
        series: in Prometheus' head.
    """

    at_s: float
    processes: Mapping[str, ProcessCost]
    operations: Mapping[str, float]
    statements: float
    execution_s: Mapping[str, float]
    spans: float
    log_lines: float
    samples: float
    series: float


def read(settings: LabSettings) -> Reading:
    """Read the counters of the running native lab.

    Raises:
        LabError: when a component does not answer.
    """
    processes = dict(_processes(settings))
    if not {"postgres", "console", "prometheus"} <= processes.keys():
        raise LabError("The lab must run natively to be measured: ./creditlab up --native")
    services = [c for c in (*clients(settings), shop_client(settings)) if c.name in processes]
    counted = {service.name: _summed(service.samples()) for service in services}
    console = _counts(settings, "console", settings.console_port)
    prometheus = _counts(settings, "prometheus", settings.prometheus_port)
    with connect(dsn(settings, Role.LAB)) as connection:
        execution_s = {role: float(spent) for role, spent in rows(connection, EXECUTION_BY_ROLE)}
    return Reading(
        at_s=monotonic(),
        processes=processes,
        operations={name: counts["credit_operations_total"] for name, counts in counted.items()},
        statements=sum(counts[STATEMENTS] for counts in counted.values()),
        execution_s=execution_s,
        spans=console["lab_store_records_total", "spans"],
        log_lines=console["lab_log_lines_total"],
        samples=prometheus["prometheus_tsdb_head_samples_appended_total"],
        series=prometheus["prometheus_tsdb_head_series"],
    )


def bytes_of_spans(reader: Reader) -> float | None:
    """Return the bytes of a span in a store, its indexes and its share of repeated texts included.

    None where this Python's SQLite has no dbstat, or where there is no span yet.
    """
    [(spans,)] = reader.rows("SELECT count(*) FROM spans")
    with suppress(StoreError):
        [(used,)] = reader.rows(BYTES_OF_SPANS)
        return float(used) / spans if spans else None
    return None


def _processes(settings: LabSettings) -> Iterator[tuple[str, ProcessCost]]:
    for record, process in records.living(Paths.of(settings).run):
        if record.component not in COMPONENTS:
            continue  # the supervisor: the parent of all others
        yield record.component, cost_of(process)


def _counts(settings: LabSettings, who: str, port: int) -> Counts:
    page = probes.page(settings, port, "/metrics")
    if page is None:
        raise LabError(f"The {who} does not serve /metrics at port {port}: see ./creditlab status")
    return _summed(exposition.samples(page))


def _summed(samples: Iterable[Sample]) -> Counts:
    """Sum samples by name; those with a table of the store also by table."""
    counts: Counts = defaultdict(float)
    for sample in samples:
        counts[sample.name] += sample.value
        if "table" in sample.labels:
            counts[sample.name, sample.labels["table"]] += sample.value
    return counts
