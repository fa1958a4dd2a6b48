"""Converts DBM events to records; redacts statements, which the Agent has obfuscated, again."""

import re
from collections.abc import Iterator
from datetime import datetime

from lab.telemetry import redact
from lab.telemetry.intake.agent_metrics import series
from lab.telemetry.intake.dbm import (
    Activity,
    ActivityRow,
    ConnectionsRow,
    Metadata,
    Metrics,
    MetricsRow,
    Sample,
    events,
    rows,
)
from lab.telemetry.intake.errors import collected, malformed
from lab.telemetry.intake.metric_names import CONNECTIONS
from lab.telemetry.store import (
    ActivityRound,
    ActivitySample,
    MetricType,
    Plan,
    QueryMetrics,
    Record,
    Source,
    Statement,
)

# Minimum of hexadecimal digits of a signature; one signature in 256 has fewer.
HASH = 15
SIGNATURE = re.compile(r"-?[0-9a-f]{1,32}")
# By the Agent version that they send.
SUBSTITUTES = {source.value: source for source in (Source.EMBEDDED, Source.CHECK)}
FIRST_YEAR, LAST_YEAR = 1971, 2200


def samples(body: bytes) -> list[Record]:
    """Decode databasequery: plans and statement texts.

    Raises:
        RejectedError: when it is malformed.
    """
    return collected(record for sample in events(body, Sample) for record in _sample(sample))


def metrics(body: bytes) -> list[Record]:
    """Decode dbmmetrics: deltas per statement.

    Raises:
        RejectedError: when it is malformed.
    """
    return collected(
        record
        for event in events(body, Metrics)
        for row in rows(event.postgres_rows, MetricsRow)
        for record in _metrics(event, row)
    )


def activity(body: bytes) -> list[Record]:
    """Decode dbmactivity: sessions.

    Raises:
        RejectedError: when it is malformed.
    """
    return collected(record for event in events(body, Activity) for record in _round(event))


def _sample(sample: Sample) -> Iterator[Record]:
    if sample.dbm_type not in {"plan", "fqt"} or sample.db.statement is None:
        return
    db, at_ns = sample.db, nanoseconds(sample.timestamp)
    text = redact.statement(db.statement or "")
    comment = _comment(text, db.metadata)
    signature = _signature(db.query_signature)
    session = sample.postgres
    queryid = session.query_id if session else None
    source = _source(sample.ddagentversion)
    yield from _statement(source, queryid, signature, comment=comment, text=text.text, at_ns=at_ns)
    definition = db.plan.definition if db.plan else None
    plan = _plan(definition) if sample.dbm_type == "plan" and definition else None
    if plan:
        yield Plan(
            at_ns=at_ns,
            source=source,
            executed=False,
            duration_ns=round(sample.duration) if sample.duration is not None else None,
            queryid=queryid,
            signature=signature,
            trace_id=comment.trace_id,
            span_id=comment.span_id,
            service=comment.service,
            statement=comment.statement,
            pid=session.pid if session else None,
            database=redact.label(db.instance),
            shape=plan.shape,
            definition=plan.definition,
        )


def _plan(definition: str) -> redact.RedactedPlan | None:
    """Return a redacted plan; None when it is too large or too deep, so that other events are stored."""
    try:
        return redact.plan(definition)
    except redact.RejectedPlanError:
        return None
    except redact.InvalidPlanError as error:
        raise malformed(f"not a plan: {error}") from error


def _metrics(event: Metrics, row: MetricsRow) -> Iterator[Record]:
    at_ns = nanoseconds(event.timestamp)
    signature, source = _signature(row.query_signature), _source(event.ddagentversion)
    text = redact.statement(row.query)
    if row.queryid is not None:
        # Without a queryid the text has 200 characters; the stream of texts has the whole one.
        comment = _comment(text, Metadata(comments=row.dd_comments))
        yield from _statement(
            source, row.queryid, signature, comment=comment, text=text.text, at_ns=at_ns
        )
    yield QueryMetrics(
        at_ns=at_ns,
        source=source,
        database=redact.label(row.datname) or "",
        role=redact.label(row.rolname) or "",
        signature=signature or "",
        queryid=row.queryid,
        calls=row.calls,
        rows=row.rows,
        exec_time_ms=row.total_exec_time,
        plan_time_ms=row.total_plan_time,
        blk_read_time_ms=row.read_ms,
        blk_write_time_ms=row.write_ms,
        shared_blks_hit=row.shared_blks_hit,
        shared_blks_read=row.shared_blks_read,
        shared_blks_dirtied=row.shared_blks_dirtied,
        shared_blks_written=row.shared_blks_written,
        temp_blks_read=row.temp_blks_read,
        temp_blks_written=row.temp_blks_written,
        wal_bytes=round(row.wal_bytes),
    )


def _round(event: Activity) -> Iterator[Record]:
    yield ActivityRound(
        at_ns=nanoseconds(event.timestamp),
        source=_source(event.ddagentversion),
        interval_s=event.collection_interval,
        sessions=len(event.postgres_activity),
    )
    for row in rows(event.postgres_activity, ActivityRow):
        yield from _session(event, row)
    for connections in rows(event.postgres_connections, ConnectionsRow):
        yield from _connections(event, connections)


def _connections(event: Activity, row: ConnectionsRow) -> Iterator[Record]:
    tags = {
        "app": row.application_name,
        "db": row.datname,
        "state": row.state,
        "user": row.usename,
    }
    yield from series(
        CONNECTIONS,
        [(nanoseconds(event.timestamp), float(row.connections))],
        metric_type=MetricType.GAUGE,
        interval_s=event.collection_interval,
        host=event.host or "",
        tags=[f"{key}:{value or ''}" for key, value in tags.items()],
        source=_source(event.ddagentversion),
    )


def _session(event: Activity, row: ActivityRow) -> Iterator[Record]:
    at_ns = nanoseconds(event.timestamp)
    text = redact.statement(row.statement or "")
    comment = _comment(text, Metadata(comments=row.dd_comments))
    signature, source = _signature(row.query_signature), _source(event.ddagentversion)
    if row.statement:
        yield from _statement(
            source, row.query_id, signature, comment=comment, text=text.text, at_ns=at_ns
        )
    yield ActivitySample(
        at_ns=at_ns,
        source=source,
        pid=row.pid,
        database=redact.label(row.datname),
        role=redact.label(row.usename),
        application=redact.label(row.application_name),
        backend_type=redact.label(row.backend_type),
        state=redact.label(row.state),
        wait_event_type=redact.label(row.wait_event_type),
        wait_event=redact.label(row.wait_event),
        queryid=row.query_id,
        signature=signature,
        trace_id=comment.trace_id,
        span_id=comment.span_id,
        service=comment.service,
        statement=comment.statement,
        query_start_ns=_time(row.query_start),
        xact_start_ns=_time(row.xact_start),
        blocking_pids=tuple(row.blocking_pids),
    )


def _statement(
    source: Source,
    queryid: int | None,
    signature: str | None,
    *,
    comment: redact.Comment,
    text: str,
    at_ns: int,
) -> Iterator[Record]:
    if source is Source.EMBEDDED and queryid is not None:
        # All its events have the queryid. Signatures are for an Agent's plans, which have nothing else.
        signature = None
    key = str(queryid) if queryid is not None else signature
    if key is not None:
        yield Statement(
            key=key,
            queryid=queryid,
            signature=signature,
            name=comment.statement,
            owner=comment.owner,
            text=text,
            seen_ns=at_ns,
        )


def _comment(text: redact.Redacted, found: Metadata | None) -> redact.Comment:
    """Return the parsed comments: the Agent sends them separately, or they are in the text."""
    if found and found.comments:
        return redact.comments(found.comments)
    return text.comment


def _source(version: str | None) -> Source:
    """Return the sender: an Agent, unless the version is the name of a substitute; never the lab itself."""
    return SUBSTITUTES.get(version or "", Source.AGENT)


def _signature(value: str | None) -> str | None:
    """Return a signature; if it is too short for 64 bits, or has no letter, it may be a personal number."""
    if not value or not SIGNATURE.fullmatch(value):
        return None
    return value if len(value) >= HASH and not value.isdecimal() else redact.label(value)


def nanoseconds(milliseconds: float) -> int:
    """Return milliseconds as nanoseconds, rounded to microseconds, the precision of a float of this size."""
    return round(milliseconds * 1_000) * 1_000


def _time(value: datetime | None) -> int | None:
    """Return a time in nanoseconds; None without a time zone, because it would be read as local time."""
    if value is None or value.tzinfo is None:
        return None
    if not FIRST_YEAR <= value.year <= LAST_YEAR:
        raise malformed("a time that does not fit into 64 bits of nanoseconds")
    return round(value.timestamp() * 1_000_000) * 1_000
