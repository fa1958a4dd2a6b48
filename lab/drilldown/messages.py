"""Log messages of one span: each logged statement with the plans of the same session and time.

A plan belongs to the message of its session whose time contains it. So EXECUTE has the plan that is logged
with PREPARE's text, and DO has those of the statements inside. A cursor's plan is logged when it is closed:
it belongs to DECLARE's span. FETCH and MOVE, which have no comment, are matched by session, cursor name and
time: behind a pooler another client's cursor of that name may have used the session shortly before.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from lab.drilldown.evidence import CLOCK_NS, Evidence
from lab.drilldown.trace import TraceSpan
from lab.telemetry.pglog import commands
from lab.telemetry.store import Execution, Plan

# Statements whose plans are logged with another text, and so without their traceparent.
RUNS_OTHERS = re.compile(r"^\s*(?:DO|CALL)\b|\bEXECUTE\b", re.IGNORECASE)
DECLARE = re.compile(
    r'\s*DECLARE\s+("[^"]++"|\S+)(?:\s++(?!WITH\b|FOR\b)\w++)*+(\s++WITH\s++HOLD\b)?', re.IGNORECASE
)
FETCH = re.compile(r"\s*(FETCH|MOVE)\b", re.IGNORECASE)
# A FETCH takes a little longer than its part of the plan: it is parsed, too.
LONGER, LONGER_NS = 1.05, 5_000_000


class _Document(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    statement: str | None = None


STATEMENT = msgspec.json.Decoder(_Document)


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """A logged message (None for a plan without one), its plans, and its relation to the span."""

    logged: Execution | None
    plans: tuple[Plan, ...]
    note: str | None = None

    @property
    def end_ns(self) -> int:
        """When it ended, by the log."""
        return self.logged.at_ns if self.logged else self.plans[0].at_ns


def messages(evidence: Evidence, span: TraceSpan) -> tuple[Message, ...]:
    """Return the log messages of a span, in the order of the log."""
    left = [plan for plan in evidence.plans.get(span.span_id, ()) if plan.executed]
    found: list[Message] = []
    for logged in evidence.logged.get(span.span_id, ()):
        own = [plan for plan in left if _within(plan, logged)]
        if not own and RUNS_OTHERS.search(span.resource):
            own = evidence.unnamed_plans(logged)
        left = [plan for plan in left if plan not in own]
        found.append(Message(logged=logged, plans=tuple(p for p in own if _within(p, logged))))
    for plan in left:
        found += _alone(evidence, span, plan)
    return tuple(sorted(found, key=lambda message: message.end_ns))


def statement_of(plan: Plan) -> str | None:
    """Return the text that auto_explain logged with a plan; None when the store does not have it."""
    return STATEMENT.decode(plan.definition).statement


def _alone(evidence: Evidence, span: TraceSpan, plan: Plan) -> Iterator[Message]:
    """Yield a plan without a message: a cursor's with its fetches, or one whose message was not logged."""
    cursor = DECLARE.match(statement_of(plan) or "")
    note = "the cursor, by auto_explain: all its fetches together" if cursor else "by auto_explain"
    if cursor and cursor[2]:
        note = "the cursor, by auto_explain: WITH HOLD, its rows are computed when the transaction ends"
    yield Message(logged=None, plans=(plan,), note=note)
    for fetch, word in _fetches(evidence, span, plan, cursor[1]) if cursor else ():
        yield Message(logged=fetch, plans=(), note=f"{word} from the cursor, part of its time")


def _fetches(
    evidence: Evidence, span: TraceSpan, plan: Plan, cursor: str
) -> Iterator[tuple[Execution, str]]:
    """Yield the FETCHes and MOVEs of a cursor, the last first; none when its name was redacted."""
    if "?" in cursor:
        return
    found = evidence.unnamed_executions(plan.pid, span.start, plan.at_ns)
    texts = evidence.texts([each.queryid for each in found if each.queryid is not None])
    left_ns = plan.duration_ns or 0
    for each in sorted(found, key=lambda each: each.at_ns, reverse=True):
        text = texts.get(each.queryid or 0, "")
        fetch = FETCH.match(text)
        if fetch is None or not _same(_last_name(text), cursor):
            continue
        left_ns -= each.duration_ns
        if left_ns < -LONGER_NS - (LONGER - 1) * (plan.duration_ns or 0):
            return
        yield each, fetch[1].upper()


def _last_name(text: str) -> str:
    """Return the identifier at the end of a statement; one in quotes may hold spaces."""
    text = text.rstrip("; \t\r\n")
    begin = text.rfind(' "') + 1 if text.endswith('"') else 0
    return text[begin:] if begin else text.split()[-1]


def _same(one: str, other: str) -> bool:
    """Compare identifiers: without quotes they are in lower case."""

    def name(text: str) -> str:
        return text.strip('"') if text.startswith('"') else text.lower()

    return name(one) == name(other)


def _within(plan: Plan, logged: Execution) -> bool:
    begin = logged.at_ns - logged.duration_ns
    return (
        plan.pid == logged.pid
        and begin - CLOCK_NS <= plan.at_ns - (plan.duration_ns or 0)
        and plan.at_ns <= logged.at_ns + CLOCK_NS
    )


def is_several(message: Message) -> bool:
    """Whether a message holds several statements, as its plans' text shows."""
    return any(commands.is_several(statement_of(plan) or "") for plan in message.plans)
