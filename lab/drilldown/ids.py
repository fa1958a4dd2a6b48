"""Parses a trace id, or a traceparent as in a log line or a statement's comment."""

import re
from dataclasses import dataclass

from lab.drilldown.errors import MalformedIdError

# In place of an id.
SLOWEST = "slowest"
TRACE_ID = re.compile(r"[0-9a-f]{32}")
TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")


@dataclass(frozen=True, kw_only=True, slots=True)
class TraceRef:
    """A trace, and the span in it that a traceparent names; None when only the trace is known."""

    trace_id: str
    span_id: str | None = None


def parse(text: str) -> TraceRef:
    """Parse a trace id or a traceparent, in upper or lower case and with surrounding blanks.

    >>> parse("00-" + "A" * 32 + "-" + "b" * 16 + "-01").span_id
    'bbbbbbbbbbbbbbbb'

    Raises:
        MalformedIdError: with the value, what is wrong with it, and what was expected.
    """
    given = text.strip().lower()
    if found := TRACEPARENT.fullmatch(given):
        return TraceRef(trace_id=found[1], span_id=found[2])
    if TRACE_ID.fullmatch(given):
        return TraceRef(trace_id=given)
    raise MalformedIdError(
        f'"{text.strip()[:80]}" is not a trace id: {_reason(given)}.\n'
        "Expected: 32 hexadecimal digits, or a traceparent 00-TRACE_ID-SPAN_ID-01."
    )


def _reason(given: str) -> str:
    strange = sorted(set(given) - set("0123456789abcdef"))
    if "-" in strange:
        return "a traceparent has groups of 2, 32, 16 and 2 hexadecimal digits"
    if strange:
        return f"{' '.join(map(repr, strange[:5]))} are not hexadecimal"
    return f"it has {len(given)} digits"
