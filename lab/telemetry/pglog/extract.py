"""Converts a log line to records: executions, plans, statements, events."""

import re
from dataclasses import replace

from lab.foundation.timestamps import NS_PER_MS, NS_PER_US
from lab.telemetry import redact
from lab.telemetry.pglog import commands
from lab.telemetry.pglog.events import event_of, rejected_plan
from lab.telemetry.pglog.line import Line
from lab.telemetry.store import Execution, Plan, Record, Source, Statement

DURATION = re.compile(r"duration: ([0-9]{1,12})(?:\.([0-9]{1,3}))? ms")
# After the duration: simple protocol, extended protocol, auto_explain. Lines of parse and bind are not
# executions: the line of their execution follows.
STATEMENT = "  statement: "
EXECUTE = "  execute "
PLAN = re.compile(r"  plan:\s*(?=[{\[])")


def records_of(line: Line) -> list[Record]:
    """Return the records of a line; none for most lines.

    Raises:
        InvalidLineError: when its timestamp cannot be parsed.
        InvalidPlanError: when its plan cannot be parsed.
    """
    duration = DURATION.match(line.message) if _is_report(line) else None
    if duration is None:
        event = event_of(line)
        return [event] if event else []
    duration_ns = int(duration[1]) * NS_PER_MS + int((duration[2] or "0").ljust(3, "0")) * NS_PER_US
    if (start := _statement_start(line.message, duration.end())) is not None:
        return _execution(line, duration_ns, line.message[start:])
    if plan := PLAN.match(line.message, duration.end()):
        return _plan(line, duration_ns, line.message[plan.end() :])
    return []


def _is_report(line: Line) -> bool:
    """Whether the line is PostgreSQL's own, and not an application's RAISE LOG."""
    return line.error_severity == "LOG" and not redact.is_raised(line.context)


def _statement_start(message: str, after: int) -> int | None:
    if message.startswith(STATEMENT, after):
        return after + len(STATEMENT)
    if message.startswith(EXECUTE, after):
        return commands.after_name(message, after + len("  "))
    return None


def _execution(line: Line, duration_ns: int, text: str) -> list[Record]:
    redacted = redact.statement(text)
    comment = redacted.comment
    # For several statements in one message, the line has the query id of the last one.
    several = commands.is_several(redacted.text)
    execution = Execution(
        at_ns=line.at_ns,
        source=Source.LOG,
        duration_ns=duration_ns,
        queryid=None if several else line.queryid,
        trace_id=comment.trace_id,
        span_id=comment.span_id,
        service=comment.service,
        statement=comment.statement,
        pid=line.pid,
        database=redact.label(line.dbname),
        role=redact.label(line.user),
        application=redact.label(line.application_name),
    )
    return [execution, *([] if several else _statement(line, redacted.text, comment))]


def _plan(line: Line, duration_ns: int, text: str) -> list[Record]:
    try:
        redacted = redact.plan(text)
    except redact.RejectedPlanError as error:
        return [rejected_plan(line, str(error), error.statement, len(text), duration_ns)]
    comment = redacted.comment
    own = redacted.statement is None or commands.is_of(redacted.statement, line.ps)
    if commands.command(redacted.statement) == "PREPARE":
        # The plan is that of an EXECUTE, whose own line follows; the text and its comment are PREPARE's.
        comment = replace(comment, trace_id=None, span_id=None)
    several = commands.is_several(redacted.statement or "")
    plan = Plan(
        at_ns=line.at_ns,
        source=Source.LOG,
        executed=True,
        duration_ns=duration_ns,
        queryid=line.queryid if own or several else None,
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
    return [plan, *(_statement(line, redacted.statement, comment) if own else [])]


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
