"""PostgreSQL's log as lines with labels, from the store: statements, executed plans, events.

The store has the parsed lines without literals, so a line is composed again from its fields; it has the
message's words, not PostgreSQL's prefix.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from lab.foundation.timestamps import ms
from lab.telemetry.store import Event, Execution, Plan, Reader, Statement

JOB = "postgres"
MAX_PLAN = 4_000
# The labels by which lines are grouped; the others have too many values for a group.
GROUPS = ("job", "kind", "level", "service", "statement", "application", "role", "database")
# Columns of the three tables that a label of the same name can be looked up by.
COLUMNS = MappingProxyType({"trace_id": str, "span_id": str, "queryid": int, "pid": int})
STATEMENT, PLAN = "statement", "plan"


@dataclass(frozen=True, kw_only=True, slots=True)
class LogLine:
    """One line; `labels` has the groups and the ids that are known, each not empty."""

    at_ns: int
    text: str
    labels: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class LogWindow:
    """Which lines to read: `since_ns` included, `until_ns` not, in nanoseconds since 1970.

    Attributes:
        equal: values of labels in COLUMNS that every line must have.
        newest: whether the newest lines are read when there are more than `limit`.
    """

    since_ns: int
    until_ns: int
    equal: Mapping[str, str] = field(default_factory=dict)
    newest: bool = True
    limit: int = 100


def lines(reader: Reader, window: LogWindow) -> list[LogLine]:
    """Return at most `limit` lines, in the order of the window."""
    condition, parameters = ["at_ns >= ?", "at_ns < ?"], [window.since_ns, window.until_ns]
    values: list[object] = list(parameters)
    for label, text in window.equal.items():
        try:
            values.append(COLUMNS[label](text))
        except ValueError:
            return []
        condition.append(f"{label} = ?")
    order = "at_ns DESC" if window.newest else "at_ns"
    found: list[Execution | Plan | Event] = []
    for record, extra in ((Execution, ""), (Plan, " AND executed"), (Event, "")):
        found += reader.select(
            record,
            " AND ".join(condition) + extra,
            values,
            order=order,
            limit=window.limit,
        )
    found.sort(key=lambda record: record.at_ns, reverse=window.newest)
    chosen = found[: window.limit]
    texts = _texts(reader, chosen)
    return [_line(record, texts) for record in chosen]


def _texts(reader: Reader, found: Sequence[Execution | Plan | Event]) -> dict[int, str]:
    queryids = {record.queryid for record in found if isinstance(record, Execution)} - {None}
    condition = "queryid IN (SELECT value FROM json_each(?))"
    known = reader.select(
        Statement, condition, [json.dumps(sorted(q for q in queryids if q is not None))]
    )
    return {each.queryid: each.text for each in known if each.queryid is not None}


def _line(record: Execution | Plan | Event, texts: Mapping[int, str]) -> LogLine:
    labels = {key: value for key, value in _labels(record) if value}
    return LogLine(at_ns=record.at_ns, text=_text(record, texts), labels=labels)


def _labels(record: Execution | Plan | Event) -> Iterator[tuple[str, str]]:
    yield "job", JOB
    match record:
        case Execution():
            yield "kind", STATEMENT
        case Plan():
            yield "kind", PLAN
        case Event():
            yield "kind", record.kind
    severity = record.severity if isinstance(record, Event) else None
    yield "level", _level(severity)
    for name in ("service", "statement", "application", "role", "database", *COLUMNS):
        value = getattr(record, name, None)
        yield name, "" if value is None else str(value)


def _level(severity: str | None) -> str:
    """Return the level by the names that Grafana has colours for."""
    return {"ERROR": "error", "FATAL": "critical", "PANIC": "critical", "WARNING": "warning"}.get(
        severity or "LOG", "info"
    )


def _text(record: Execution | Plan | Event, texts: Mapping[int, str]) -> str:
    match record:
        case Execution():
            text = texts.get(record.queryid or 0) or record.statement or "(unknown)"
            return f"duration: {ms(record.duration_ns):.3f} ms  statement: {text}"
        case Plan():
            took = f"duration: {ms(record.duration_ns or 0):.3f} ms  "
            definition = record.definition
            shown = definition if len(definition) <= MAX_PLAN else f"{definition[:MAX_PLAN]} ..."
            return f"{took}plan: {shown}"
        case Event():
            where = f"  statement: {record.text}" if record.text else ""
            return f"{record.severity or 'LOG'}:  {record.message}{where}"
