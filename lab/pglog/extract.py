"""From a line of the log to the records that are stored: executions, plans, statements, events."""

import re

from lab import redact
from lab.pglog.events import event_of
from lab.pglog.line import Line
from lab.store import Execution, Plan, Record, Source, Statement

DURATION = re.compile(r"duration: ([0-9]{1,12})(?:\.([0-9]{1,3}))? ms")
# What follows two blanks: simple protocol, extended protocol, auto_explain. parse and bind are steps of
# an execution whose own line follows, so they are no executions.
TEXT = re.compile(r"  (?:statement|execute [^:\n]*|fetch from [^:\n]*): ")
PLAN = re.compile(r"  plan:\s*(?=[{\[])")
NS_PER_MS = 1_000_000
NS_PER_US = 1_000


def records_of(line: Line) -> list[Record]:
    """Return what a line tells; most lines tell nothing that is stored.

    Raises:
        InvalidLineError: when its time cannot be read.
        InvalidPlanError: when its plan cannot be read.
    """
    duration = DURATION.match(line.message) if _is_report(line) else None
    if duration is None:
        event = event_of(line)
        return [event] if event else []
    duration_ns = int(duration[1]) * NS_PER_MS + int((duration[2] or "0").ljust(3, "0")) * NS_PER_US
    if text := TEXT.match(line.message, duration.end()):
        return _execution(line, duration_ns, line.message[text.end() :])
    if plan := PLAN.match(line.message, duration.end()):
        return _plan(line, duration_ns, line.message[plan.end() :])
    return []


def _is_report(line: Line) -> bool:
    """Whether PostgreSQL wrote the line, and not an application by RAISE LOG."""
    return line.error_severity == "LOG" and not redact.is_raised(line.context)


def _execution(line: Line, duration_ns: int, text: str) -> list[Record]:
    redacted = redact.statement(text)
    comment = redacted.comment
    execution = Execution(
        at_ns=line.at_ns,
        source=Source.LOG,
        duration_ns=duration_ns,
        queryid=line.queryid,
        trace_id=comment.trace_id,
        span_id=comment.span_id,
        service=comment.service,
        statement=comment.statement,
        pid=line.pid,
        database=redact.label(line.dbname),
        role=redact.label(line.user),
        application=redact.label(line.application_name),
    )
    return [execution, *_statement(line, redacted.text, comment)]


def _plan(line: Line, duration_ns: int, text: str) -> list[Record]:
    redacted = redact.plan(text)
    comment = redacted.comment
    plan = Plan(
        at_ns=line.at_ns,
        source=Source.LOG,
        executed=True,
        duration_ns=duration_ns,
        queryid=line.queryid,
        signature=None,
        trace_id=comment.trace_id,
        span_id=comment.span_id,
        service=comment.service,
        statement=comment.statement,
        pid=line.pid,
        database=redact.label(line.dbname),
        shape=redacted.shape,
        definition=redacted.definition,
    )
    return [plan, *_statement(line, redacted.statement, comment)]


def _statement(line: Line, text: str | None, comment: redact.Comment) -> list[Record]:
    if line.queryid is None or text is None:
        return []
    return [
        Statement(
            key=str(line.queryid),
            queryid=line.queryid,
            signature=None,
            name=comment.statement,
            owner=comment.owner,
            text=text,
            seen_ns=line.at_ns,
        )
    ]
