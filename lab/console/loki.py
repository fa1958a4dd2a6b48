"""The part of Loki's query API that Grafana's Loki data source needs to show PostgreSQL's log.

docs/adr/0011-loki-query-api.md has the reasons. Times are nanoseconds since 1970. Each line is a stream of
its own, because its ids (trace, span, query) are labels, so that Grafana links from them.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from starlette.requests import Request
from starlette.routing import Route

from lab.console import logql
from lab.console.access import Access
from lab.console.answering import Handler, JsonEndpoints
from lab.console.logql import LogQuery
from lab.drilldown import Drilldown, server_log, statement_texts
from lab.drilldown.server_log import COLUMNS, GROUPS, LogLine, LogWindow
from lab.exam.doors import Door, doors
from lab.foundation import clock
from lab.foundation.errors import LabError
from lab.foundation.timestamps import NS_PER_S

PREFIX = "/loki/api/v1"
DEFAULT_LIMIT, MAX_LIMIT = 100, 5_000
# Lines that are read for a result; a filter by text finds only those among them.
READ_LINES = 20_000
MAX_POINTS = 2_000
HOUR_NS = 3_600 * NS_PER_S
MAX_DIGITS = 19
# The query by which Grafana tests a data source.
HEALTH = "vector(1)+vector(1)"


def routes(drilldown: Drilldown, access: Access) -> list[Route]:
    """Return the API's routes; all of them only read."""
    endpoints = JsonEndpoints(
        access, lambda _, m: {"status": "error", "errorType": "bad_data", "error": m, "message": m}
    )
    handlers: dict[str, Handler] = {
        "/query_range": lambda request: _range(drilldown, request.query_params),
        "/query": lambda request: _instant(drilldown, request.query_params),
        "/labels": lambda _: _success(list(GROUPS)),
        "/label/{name}/values": lambda request: _success(_values(drilldown, request)),
        "/series": lambda request: _success(_series(drilldown, request.query_params)),
        "/index/stats": lambda request: _stats(drilldown, request.query_params),
        "/index/volume": lambda _: _success({"resultType": "vector", "result": []}),
    }
    return endpoints.routes(PREFIX, handlers)


def _success(data: object) -> object:
    return {"status": "success", "data": data}


def _range(drilldown: Drilldown, parameters: Mapping[str, str]) -> object:
    query = logql.parse(parameters.get("query", ""))
    window = _window(parameters)
    if query.range_ns is not None:
        return _success(
            {"resultType": "matrix", "result": _counted(drilldown, query, window, parameters)}
        )
    newest = parameters.get("direction", "backward") != "forward"
    limit = min(_number(parameters, "limit", DEFAULT_LIMIT), MAX_LIMIT)
    found = _found(drilldown, query, replace(window, newest=newest))[:limit]
    streams = [
        {"stream": dict(line.labels), "values": [[str(line.at_ns), line.text]]} for line in found
    ]
    return _success({"resultType": "streams", "result": streams, "stats": {}})


def _instant(drilldown: Drilldown, parameters: Mapping[str, str]) -> object:
    now_ns = clock.now_ns()
    text = "".join(parameters.get("query", "").split())
    if text == HEALTH:
        sample = {"metric": {}, "value": [now_ns / NS_PER_S, "2"]}
        return _success({"resultType": "vector", "result": [sample]})
    query = logql.parse(parameters.get("query", ""))
    at_ns = _time(parameters, "time", now_ns)
    if query.range_ns is None:
        window = {"start": str(at_ns - HOUR_NS), "end": str(at_ns + 1)}
        return _range(drilldown, {**parameters, **window})
    # As at a step: the range (time - range, time].
    window_ns = LogWindow(since_ns=at_ns - query.range_ns + 1, until_ns=at_ns + 1)
    counts = Counter(_group(query, line) for line in _found(drilldown, query, window_ns))
    vector = [
        {"metric": dict(group), "value": [at_ns / NS_PER_S, str(count)]}
        for group, count in counts.items()
    ]
    return _success({"resultType": "vector", "result": vector})


def _counted(
    drilldown: Drilldown, query: LogQuery, window: LogWindow, parameters: Mapping[str, str]
) -> list[object]:
    """Return the number of lines in the range before each step, by group."""
    assert query.range_ns is not None
    step_ns = _step(parameters, query.range_ns)
    steps = range(window.since_ns, window.until_ns + 1, step_ns)
    if len(steps) > MAX_POINTS:
        raise LabError(
            f"step: {len(steps):,} points are requested, at most {MAX_POINTS:,} are returned."
        )
    wider = replace(window, since_ns=window.since_ns - query.range_ns)
    counts: dict[tuple[tuple[str, str], ...], Counter[int]] = {}
    for line in _found(drilldown, query, wider):
        own = counts.setdefault(_group(query, line), Counter())
        # The steps at which the line is in the range: (step - range, step].
        first = max(0, -((window.since_ns - line.at_ns) // step_ns))
        last = (line.at_ns + query.range_ns - 1 - window.since_ns) // step_ns
        own.update(range(first, min(last, len(steps) - 1) + 1))
    return [
        {
            "metric": dict(group),
            "values": [[steps[at] / NS_PER_S, str(own[at])] for at in sorted(own)],
        }
        for group, own in counts.items()
    ]


def _group(query: LogQuery, line: LogLine) -> tuple[tuple[str, str], ...]:
    # Grafana's histogram groups by either name of the level.
    labels = {**line.labels, "detected_level": line.labels["level"]}
    return tuple((name, labels[name]) for name in query.by if name in labels)


def _found(drilldown: Drilldown, query: LogQuery, window: LogWindow) -> list[LogLine]:
    """Return the lines that meet a query, of at most READ_LINES that are read."""
    if _equal(query, "job") == [statement_texts.JOB]:
        # DBM reports most of them: the door of the log alone does not open them in an exam.
        doors(drilldown.settings).require(Door.LOG, Door.DATADOG)
        names = _equal(query, "statement")
        lines = statement_texts.lines(drilldown.reader, replace(window, limit=READ_LINES), names)
    else:
        narrow = replace(window, equal=dict(_looked_up(query)), limit=READ_LINES)
        lines = server_log.lines(drilldown.reader, narrow)
    return [line for line in lines if query.holds(line.labels, line.text)]


def _equal(query: LogQuery, label: str) -> list[str]:
    """Return the value that a label must have, or none."""
    return [each.value for each in query.filters if each.label == label and each.operator == "="]


def _looked_up(query: LogQuery) -> Iterator[tuple[str, str]]:
    """Yield the conditions for which the store has an index."""
    for each in query.filters:
        if each.label is not None and each.label in COLUMNS and each.operator == "=" and each.value:
            yield each.label, each.value


def _values(drilldown: Drilldown, request: Request) -> Sequence[str]:
    name = request.path_params["name"]
    window = replace(_window(request.query_params), limit=READ_LINES)
    lines = server_log.lines(drilldown.reader, window)
    found = {line.labels.get(name, "") for line in lines} - {""}
    return sorted(found)[:MAX_LIMIT]


def _series(drilldown: Drilldown, parameters: Mapping[str, str]) -> list[dict[str, str]]:
    query = logql.parse(parameters.get("match[]") or parameters.get("match") or "{}")
    groups = {
        tuple((name, line.labels[name]) for name in GROUPS if name in line.labels)
        for line in _found(drilldown, query, _window(parameters))
    }
    return [dict(group) for group in sorted(groups)]


def _stats(drilldown: Drilldown, parameters: Mapping[str, str]) -> object:
    query = logql.parse(parameters.get("query") or "{}")
    found = _found(drilldown, query, _window(parameters))
    size = sum(len(line.text) for line in found)
    return {"streams": len(found), "chunks": len(found), "entries": len(found), "bytes": size}


def _window(parameters: Mapping[str, str]) -> LogWindow:
    now_ns = clock.now_ns()
    until_ns = _time(parameters, "end", now_ns)
    return LogWindow(since_ns=_time(parameters, "start", until_ns - HOUR_NS), until_ns=until_ns)


def _time(parameters: Mapping[str, str], key: str, default: int) -> int:
    """Return a time in nanoseconds; Loki also takes seconds, with or without a fraction."""
    text = parameters.get(key) or ""
    whole, _, fraction = text.partition(".")
    if not text:
        return default
    if len(text) > MAX_DIGITS + 1 or not whole.isdecimal() or not (fraction or "0").isdecimal():
        raise LabError(f'{key}="{text[:40]}" is not a time: nanoseconds or seconds since 1970.')
    seconds = bool(fraction) or len(whole) <= len("9999999999")
    return round(float(text) * NS_PER_S) if seconds else int(whole)


def _step(parameters: Mapping[str, str], default: int) -> int:
    text = parameters.get("step") or ""
    if not text:
        return default
    if text.replace(".", "", 1).isdecimal() and len(text) <= MAX_DIGITS:
        return max(round(float(text) * NS_PER_S), 1)
    return logql.duration_ns(text)


def _number(parameters: Mapping[str, str], key: str, default: int) -> int:
    text = parameters.get(key) or str(default)
    if not text.isdecimal() or len(text) > MAX_DIGITS:
        raise LabError(f'{key}="{text[:40]}" is not a number.')
    return int(text)
