"""Reasons why a server time or a plan is absent, from the span, the log, the settings and rejected plans.

If these do not determine the reason, it is reported as not known.
"""

from collections.abc import Iterator
from datetime import timedelta

from lab.drilldown.evidence import Evidence
from lab.drilldown.trace import TraceSpan
from lab.drilldown.waiting import locked_ms
from lab.foundation.timestamps import NS_PER_S, ms, nanoseconds
from lab.telemetry.pglog import commands
from lab.telemetry.pglog.events import Kind
from lab.telemetry.store import Execution

LOG_THRESHOLD = "log_min_duration_statement"
PLAN_THRESHOLD = "auto_explain.log_min_duration"
SAMPLE_RATE = "auto_explain.sample_rate"
INJECTED = "_dd.dbm_trace_injected"
EXECUTEMANY = "sql.executemany"
FAILED = "it failed, and of a failed statement PostgreSQL logs neither duration nor plan"
NO_COMMENT = (
    f"the tracer sent no traceparent with this call (its span has no tag {INJECTED}), so no line of"
    " PostgreSQL's log can be matched with it"
)
UNREAD = "PostgreSQL's log has not been read up to the end of the span"
UNPLANNED = frozenset({
    "ALTER", "ANALYZE", "BEGIN", "CHECKPOINT", "CLOSE", "CLUSTER", "COMMENT", "COMMIT", "DEALLOCATE",
    "DISCARD", "DROP", "END", "GRANT", "LISTEN", "LOAD", "LOCK", "MOVE", "NOTIFY", "PREPARE", "REASSIGN",
    "REINDEX", "RELEASE", "RESET", "REVOKE", "ROLLBACK", "SAVEPOINT", "SECURITY", "SET", "SHOW", "START",
    "TRUNCATE", "UNLISTEN", "VACUUM",
})  # fmt: skip


def no_time(evidence: Evidence, span: TraceSpan) -> str:
    """Return why the log has no time of a span's executions."""
    return next(_known(evidence, span, LOG_THRESHOLD), None) or _below_each(evidence, LOG_THRESHOLD)


def executions_missing(evidence: Evidence, span: TraceSpan) -> str | None:
    """Return why the log may not have all executions of a span; None for a span of one execution."""
    if EXECUTEMANY not in span.tags:
        return None
    limit = _limit(evidence, LOG_THRESHOLD)
    return f"executemany: the log does not have executions below {limit}"


def no_plan(evidence: Evidence, span: TraceSpan, logged: Execution | None) -> str:
    """Return why the log has no plan of a span, or of one logged message below it."""
    rejected = _rejected(evidence, span, logged)
    if rejected:
        return rejected
    kind = commands.command(span.resource)
    if kind in UNPLANNED:
        return f"PostgreSQL does not plan statements of this kind ({kind})"
    if logged is None:
        known = next(_known(evidence, span, PLAN_THRESHOLD), None)
        return known or _below_each(evidence, PLAN_THRESHOLD)
    return _of_logged(evidence, span, logged)


def _known(evidence: Evidence, span: TraceSpan, setting: str) -> Iterator[str]:
    """Yield the reasons that are certain, the strongest first."""
    threshold = evidence.setting(setting)
    if span.error:
        yield FAILED
    if threshold is not None and threshold < 0:
        yield f"{setting} is -1: it is disabled"
    if threshold is not None and span.duration_ms < threshold:
        yield f"below {_limit(evidence, setting)}"
    if INJECTED not in span.tags:
        yield NO_COMMENT
    end = span.start + timedelta(milliseconds=span.duration_ms)
    if evidence.read_until_ns < nanoseconds(end):
        yield UNREAD


def _of_logged(evidence: Evidence, span: TraceSpan, logged: Execution) -> str:
    """Return the reason by comparing the message's own time with the plan's threshold."""
    threshold = evidence.setting(PLAN_THRESHOLD)
    server_ms = ms(logged.duration_ns)
    if threshold is None:
        return f"auto_explain logged none; the value of {PLAN_THRESHOLD} is not known"
    if threshold < 0:
        return f"{PLAN_THRESHOLD} is -1: it is disabled"
    limit = _limit(evidence, PLAN_THRESHOLD)
    if server_ms < threshold:
        return f"below {limit}"
    rate = evidence.setting(SAMPLE_RATE)
    if rate is not None and rate < 1:
        return f"{SAMPLE_RATE} is {rate:g}: auto_explain logs only that share of the plans"
    waited = locked_ms(evidence.locks(span.span_id))
    if waited and server_ms - waited < threshold:
        return (
            f"below {limit} without the lock wait of {waited:,.0f} ms:"
            " auto_explain does not count locks that are taken before execution"
        )
    return (
        f"auto_explain logged none, though the server took {server_ms:,.0f} ms, above {limit}; the reason is"
        " not known: auto_explain does not count parsing, planning, locks before execution, and commit"
    )


def _rejected(evidence: Evidence, span: TraceSpan, logged: Execution | None) -> str | None:
    """Return why a logged plan was not stored; None when none was rejected."""
    for event in evidence.events.get(span.span_id, ()):
        if event.kind != Kind.PLAN_REJECTED:
            continue
        begin_ns = logged.at_ns - logged.duration_ns if logged else 0
        if logged is None or begin_ns <= event.at_ns <= logged.at_ns + NS_PER_S:
            return f"auto_explain logged one, which is not stored: {event.message}"
    return None


def _below_each(evidence: Evidence, setting: str) -> str:
    """Return the reason when the log was read beyond the span's end and no line has its traceparent."""
    threshold = evidence.setting(setting)
    if threshold is None:
        return f"PostgreSQL's log has no line of it; the value of {setting} is not known"
    if threshold == 0:
        return f"PostgreSQL's log has no line of it, though {setting} is 0: the reason is not known"
    return (
        f"below {_limit(evidence, setting)} on the server in each execution, unless its session has another"
        " setting: PostgreSQL's log was read beyond it, and has no line of it"
    )


def _limit(evidence: Evidence, setting: str) -> str:
    value = evidence.setting(setting)
    return f"{setting} ({value:g} ms)" if value is not None else setting
