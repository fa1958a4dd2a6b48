"""The evidence of one observer alone, as plain tables: for players, and for scripted diagnosers.

Each table has only what that observer received by itself: Datadog's query metrics and activity samples,
spans, or lines of the server log. The lab's own samples are the truth, and are no observer's.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from lab.clients.prometheus import Prometheus
from lab.exam.doors import Door, doors
from lab.exam.errors import ExamError
from lab.foundation import clock
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import NS_PER_S, moment
from lab.telemetry.store import Reader

SINCE_S = 120.0
MOST = 40
# The lab's own sampling has this source.
OWN = "lab"
# Only roles of the application (credit_app, credit_owner): the observers' own statements are no evidence.
METRICS = """
SELECT coalesce(s.name, ''), coalesce(s.owner, ''), cast(m.queryid AS TEXT), m.role, sum(m.calls),
       sum(m.rows), round(sum(m.exec_time_ms)), round(sum(m.exec_time_ms) / max(sum(m.calls), 1), 2),
       sum(m.shared_blks_read), sum(m.temp_blks_written), sum(m.wal_bytes)
FROM query_metrics m LEFT JOIN (SELECT queryid, max(name) name, max(owner) owner FROM statements
    GROUP BY queryid) s ON s.queryid = m.queryid
WHERE m.at_ns > ? AND m.source <> ? AND m.role LIKE 'credit%'
GROUP BY m.queryid, m.role ORDER BY 7 DESC LIMIT ?"""
SAMPLES = """
SELECT at_ns, pid, application, role, state, coalesce(wait_event_type || '/' || wait_event, ''),
       coalesce(statement, ''), coalesce(cast(queryid AS TEXT), ''), blocking_pids,
       round((at_ns - coalesce(xact_start_ns, at_ns)) / 1e9, 1), coalesce(trace_id, '')
FROM activity WHERE at_ns = (SELECT max(at_ns) FROM activity WHERE source <> ?2) AND source <> ?2
  AND at_ns > ?1 AND backend_type = 'client backend' AND role LIKE 'credit%' ORDER BY 10 DESC LIMIT ?3"""
SERVICES = """
SELECT service, resource, count(*), sum(error), round(sum(duration_ns) / 1e6),
       round(max(duration_ns) / 1e6, 1), max(trace_id)
FROM spans WHERE start_ns > ? AND ? <> '' GROUP BY service, resource ORDER BY 5 DESC LIMIT ?"""
SLOWEST = """
SELECT start_ns, trace_id, service, resource, round(duration_ns / 1e6, 1), error
FROM spans WHERE start_ns > ? AND ? <> '' AND parent_id IS NULL ORDER BY duration_ns DESC LIMIT ?"""
ACTIVE = """
SELECT service, count(*), max(start_ns) FROM spans
WHERE start_ns > ? AND ? <> '' AND parent_id IS NULL GROUP BY service ORDER BY service LIMIT ?"""
EVENTS = """
SELECT at_ns, kind, pid, coalesce(application, ''), coalesce(statement, ''), coalesce(sqlstate, ''),
       coalesce(relation, ''), message, coalesce(trace_id, '')
FROM events WHERE at_ns > ? AND ? <> '' ORDER BY at_ns DESC LIMIT ?"""
EXECUTIONS = """
SELECT at_ns, pid, coalesce(application, ''), coalesce(statement, ''), coalesce(cast(queryid AS TEXT), ''),
       round(duration_ns / 1e6, 1), coalesce(trace_id, '')
FROM executions WHERE at_ns > ? AND source = 'log' AND ? <> '' AND role LIKE 'credit%'
ORDER BY duration_ns DESC LIMIT ?"""
# Columns with nanoseconds since 1970.
TIMES = ("time", "last")
ALERTS = 'ALERTS{alertstate=~"pending|firing"}'
EXPRESSIONS = (
    ("alerts", ALERTS),
    ("seconds a second, by statement",
     'topk(12, sum by (statement, service) (statement:pg_stat_statements_seconds:rate1m{user=~"credit.+"}))'),
    ("calls a second, by statement",
     'topk(12, sum by (statement, service) (statement:pg_stat_statements_calls:rate1m{user=~"credit.+"}))'),
    ("sessions", 'sum by (application_name, state) (pg_stat_activity_count{usename=~"credit.+"})'),
    ("longest transaction, s",
     'max by (application_name, state) (pg_stat_activity_max_tx_duration{usename=~"credit.+"}) > 2'),
    ("blocked sessions", "pg_blocked_sessions_count"),
    ("targets that fail", "up == 0"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of text and numbers under their headings."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def tables(door: Door, settings: LabSettings, since_s: float = SINCE_S) -> tuple[Table, ...]:
    """Return the evidence of one door over the last seconds.

    In an exam not before its start: an earlier fault is no evidence, nor an alert that was active then.
    Spans that show which services are active have the whole range.

    Raises:
        ExamError: for `sql`, which has /sessions and psql.
        LabError: when the store or Prometheus does not answer.
    """
    exam = doors(settings).exam
    if door is Door.PROMETHEUS:
        return _prometheus(settings, exam.started_ns if exam else None)
    if door not in _QUERIES:
        raise ExamError("The door sql has no tables: ./creditlab sessions, ./creditlab psql")
    reader = Reader(Paths.of(settings).store)
    whole_ns = clock.now_ns() - round(since_s * NS_PER_S)
    since_ns = max(whole_ns, exam.started_ns) if exam else whole_ns
    return tuple(
        Table(
            title=title,
            columns=columns,
            rows=tuple(
                _shown(columns, row)
                for row in reader.rows(sql, (whole_ns if sql is ACTIVE else since_ns, OWN, MOST))
            ),
        )
        for title, columns, sql in _QUERIES[door]
    )


def expression(text: str, started_ns: int | None) -> str:
    """Return a PromQL expression; in an exam that of the alerts without those of its start.

    >>> expression("up == 0", 5)
    'up == 0'
    """
    if text != ALERTS or started_ns is None:
        return text
    return f"{ALERTS} unless ignoring (alertstate) {ALERTS} @ {started_ns // NS_PER_S}"


def _prometheus(settings: LabSettings, started_ns: int | None) -> tuple[Table, ...]:
    prometheus = Prometheus.of(settings)
    return tuple(
        Table(
            title=f"{title}: {text}",
            columns=("labels", "value"),
            rows=tuple(
                (
                    ", ".join(f"{k}={v}" for k, v in sorted(series.labels.items())),
                    round(series.value, 3),
                )
                for series in prometheus.now(text)[:MOST]
            ),
        )
        for title, text in ((title, expression(text, started_ns)) for title, text in EXPRESSIONS)
    )


def _shown(columns: tuple[str, ...], row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(
        f"{moment(value):%Y-%m-%dT%H:%M:%S}" if column in TIMES else value
        for column, value in zip(columns, row, strict=True)
    )


_QUERIES: MappingProxyType[Door, tuple[tuple[str, tuple[str, ...], str], ...]] = (
    MappingProxyType({
        Door.DATADOG: (
            ("query metrics, 2 minutes",
             ("statement", "service", "queryid", "role", "calls", "rows", "ms", "ms per call",
              "blocks read", "temp blocks", "WAL bytes"), METRICS),
            ("last activity sample",
             ("time", "pid", "application", "role", "state", "waits for", "statement", "queryid",
              "blocked by", "transaction s", "trace"), SAMPLES),
        ),
        Door.APM: (
            ("spans by service and resource, 2 minutes",
             ("service", "resource", "spans", "errors", "ms", "longest ms", "a trace"), SERVICES),
            ("slowest root spans", ("time", "trace", "service", "resource", "ms", "error"), SLOWEST),
            ("root spans by service", ("service", "spans", "last"), ACTIVE),
        ),
        Door.LOG: (
            ("events of the server log, newest first",
             ("time", "kind", "pid", "application", "statement", "SQLSTATE", "relation", "message", "trace"),
             EVENTS),
            ("slowest logged executions",
             ("time", "pid", "application", "statement", "queryid", "ms", "trace"), EXECUTIONS),
        ),
    })
)  # fmt: skip
