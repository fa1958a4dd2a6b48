"""What a store holds of one trace: records with believable defaults, for tests of the drilldown."""

import json
from typing import Any

from lab.foundation import clock
from lab.telemetry.store import (
    ActivitySample,
    Event,
    Execution,
    MetricPoint,
    MetricSeries,
    MetricType,
    Participant,
    Plan,
    QueryMetrics,
    Record,
    Snapshot,
    Source,
    Span,
    Statement,
)

MS = 1_000_000
MINUTE_NS = 60_000_000_000
# A whole minute, within the last hour by the clock that the store's retention reads.
START = (clock.now_ns() // MINUTE_NS - 1) * MINUTE_NS
QUERYID = -8_637_536_096_757_576_377
REPORT = (
    "SELECT p.product_id, width_bucket(a.score, ?, ?, ?) AS score_bucket, a.decision,\n"
    "       count(*), avg(a.income_ratio), sum(p.amount)\nFROM credit_analysis a\n"
    "JOIN credit_proposals p USING (proposal_id)\nWHERE p.submitted_at > now() - interval ?\n"
    "GROUP BY p.product_id, score_bucket, a.decision\nORDER BY p.product_id, score_bucket, a.decision"
)


def trace_id(number: int) -> str:
    return f"{number:032x}"


def span_id(number: int) -> str:
    return f"{number:016x}"


def root(trace: int, *, ms: float = 400, **fields: Any) -> Span:
    """The span of an operation; its id is 1."""
    known: dict[str, Any] = {
        "trace_id": trace_id(trace), "span_id": span_id(1), "parent_id": None, "service": "credit-risk",
        "name": "credit.operation", "resource": "risk_distribution", "kind": "worker",
        "start_ns": START + trace * 1_000 * MS, "duration_ns": round(ms * MS), "error": False, "tags": {},
    }  # fmt: skip
    return Span(**{**known, **fields})


def statement(
    trace: int, span: int = 2, *, at_ms: float = 1, ms: float = 390, **fields: Any
) -> Span:
    """The span of a statement, `at_ms` after the operation began."""
    known: dict[str, Any] = {
        "trace_id": trace_id(trace), "span_id": span_id(span), "parent_id": span_id(1),
        "service": "postgres", "name": "postgres.query", "resource": REPORT, "kind": "sql",
        "start_ns": START + trace * 1_000 * MS + round(at_ms * MS), "duration_ns": round(ms * MS),
        "error": False, "tags": {"db.system": "postgresql", "_dd.dbm_trace_injected": "true"},
    }  # fmt: skip
    return Span(**{**known, **fields})


def logged(
    of: Span, *, ms: float, queryid: int = QUERYID, after_ms: float | None = None
) -> Execution:
    """PostgreSQL's log of a statement's execution; without `after_ms` it ended just before its span did."""
    end_ns = of.duration_ns - MS if after_ms is None else round(after_ms * MS)
    return Execution(
        at_ns=of.start_ns + end_ns, source=Source.LOG, duration_ns=round(ms * MS),
        queryid=queryid, trace_id=of.trace_id, span_id=of.span_id, service="credit-risk",
        statement="risk_distribution", pid=42, database="creditdb", role="credit_app", application=None,
    )  # fmt: skip


def plan(
    of: Span, *, ms: float | None = None, table: str = "installments", queryid: int = QUERYID,
    executed: bool = True, at_ns: int | None = None,
) -> Plan:  # fmt: skip
    """A scan of one table as the plan of a statement's execution."""
    node: dict[str, Any] = {
        "Node Type": "Seq Scan",
        "Relation Name": table,
        "Plan Rows": 10,
        "Total Cost": 5.0,
    }
    if executed:
        node |= {
            "Actual Total Time": ms, "Actual Rows": 10, "Actual Loops": 1, "Shared Hit Blocks": 3,
            "Shared Read Blocks": 1,
        }  # fmt: skip
    return Plan(
        at_ns=of.start_ns + of.duration_ns if at_ns is None else at_ns,
        source=Source.LOG if executed else Source.EMBEDDED, executed=executed,
        duration_ns=None if ms is None else round(ms * MS), queryid=queryid, signature=None,
        trace_id=of.trace_id, span_id=of.span_id, service="credit-risk", statement="risk_distribution",
        pid=42, database="creditdb", shape=table, definition=json.dumps({"Plan": node}),
    )  # fmt: skip


def sample(of: Span | None, *, at_ns: int, pid: int = 42, **fields: Any) -> ActivitySample:
    """An activity sample of a session that runs a statement, or of one without a traceparent."""
    known: dict[str, Any] = {
        "at_ns": at_ns, "source": Source.EMBEDDED, "pid": pid, "database": "creditdb",
        "role": "credit_app", "application": "credit-risk", "backend_type": "client backend",
        "state": "active", "wait_event_type": None, "wait_event": None, "queryid": QUERYID,
        "signature": None, "trace_id": of.trace_id if of else None,
        "span_id": of.span_id if of else None, "service": "credit-risk", "statement": None,
        "query_start_ns": None, "xact_start_ns": None, "blocking_pids": (),
    }  # fmt: skip
    return ActivitySample(**{**known, **fields})


def lock_wait(of: Span, *, ms: float, blocked_by: int) -> Event:
    """The event that log_lock_waits logs for a statement that waits."""
    return Event(
        at_ns=of.start_ns + round(ms * MS), kind="lock_wait", pid=42, message="still waiting",
        severity="LOG", sqlstate=None, database="creditdb", role="credit_app", application=None,
        queryid=QUERYID, trace_id=of.trace_id, span_id=of.span_id, service="credit-risk",
        statement=None, text=None, duration_ns=round(ms * MS),
        participants=(Participant(pid=42, waits_for="ShareLock", blocked_by=(blocked_by,)),),
    )  # fmt: skip


def rejected(of: Span, message: str) -> Event:
    """A plan that the log reader does not store."""
    return Event(
        at_ns=of.start_ns + of.duration_ns - MS, kind="plan_rejected", pid=42, message=message,
        severity="LOG", sqlstate=None, database="creditdb", role="credit_app", application=None,
        queryid=QUERYID, trace_id=of.trace_id, span_id=of.span_id, service="credit-risk",
        statement=None, text=None, size_bytes=12_300_000,
    )  # fmt: skip


def failed(of: Span, message: str, sqlstate: str) -> Event:
    """The event in PostgreSQL's log of a statement that failed."""
    return Event(
        at_ns=of.start_ns + of.duration_ns, kind="error", pid=42, message=message, severity="ERROR",
        sqlstate=sqlstate, database="creditdb", role="credit_app", application=None, queryid=QUERYID,
        trace_id=of.trace_id, span_id=of.span_id, service="credit-risk", statement=None, text=None,
    )  # fmt: skip


def known(
    queryid: int = QUERYID, *, name: str | None = "risk_distribution", text: str = REPORT
) -> Statement:
    return Statement(
        key=str(queryid), queryid=queryid, signature=None, name=name, owner="credit-risk", text=text,
        seen_ns=START,
    )  # fmt: skip


def thresholds() -> Snapshot:
    """The server's settings, as DBM sends them."""
    found = {
        "log_min_duration_statement": "100", "auto_explain.log_min_duration": "200",
        "primary_conninfo": None,
    }  # fmt: skip
    return Snapshot(kind="pg_settings", host="here", at_ns=START, payload=json.dumps(found))


def deltas(queryid: int, *, after_s: float = 10, **fields: Any) -> QueryMetrics:
    """What one statement did in one interval of DBM's."""
    known: dict[str, Any] = {
        "at_ns": START + round(after_s * 1_000) * MS, "source": Source.EMBEDDED,
        "database": "creditdb", "role": "credit_app", "signature": f"{queryid:x}", "queryid": queryid,
        "calls": 1, "rows": 0, "exec_time_ms": 1.0, "plan_time_ms": 0.0, "blk_read_time_ms": 0.0,
        "blk_write_time_ms": 0.0, "shared_blks_hit": 0, "shared_blks_read": 0,
        "shared_blks_dirtied": 0, "shared_blks_written": 0, "temp_blks_read": 0,
        "temp_blks_written": 0, "wal_bytes": 0,
    }  # fmt: skip
    return QueryMetrics(**{**known, **fields})


def metric(name: str, *points: tuple[int, float], **tags: str) -> list[Record]:
    """A gauge of the check's with its points: nanoseconds since 1970, and value."""
    kept = tuple(sorted(f"{key}:{value}" for key, value in tags.items()))
    series = MetricSeries(
        key=hash((name, kept)), source=Source.EMBEDDED, host="here", name=name, type=MetricType.GAUGE,
        interval_s=15.0, tags=kept, seen_ns=max(at_ns for at_ns, _ in points),
    )  # fmt: skip
    return [series, *(MetricPoint(series=series.key, at_ns=at, value=v) for at, v in points)]
