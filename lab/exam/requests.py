"""The log of requests through the doors, and the identifiers of evidence that a response showed.

What the request itself names is not shown by its echo in the response: not in a form, a link or a URL.

A reference of an answer is `KIND:ID`: `trace:` and 32 hexadecimal digits, `plan:` and a queryid, `sample:`
and the pid of a session, `series:` and the name of a metric, `log:` and the second of a line.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_plus

import msgspec

from lab.foundation import statefile
from lab.foundation.statefile import DamagedError

# Of one response; a page has at most some hundred.
MOST_SHOWN = 2_000
MOST_CONTENT = 2_000_000
MOST_TEXT = 500
TRACE = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
QUERYID = re.compile(r"(?<![0-9a-f])-?[0-9]{15,20}(?![0-9a-f])")
PID = re.compile(r"\bpids?\b[^0-9a-z]{1,12}([0-9]{1,8})\b", re.IGNORECASE)
# A pid at the begin of a line: of a table, or of a tree.
FIRST = re.compile(r"^[^0-9A-Za-z\n]{0,40}([0-9]{2,8}) {2,}", re.MULTILINE)
SECOND = re.compile(r"(20[0-9]{2}-[01][0-9]-[0-3][0-9])[T ]([0-2][0-9]:[0-5][0-9]:[0-5][0-9])")
# Of a page: forms with the values of the request, and help texts; what is not closed reaches to the end.
WITHOUT_DATA = re.compile(
    r"<textarea.*?(?:</textarea>|\Z)|<input[^>]*(?:>|\Z)|<section[^<>]* data-no-evidence.*?(?:</section>|\Z)",
    re.DOTALL,
)
LINK = re.compile(r"\b(?:href|action)=\"[^\"]*\"")
# A tool's response without rows.
EMPTY = frozenset({"", "[]", "{}"})
METRIC = re.compile(r"(?<![\"'A-Za-z0-9_:])[a-z_:][a-zA-Z0-9_:]{2,100}(?![A-Za-z0-9_:(\"'])")


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request through a door. `at_ns` is nanoseconds since 1970, `size` bytes of the response.

    `door` has several names, joined by `+`, when the response has the evidence of several observers.
    """

    at_ns: int
    door: str
    what: str
    size: int
    shown: tuple[str, ...] = ()


def shown(doors: Collection[str], what: str, content: str) -> tuple[str, ...]:
    """Return the references that a response through these doors contains, sorted.

    Those of the request's query do not count. Metrics of an expression do when the response has series.

    >>> shown({"prometheus"}, "promql_query query=rate(pg_locks_count[1m])", '[{"value": 1}]')
    ('series:pg_locks_count',)
    >>> shown({"prometheus"}, "promql_query query=pg_no_such_metric", "[]")
    ()
    >>> shown({"datadog"}, "/sessions", '{"pid": 4711}')
    ('sample:4711',)
    """
    opened = set(doors)
    path, _, query = what.partition("?")
    text = WITHOUT_DATA.sub("", content[:MOST_CONTENT])
    found: set[str] = set()
    if opened & {"apm", "datadog", "log"}:
        found |= {f"trace:{each}" for each in TRACE.findall(text)}
    if opened & {"datadog", "log", "sql"}:
        found |= {f"plan:{each}" for each in QUERYID.findall(text)}
        found |= {f"sample:{each}" for each in (*PID.findall(text), *FIRST.findall(text))}
    if "log" in opened:
        found |= {f"log:{day}T{time}" for day, time in SECOND.findall(text)}
    found -= _named(unquote_plus(query))
    if "prometheus" in opened and text.strip() not in EMPTY:
        # A page shows the expression beside its series; of a tool, the request has it after the tool's name.
        asked = "" if path.startswith("/") else re.sub(r"^\w+ (?=\w+=)", "", what)
        series = METRIC.findall(f"{asked}\n{LINK.sub('', text)}")
        found |= {f"series:{each}" for each in series if "_" in each}
    return tuple(sorted(found)[:MOST_SHOWN])


def _named(query: str) -> set[str]:
    """Return everything that a query could name: a trace, a queryid, a pid, a second."""
    words = {each.lstrip(sign) for each in re.findall(r"-?[0-9a-f]+", query) for sign in ("", "-")}
    seconds = {f"log:{day}T{time}" for day, time in SECOND.findall(query)}
    return seconds | {f"{kind}:{word}" for word in words for kind in ("trace", "plan", "sample")}


def append(path: Path, request: Request) -> None:
    """Add a request to the log of its exam, durably."""
    statefile.append(path, msgspec.json.encode(request))


def read(path: Path) -> tuple[Request, ...]:
    """Return the requests in their order; an incomplete line of a killed process is skipped."""
    return tuple(sorted(_lines(path), key=lambda request: request.at_ns))


def _lines(path: Path) -> Iterator[Request]:
    try:
        content = statefile.read_bytes(path)
    except DamagedError:
        return
    for line in (content or b"").splitlines():
        try:
            yield msgspec.json.decode(line, type=Request)
        except (ValueError, RecursionError):
            continue
