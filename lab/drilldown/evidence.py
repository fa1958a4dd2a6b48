"""Log lines, plans, activity samples and events of a trace, by span.

The key is the traceparent in the statement's comment: the span's id, in PostgreSQL's log, in the plan and in
each sample of the session. Nothing here is matched by text or by similarity.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self, TypeVar

import msgspec

from lab.drilldown.trace import TraceSpan
from lab.foundation.timestamps import NS_PER_MS, moment, nanoseconds
from lab.telemetry.pglog.events import Kind
from lab.telemetry.store import (
    ActivitySample,
    Event,
    Execution,
    Plan,
    Reader,
    Snapshot,
    Source,
)

# Times of the log and of DBM are truncated to milliseconds; a log line is written shortly after its event.
CLOCK = timedelta(milliseconds=1)
CLOCK_NS = 2 * NS_PER_MS
READ_UNTIL = """
SELECT max(coalesce((SELECT max(at_ns) FROM executions), 0),
           coalesce((SELECT max(at_ns) FROM events), 0))
"""
R = TypeVar("R", Execution, Plan, ActivitySample, Event)
PAYLOAD: msgspec.json.Decoder[dict[str, str | None]] = msgspec.json.Decoder(dict[str, str | None])


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Log lines, plans, samples and events of a trace, by span id."""

    reader: Reader
    logged: Mapping[str, Sequence[Execution]]
    plans: Mapping[str, Sequence[Plan]]
    samples: Mapping[str, Sequence[ActivitySample]]
    events: Mapping[str, Sequence[Event]]
    settings: Mapping[str, str | None]
    read_until_ns: int

    @classmethod
    def of(cls, reader: Reader, trace_id: str) -> Self:
        """Return the evidence of a trace."""
        samples = reader.select(ActivitySample, "trace_id = ?", [trace_id], order="at_ns")
        events = reader.select(Event, "trace_id = ?", [trace_id], order="at_ns")
        settings = reader.select(Snapshot, "kind = 'pg_settings'", order="at_ns DESC", limit=1)
        [(read_until_ns,)] = reader.rows(READ_UNTIL)
        return cls(
            reader=reader,
            logged=_by_span(reader.executions_of(trace_id)),
            plans=_by_span(reader.plans_of(trace_id)),
            samples={span: _of_one_source(found) for span, found in _by_span(samples).items()},
            events=_by_span(events),
            settings=PAYLOAD.decode(settings[0].payload) if settings else {},
            read_until_ns=read_until_ns,
        )

    def while_it_ran(self, span: TraceSpan) -> Iterator[ActivitySample]:
        """Yield the samples of a span's session from the time in which its statement ran.

        Samples of a session that is idle in its transaction still have its last statement: they are skipped.
        """
        end = span.start + timedelta(milliseconds=span.duration_ms)
        for sample in self.samples.get(span.span_id, ()):
            at = moment(sample.at_ns)
            if sample.state == "active" and span.start - CLOCK <= at <= end + CLOCK:
                yield sample

    def locks(self, span_id: str) -> list[Event]:
        """Return the logged lock waits of a span."""
        kinds = (Kind.LOCK_WAIT, Kind.LOCK_ACQUIRED)
        return [each for each in self.events.get(span_id, ()) if each.kind in kinds]

    def queryid_of(self, statement: str | None) -> int | None:
        """Return the queryid of a statement's name; None if it has several, as IN lists cause."""
        sql = (
            "SELECT DISTINCT queryid FROM statements"
            " WHERE name = ? AND queryid IS NOT NULL AND text NOT LIKE 'EXPLAIN%' LIMIT 2"
        )
        found = self.reader.rows(sql, [statement]) if statement else []
        return int(found[0][0]) if len(found) == 1 else None

    def setting(self, name: str) -> float | None:
        """Return a number of pg_settings, in its own unit; None when it is not known or not visible."""
        try:
            return float(self.settings.get(name) or "")
        except ValueError:
            return None

    def unnamed_plans(self, logged: Execution) -> list[Plan]:
        """Return the executed plans without a traceparent of one session during a message."""
        return self.reader.select(
            Plan,
            "executed AND trace_id IS NULL AND pid = ? AND at_ns BETWEEN ? AND ?",
            [logged.pid, logged.at_ns - logged.duration_ns - CLOCK_NS, logged.at_ns + CLOCK_NS],
            order="at_ns",
        )

    def unnamed_executions(
        self, pid: int | None, since: datetime, until_ns: int
    ) -> list[Execution]:
        """Return the logged messages without a traceparent of one session in a time range."""
        return self.reader.select(
            Execution,
            "trace_id IS NULL AND pid = ? AND at_ns BETWEEN ? AND ?",
            [pid, nanoseconds(since), until_ns],
            order="at_ns",
        )

    def texts(self, queryids: Sequence[int]) -> dict[int, str]:
        """Return the statements' texts by queryid."""
        sql = (
            "SELECT queryid, text FROM statements WHERE queryid IN (SELECT value FROM json_each(?))"
        )
        return dict(self.reader.rows(sql, [json.dumps(list(queryids))]))


def _of_one_source(samples: Sequence[ActivitySample]) -> Sequence[ActivitySample]:
    """Return the lab's own samples if there are any, else DBM's: each moment counts once."""
    own = [sample for sample in samples if sample.source is Source.LAB]
    return own or samples


def _by_span(records: Iterable[R]) -> dict[str, list[R]]:
    found: dict[str, list[R]] = {}
    for record in records:
        if record.span_id is not None:
            found.setdefault(record.span_id, []).append(record)
    return found
