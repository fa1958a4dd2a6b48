"""Root causes as sentences: which session, with which statement, of which service made others wait."""

import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from lab.console.overview.incidents import Incident
from lab.drilldown import Drilldown, insight
from lab.drills.drill import Drill
from lab.foundation.errors import LabError
from lab.foundation.timestamps import nanoseconds
from lab.telemetry.pglog.events import Kind

# Lock waits whose cause is read from the samples, of those that are listed.
EXPLAINED = 3
WAITS = """
SELECT e.trace_id, e.span_id FROM events e JOIN spans s USING (trace_id, span_id)
WHERE e.kind = 'lock_wait' AND e.at_ns BETWEEN :since AND :until
GROUP BY e.trace_id, e.span_id ORDER BY max(e.duration_ns) DESC LIMIT 5"""
AT_FAULT = """
SELECT trace_id, span_id FROM plans p JOIN spans s USING (trace_id, span_id)
WHERE p.executed AND p.at_ns BETWEEN :since AND :until
AND p.statement IN (SELECT value FROM json_each(:names))
ORDER BY p.duration_ns DESC LIMIT 1"""


def causes(drilldown: Drilldown, incidents: Sequence[Incident]) -> dict[str, str]:
    """Return the cause of the latest lock waits by trace: who holds the lock, with which statement."""
    waits = [one for one in incidents if one.kind is Kind.LOCK_WAIT and one.trace_id]
    found = {
        one.trace_id or "": _of_wait(drilldown, one.trace_id or "", one.span_id or "")
        for one in waits[:EXPLAINED]
    }
    return {trace_id: text for trace_id, text in found.items() if text}


def of_run(
    drilldown: Drilldown, drill: Drill | None, since: datetime, until: datetime
) -> str | None:
    """Return the root cause that the store shows: a lock wait with its blocker, or the statement at fault.

    None when the store has neither.
    """
    window = {"since": nanoseconds(since), "until": nanoseconds(until)}
    for trace_id, span_id in drilldown.reader.rows(WAITS, window):
        if text := _of_wait(drilldown, trace_id, span_id, known=True):
            return text
    names = json.dumps(sorted(drill.statements if drill else ()))
    for trace_id, span_id in drilldown.reader.rows(AT_FAULT, {**window, "names": names}):
        return _sentence(drilldown, trace_id, span_id)
    return None


def _of_wait(
    drilldown: Drilldown, trace_id: str, span_id: str, *, known: bool = False
) -> str | None:
    """Return the sentence of a lock wait; with `known` only if the blocker was sampled."""
    with suppress(LabError):
        statement = drilldown.execution(trace_id, span_id)
        if statement.locked_ms and (statement.blocked_by or not known):
            return insight.of_statement(statement)
    return None


def _sentence(drilldown: Drilldown, trace_id: str, span_id: str) -> str | None:
    with suppress(LabError):
        return insight.of_statement(drilldown.execution(trace_id, span_id))
    return None
