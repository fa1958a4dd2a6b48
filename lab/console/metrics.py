"""The console's metrics, declared in one table, and the telemetry adapter of intake, store and log reader.

Per-queryid totals are those that DBM received, so that Grafana can compare them with the exporter's.
"""

from collections import Counter as Counters
from collections.abc import Mapping, Sequence
from threading import Lock
from types import MappingProxyType

from prometheus_client import CollectorRegistry, Counter, Gauge

from lab.console.rates import Rate
from lab.foundation.timestamps import NS_PER_S
from lab.telemetry.intake.metric_names import KEPT_METRICS, KEPT_SERVICE_CHECKS
from lab.telemetry.store import (
    ActivityRound,
    ActivitySample,
    MetricPoint,
    QueryMetrics,
    Record,
    Span,
)

COUNTERS = MappingProxyType({
    "lab_intake_requests": ("Requests taken by the intake", ("stream",)),
    "lab_intake_items": ("Spans, events or series taken by the intake", ("stream",)),
    "lab_intake_bytes": ("Bytes of bodies taken by the intake, decompressed", ("stream",)),
    "lab_intake_metric_points": (
        "Points of series, and runs of service checks, by whether the store keeps their names", ("kept",),
    ),
    "lab_intake_rejected": ("Requests refused by the intake", ("stream", "reason")),
    "lab_intake_unknown": ("Requests for paths that the intake does not know", ()),
    "lab_store_records": ("Records committed to the store", ("table",)),
    "lab_store_lost_records": ("Records that the store could not take", ("reason",)),
    "lab_store_refused_records": (
        "Records not stored: minutes ahead of the console's clock, or older than what is kept",
        ("table", "reason"),
    ),
    "lab_store_expired_records": ("Records deleted to keep the store within its bounds", ()),
    "lab_activity_sessions": ("Sessions that the lab itself sampled, each second", ()),
    "lab_activity_rows_skipped": ("Sessions that the lab's sampling could not decode", ()),
    "lab_log_lines": ("Lines of PostgreSQL's log read and stored", ()),
    "lab_log_unreadable_lines": ("Lines of PostgreSQL's log that could not be read", ("what",)),
    "lab_truth_readings": ("Readings of ground truth by the lab itself, one a second", ()),
    "lab_truth_seconds": ("Time that readings of ground truth took, in seconds", ()),
    "lab_truth_bytes": ("Bytes of readings of ground truth, compressed", ()),
    "lab_truth_failures": ("Sources of ground truth that did not answer", ("source",)),
    "lab_dbm_statement_calls": ("Calls received by DBM", ("queryid", "role", "source")),
    "lab_dbm_statement_seconds": (
        "Execution time received by DBM, in seconds", ("queryid", "role", "source"),
    ),
    "lab_dbm_statement_rows": ("Rows received by DBM", ("queryid", "role", "source")),
})  # fmt: skip
GAUGES = MappingProxyType({
    "lab_observer_newest_timestamp_seconds": (
        "Time of the newest data received from an observer, in seconds since 1970", ("observer",),
    ),
    "lab_intake_metric_names": (
        "Names of metrics and service checks received since the start, at most 5,000 of either", ("kept",),
    ),
    "lab_store_bytes": ("Bytes of the store in use", ()),
    "lab_store_pending_records": ("Records that wait to be written", ()),
    "lab_log_unread_bytes": ("Bytes of PostgreSQL's log still to be read", ()),
    "lab_activity_sampled": ("1 while the lab itself can sample PostgreSQL's sessions, else 0", ()),
    "lab_log_followed": ("1 while PostgreSQL's log can be read and stored, else 0", ()),
})  # fmt: skip
# Statements beyond this number are summed under the queryid `other`: the number of series is bounded.
MAX_STATEMENTS = 2_000
# The text in `status` while the writer loses records for these reasons.
STORE_FAILURES = MappingProxyType(
    {
        "store_failed": "the store cannot be written, and received data are lost (disk full?)",
        "retention_failed": "the store cannot delete expired records (disk full?)",
    }
)
OTHERS = "other"
# By the kind of record that the intake stores; the names are those of lab/judge.
OBSERVER_OF: Mapping[type, str] = MappingProxyType({
    QueryMetrics: "datadog_dbm",
    ActivityRound: "datadog_dbm",
    ActivitySample: "datadog_dbm",
    MetricPoint: "datadog_metrics",
    Span: "datadog_apm",
})  # fmt: skip
MAX_FORMS = 5
MAX_METRIC_NAMES = 5_000
# The limit of Datadog's API.
LONGEST_METRIC_NAME = 200


class ConsoleMetrics:
    """Implements the `Telemetry` of the intake, the store's writer, pglog and the sampler (lab.telemetry)."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._counters = {
            name: Counter(name, text, labels, registry=registry)
            for name, (text, labels) in COUNTERS.items()
        }
        self._gauges = {
            name: Gauge(name, text, labels, registry=registry)
            for name, (text, labels) in GAUGES.items()
        }
        self._statements: set[tuple[str, str, str]] = set()
        self._lock = Lock()
        self._newest: dict[str, int] = {}
        self.spans = Rate()
        self.dbm_events = Rate()
        self.log_lines = Rate()
        self.used_bytes = 0
        self.refused_records: Counters[str] = Counters()
        self.log_trouble: str | None = None
        self.activity_trouble: str | None = None
        self.store_trouble: str | None = None
        self.unread_forms: set[str] = set()
        self._metric_names: dict[str, set[str]] = {"yes": set(), "no": set()}

    def accepted(self, stream: str, items: int, body_bytes: int) -> None:
        """Count an accepted request."""
        self._count("lab_intake_requests", 1, stream=stream)
        self._count("lab_intake_items", items, stream=stream)
        self._count("lab_intake_bytes", body_bytes, stream=stream)
        if stream.startswith("traces"):
            self.spans.add(items)
        elif stream.startswith("dbm"):
            self.dbm_events.add(items)

    def metric_points(self, points: Mapping[str, int]) -> None:
        """Count accepted points of the Agent's metrics, by whether the store keeps their names."""
        for name, count in points.items():
            kept = "yes" if name in KEPT_METRICS or name in KEPT_SERVICE_CHECKS else "no"
            self._count("lab_intake_metric_points", count, kept=kept)
            names = self._metric_names[kept]
            if len(names) < MAX_METRIC_NAMES and len(name) <= LONGEST_METRIC_NAME:
                names.add(name)
                self._gauges["lab_intake_metric_names"].labels(kept=kept).set(len(names))

    @property
    def metric_names(self) -> dict[str, int]:
        """The number of metric names received since the start: `kept`, and `counted` only."""
        return {"kept": len(self._metric_names["yes"]), "counted": len(self._metric_names["no"])}

    def rejected(self, stream: str, reason: str) -> None:
        """Count a refused request."""
        self._count("lab_intake_rejected", 1, stream=stream, reason=reason)

    def unknown(self) -> None:
        """Count a request for an unknown path."""
        self._count("lab_intake_unknown", 1)

    def unread(self, form: str) -> None:
        """Record the name of an unknown trace format that was refused; a few names are kept."""
        if len(self.unread_forms) < MAX_FORMS:
            self.unread_forms.add(form)

    def offered(self, records: Sequence[Record]) -> None:
        """Count the query metrics among accepted records of the intake, and set the time of the newest."""
        newest: dict[str, int] = {}
        for record in records:
            if isinstance(record, QueryMetrics):
                self._statement(record)
            if (observer := OBSERVER_OF.get(type(record))) is not None:
                newest[observer] = max(newest.get(observer, 0), _time_ns(record))
        for observer, at_ns in newest.items():
            self.newest(observer, at_ns)

    def newest(self, observer: str, at_ns: int) -> None:
        """Set the time of an observer's newest data, in nanoseconds since 1970, unless newer are known."""
        with self._lock:
            if at_ns <= self._newest.get(observer, 0):
                return
            self._newest[observer] = at_ns
        gauge = self._gauges["lab_observer_newest_timestamp_seconds"]
        gauge.labels(observer=observer).set(at_ns / NS_PER_S)

    def read_until(self, at_ns: int) -> None:
        """Set the time up to which PostgreSQL's log was read, in nanoseconds since 1970."""
        self.newest("postgres_log", at_ns)

    def written(self, table: str, records: int) -> None:
        """Count committed records."""
        self._count("lab_store_records", records, table=table)
        if records:
            self.store_trouble = None

    def lost(self, reason: str, records: int) -> None:
        """Count records that could not be stored."""
        self._count("lab_store_lost_records", records, reason=reason)
        if reason in STORE_FAILURES:
            self.store_trouble = STORE_FAILURES[reason]

    def refused(self, table: str, reason: str, records: int) -> None:
        """Count records that were refused because of their time."""
        self.refused_records[reason] += records
        self._count("lab_store_refused_records", records, table=table, reason=reason)

    def expired(self, records: int) -> None:
        """Count records deleted by retention."""
        self._count("lab_store_expired_records", records)

    def size(self, used_bytes: int, pending_records: int) -> None:
        """Set the size of the store."""
        self.used_bytes = used_bytes
        self._gauges["lab_store_bytes"].set(used_bytes)
        self._gauges["lab_store_pending_records"].set(pending_records)

    def truth_read(self, seconds: float, payload_bytes: int) -> None:
        """Count a reading of ground truth."""
        self._count("lab_truth_readings", 1)
        self._count("lab_truth_seconds", seconds)
        self._count("lab_truth_bytes", payload_bytes)

    def truth_failed(self, source: str) -> None:
        """Count a source of ground truth that did not answer."""
        self._count("lab_truth_failures", 1, source=source)

    def sampled(self, sessions: int, skipped: int) -> None:
        """Count the sessions of one sample of the lab itself."""
        self._count("lab_activity_sessions", sessions)
        self._count("lab_activity_rows_skipped", skipped)

    def sampling_trouble(self, reason: str | None) -> None:
        """Set the reason why the lab cannot sample sessions; None when it can."""
        self.activity_trouble = reason
        self._gauges["lab_activity_sampled"].set(reason is None)

    def lines(self, count: int) -> None:
        """Count log lines that were read and stored."""
        self._count("lab_log_lines", count)
        self.log_lines.add(count)

    def unreadable(self, reason: str) -> None:
        """Count a log line that could not be parsed."""
        self._count("lab_log_unreadable_lines", 1, what=reason)

    def behind(self, unread_bytes: int) -> None:
        """Set the number of bytes of the log that are not read yet."""
        self._gauges["lab_log_unread_bytes"].set(unread_bytes)

    def trouble(self, reason: str | None) -> None:
        """Set the reason why the log cannot be followed; None when it can."""
        self.log_trouble = reason
        self._gauges["lab_log_followed"].set(reason is None)

    def _statement(self, record: QueryMetrics) -> None:
        key = (str(record.queryid or record.signature), record.role, record.source.value)
        with self._lock:
            if key not in self._statements and len(self._statements) >= MAX_STATEMENTS:
                key = (OTHERS, OTHERS, record.source.value)
            else:
                self._statements.add(key)
        labels = dict(zip(("queryid", "role", "source"), key, strict=True))
        self._count("lab_dbm_statement_calls", record.calls, **labels)
        self._count("lab_dbm_statement_seconds", record.exec_time_ms / 1000, **labels)
        self._count("lab_dbm_statement_rows", record.rows, **labels)

    def _count(self, name: str, amount: float, **labels: str) -> None:
        counter = self._counters[name]
        (counter.labels(**labels) if labels else counter).inc(amount)


def _time_ns(record: Record) -> int:
    if isinstance(record, Span):
        return record.start_ns + record.duration_ns
    return int(getattr(record, "at_ns", 0))
