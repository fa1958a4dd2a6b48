"""The part of Jaeger's query API that Grafana's Jaeger data source needs to search and show traces.

docs/adr/0006-jaeger-query-api.md has the reasons. Times are microseconds here. The span of a statement has
the results of the drilldown for its execution as tags that begin with `lab.`, as logs and as references.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from starlette.routing import Route

from lab.console import jaeger_events
from lab.console.access import Access
from lab.console.answering import Handler, JsonEndpoints
from lab.drilldown import Drilldown, Order, Search, traces
from lab.drilldown.execution import StatementExecution
from lab.drilldown.ids import parse
from lab.drilldown.trace import Trace, TraceSpan
from lab.exam.doors import EXPLAINED, doors
from lab.foundation import clock
from lab.foundation.errors import LabError
from lab.foundation.timestamps import EPOCH, NS_PER_MS

PREFIX = "/jaeger/api"
DEFAULT_LIMIT = 20
# A search by tags reads this many times the requested number of traces.
SEARCHED = 10
HOUR_MS = 3_600_000
# A tag of a search, not of a span: `lab.order=slowest` returns the slowest traces instead of the newest.
ORDER = "lab.order"
MAX_DURATION = 60
# A match begins only at the start of a number: a search for \d+ in a million digits would be quadratic.
DURATION = re.compile(r"(?<![0-9.])([0-9]++(?:\.[0-9]++)?)(us|µs|ms|s|m|h)")
IN_MS = {"us": 0.001, "µs": 0.001, "ms": 1.0, "s": 1_000.0, "m": 60_000.0, "h": 3_600_000.0}
TAGS: msgspec.json.Decoder[dict[str, str]] = msgspec.json.Decoder(dict[str, str])


def routes(drilldown: Drilldown, access: Access) -> list[Route]:
    """Return the API's routes; all of them only read."""
    endpoints = JsonEndpoints(
        access, lambda status, m: _enveloped([], [{"code": status, "msg": m}])
    )
    handlers: dict[str, Handler] = {
        "/services": lambda _: _enveloped(drilldown.services()),
        "/services/{service}/operations": lambda request: _enveloped(
            drilldown.operations(request.path_params["service"])
        ),
        "/traces": lambda request: _enveloped(_found(drilldown, request.query_params)),
        "/dependencies": lambda request: _dependencies(drilldown, request.query_params),
        "/traces/{trace_id}": lambda request: _enveloped(
            [_one(drilldown, request.path_params["trace_id"])]
        ),
    }
    return endpoints.routes(PREFIX, handlers)


def _enveloped(data: Sequence[object], errors: Sequence[object] | None = None) -> object:
    return {"data": data, "total": len(data), "limit": 0, "offset": 0, "errors": errors}


def _dependencies(drilldown: Drilldown, parameters: Mapping[str, str]) -> object:
    """Return the calls between services and their database; the times are milliseconds here."""
    now_ms = clock.now_ns() // NS_PER_MS
    until_ms = _number(parameters, "endTs", now_ms)
    since_ms = until_ms - _number(parameters, "lookback", HOUR_MS)
    calls = traces.dependencies(
        drilldown.reader, since_ns=since_ms * NS_PER_MS, until_ns=until_ms * NS_PER_MS
    )
    return _enveloped([
        {"parent": parent, "child": child, "callCount": count} for parent, child, count in calls
    ])  # fmt: skip


def _one(drilldown: Drilldown, trace_id: str) -> object:
    """Return one trace; Jaeger's clients omit leading zeros of its id.

    In an exam without the doors of its executions it has the spans only.
    """
    trace = drilldown.trace(parse(trace_id.zfill(32)).trace_id)
    explained = doors(drilldown.settings).is_open(*EXPLAINED)
    known = {each.span_id: each for each in drilldown.executions(trace)} if explained else {}
    return _document(trace, known)


def _found(drilldown: Drilldown, parameters: Mapping[str, str]) -> list[object]:
    """Return the traces of a search, in Jaeger's parameters; `error=true` is a tag there."""
    tags = _tags(parameters.get("tags", ""))
    order = Order.SLOWEST if tags.pop(ORDER, "") == Order.SLOWEST.value else Order.NEWEST
    error = {"true": True, "false": False}.get(tags.pop("error", ""))
    limit = int(_number(parameters, "limit", DEFAULT_LIMIT))
    wanted = Search(
        service=parameters.get("service") or None,
        operation=parameters.get("operation") or None,
        min_duration_ms=_duration_ms(parameters.get("minDuration", "")),
        max_duration_ms=_duration_ms(parameters.get("maxDuration", "")),
        error=error,
        since=_moment(parameters, "start"),
        until=_moment(parameters, "end"),
        order=order,
        limit=limit * SEARCHED if tags else limit,
    )
    found = (drilldown.trace(summary.trace_id) for summary in drilldown.search(wanted))
    chosen = [trace for trace in found if any(_has(span, tags) for span in trace.spans)]
    return [_document(trace, {}) for trace in chosen[:limit]]


def _has(span: TraceSpan, tags: Mapping[str, str]) -> bool:
    own = {key: str(value) for key, value in _span_tags(span, None)}
    return tags.items() <= own.items()


def _document(trace: Trace, known: Mapping[str, StatementExecution]) -> dict[str, Any]:
    services = list(dict.fromkeys(span.service for span in trace.spans))
    processes = {name: f"p{number}" for number, name in enumerate(services, 1)}
    return {
        "traceID": trace.trace_id,
        "processes": {key: {"serviceName": name, "tags": []} for name, key in processes.items()},
        "spans": [
            {
                "traceID": trace.trace_id,
                "spanID": span.span_id,
                "flags": 1,
                # Jaeger's operation name: of a statement its name, of another span the span's name.
                "operationName": span.statement or span.resource
                if span.depth == 0
                else _name(span),
                "references": _references(trace, span, known.get(span.span_id)),
                "startTime": (span.start - EPOCH) // timedelta(microseconds=1),
                "duration": round(span.duration_ms * 1_000),
                "tags": [
                    {"key": key, "type": _type(value), "value": value}
                    for key, value in _span_tags(span, known.get(span.span_id))
                ],
                "logs": jaeger_events.logs(known[span.span_id]) if span.span_id in known else [],
                "processID": processes[span.service],
                "warnings": None,
            }
            for span in trace.spans
        ],
        "warnings": None,
    }


def _name(span: TraceSpan) -> str:
    return span.statement or span.name


def _references(
    trace: Trace, span: TraceSpan, execution: StatementExecution | None
) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    if span.parent_id is not None:
        found.append({"refType": "CHILD_OF", "traceID": trace.trace_id, "spanID": span.parent_id})
    return found + (jaeger_events.references(execution) if execution else [])


def _span_tags(
    span: TraceSpan, execution: StatementExecution | None
) -> Iterator[tuple[str, str | float | bool]]:
    yield from span.tags.items()
    if span.error:
        yield "error", True
    if span.layer == "statement":
        yield "db.statement", span.resource
    if span.statement:
        yield "lab.statement", span.statement
    if execution is None:
        return
    yield "lab.plan", execution.plan.source.value
    found = {
        "lab.queryid": execution.queryid,
        "lab.server_ms": execution.server_ms,
        "lab.worst_node": execution.plan.worst_node,
        "lab.plan_note": execution.plan.note,
        "lab.waits": ", ".join(f"{w.type}:{w.event} x{w.samples}" for w in execution.waits) or None,
        "lab.blocked_by": ", ".join(str(b.pid) for b in execution.blocked_by) or None,
    }
    yield from ((key, value) for key, value in found.items() if value is not None)


def _type(value: str | float | bool) -> str:
    if isinstance(value, bool):
        return "bool"
    return "string" if isinstance(value, str) else "float64"


def _tags(text: str) -> dict[str, str]:
    try:
        return TAGS.decode(text) if text else {}
    except msgspec.DecodeError as error:
        raise LabError(f"tags: a JSON object with string values is expected: {error}") from None


def _duration_ms(text: str) -> float | None:
    """Parse a duration in Go's format; several units are added."""
    parts = DURATION.findall(text) if len(text) <= MAX_DURATION else []
    if "".join(number + unit for number, unit in parts) != text.strip():
        raise LabError(f'"{text[:40]}" is not a duration; expected: such as 1.2s, 100ms or 500us.')
    return sum(float(number) * IN_MS[unit] for number, unit in parts) if parts else None


def _moment(parameters: Mapping[str, str], key: str) -> datetime | None:
    microseconds = _number(parameters, key, 0)
    try:
        return EPOCH + timedelta(microseconds=microseconds) if microseconds else None
    except OverflowError:
        raise LabError(
            f"{key}={microseconds} is beyond the year 9999; microseconds are expected."
        ) from None


def _number(parameters: Mapping[str, str], key: str, default: int) -> int:
    text = parameters.get(key) or str(default)
    if not text.isdecimal() or len(text) > 18:  # noqa: PLR2004
        raise LabError(f'{key}="{text[:40]}" is not a number.')
    return int(text)
