"""What the store holds of a trace besides its spans, by the span whose execution it tells of.

The key is the traceparent in the statement's comment: the span's own id, in PostgreSQL's log, in its plan
and in each sample of its session. Nothing here is matched by text or by likeness.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Self, TypeVar

import msgspec

from lab.drilldown.moments import moment, nanoseconds
from lab.drilldown.trace import TraceSpan
from lab.store import ActivitySample, Event, Execution, Plan, Reader, Snapshot

# A line of the log and a payload of DBM tell their time to the millisecond.
CLOCK = timedelta(milliseconds=1)
LOG_THRESHOLD = "log_min_duration_statement"
PLAN_THRESHOLD = "auto_explain.log_min_duration"
PLANNED = re.compile(
    r"\s*\(*\s*(?:select|insert|update|delete|merge|with|values|table)\b", re.IGNORECASE
)
R = TypeVar("R", Plan, ActivitySample, Event)
PAYLOAD: msgspec.json.Decoder[dict[str, str]] = msgspec.json.Decoder(dict[str, str])


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All that the store holds of a trace besides its spans, by span id."""

    reader: Reader
    logged: Mapping[str, Execution]
    plans: Mapping[str, Sequence[Plan]]
    samples: Mapping[str, Sequence[ActivitySample]]
    events: Mapping[str, Sequence[Event]]
    settings: Mapping[str, str]
    read_until_ns: int

    @classmethod
    def of(cls, reader: Reader, trace_id: str) -> Self:
        """Return the evidence of a trace."""
        samples = reader.select(ActivitySample, "trace_id = ?", [trace_id], order="at_ns")
        events = reader.select(Event, "trace_id = ?", [trace_id], order="at_ns")
        settings = reader.select(Snapshot, "kind = 'pg_settings'", order="at_ns DESC", limit=1)
        [(read_until_ns,)] = reader.rows("SELECT coalesce(max(at_ns), 0) FROM executions")
        return cls(
            reader=reader,
            logged={e.span_id: e for e in reader.executions_of(trace_id) if e.span_id},
            plans=_by_span(reader.plans_of(trace_id)),
            samples=_by_span(samples),
            events=_by_span(events),
            settings=PAYLOAD.decode(settings[0].payload) if settings else {},
            read_until_ns=read_until_ns,
        )

    def while_it_ran(self, span: TraceSpan) -> Iterator[ActivitySample]:
        """Yield the samples of a span's session while it ran its statement.

        A session that is idle in its transaction still shows its last statement: that is left out.
        """
        end = span.start + timedelta(milliseconds=span.duration_ms)
        for sample in self.samples.get(span.span_id, ()):
            at = moment(sample.at_ns)
            if sample.state == "active" and span.start - CLOCK <= at <= end + CLOCK:
                yield sample

    def queryid_of(self, statement: str | None) -> int | None:
        """Return the queryid that a statement's name leads to, where it has one only: lists make many."""
        sql = (
            "SELECT DISTINCT queryid FROM statements"
            " WHERE name = ? AND queryid IS NOT NULL AND text NOT LIKE 'EXPLAIN%' LIMIT 2"
        )
        found = self.reader.rows(sql, [statement]) if statement else []
        return int(found[0][0]) if len(found) == 1 else None

    def not_logged(self, setting: str, span: TraceSpan) -> str:
        """Return why PostgreSQL's log has nothing of an execution: mostly, because it was too fast."""
        threshold = self.settings.get(setting)
        limit = f"{setting} ({threshold} ms)" if threshold else setting
        if span.error:
            return "it failed, and of a failed statement PostgreSQL logs neither duration nor plan"
        end = span.start + timedelta(milliseconds=span.duration_ms)
        if setting == PLAN_THRESHOLD and not PLANNED.match(span.resource):
            return "PostgreSQL plans no statement of this kind"
        if threshold and span.duration_ms < float(threshold):
            return f"below {limit}"
        if setting == PLAN_THRESHOLD and span.span_id in self.logged:
            # auto_explain's clock starts when the plan is made and its tables are locked.
            return f"below {limit} once it was planned; what lasted was a lock or the planning"
        if self.read_until_ns < nanoseconds(end):
            return "PostgreSQL's log, as far as it has been read, does not hold it"
        return f"below {limit} on the server"


def _by_span(records: Iterable[R]) -> dict[str, list[R]]:
    found: dict[str, list[R]] = {}
    for record in records:
        if record.span_id is not None:
            found.setdefault(record.span_id, []).append(record)
    return found
