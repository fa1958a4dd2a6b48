"""The log of requests through the doors, and the identifiers of evidence that a response showed.

A reference of an answer is `KIND:ID`: `trace:` and 32 hexadecimal digits, `plan:` and a queryid, `sample:`
and the pid of a session, `series:` and the name of a metric, `log:` and the second of a line.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

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

    >>> shown({"prometheus"}, "rate(pg_locks_count[1m])", "")
    ('series:pg_locks_count',)
    >>> shown({"datadog"}, "/sessions", '{"pid": 4711}')
    ('sample:4711',)
    """
    opened = set(doors)
    text = content[:MOST_CONTENT]
    found: set[str] = set()
    if opened & {"apm", "datadog", "log"}:
        found |= {f"trace:{each}" for each in TRACE.findall(text + what)}
    if opened & {"datadog", "log", "sql"}:
        found |= {f"plan:{each}" for each in QUERYID.findall(text + what)}
        found |= {f"sample:{each}" for each in (*PID.findall(text), *FIRST.findall(text))}
    if "log" in opened:
        found |= {f"log:{day}T{time}" for day, time in SECOND.findall(text)}
    if "prometheus" in opened:
        found |= {f"series:{each}" for each in METRIC.findall(f"{what}\n{text}") if "_" in each}
    return tuple(sorted(found)[:MOST_SHOWN])


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
