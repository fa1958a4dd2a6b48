"""Every parameter of every route of the console, with values out of range: no answer is a 500."""

import http.client
import re
import time
from collections.abc import Iterator
from urllib.parse import quote, urlencode

import pytest

from lab.console import api, jaeger
from lab.console.access import Access
from lab.console.pages import PAGES
from lab.drilldown import Drilldown
from lab.foundation.paths import Paths
from lab.foundation.settings import ROOT, LabSettings
from lab.telemetry.intake import Gate
from lab.telemetry.store import Bounds, Span, Writer
from tests.fix_console import RunningConsole, start_console
from tests.fix_postgres import free_port
from tests.fix_store import HOUR_NS, Tally

TRACE, SPAN = "ab" * 16, "cd" * 8
NUMBERS = (
    "0", "-0", "-1", "1e400", "-1e400", "inf", "-inf", "nan", "1e308", "1e17", "1e-320",
    "9223372036854775807", "9223372036854775808", "-9223372036854775809", "9" * 18, "9" * 19, "9" * 400,
    "0x10", "1_000", "١٢٣", "²", "+5", " 5 ", "5.5.5", "true",
)  # fmt: skip
TIMES = (
    "0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00", "9999-12-31T23:59:59-14:00",
    "9999-12-31T23:59:59.999999", "2026-02-30T00:00:00", "2026-W01-1", "20260101", "now",
)  # fmt: skip
DURATIONS = ("1e9h", f"{'9' * 400}h", f"{'9' * 18}h", "1s1s1s", "0.0us", "-1s", "1d", "µs")
TEXTS = (
    "", " ", "\x00", "a\x00b", "\ud800", "%", "%zz", "..", "../../etc/passwd", "'; --", '"', "{}", "[]",
    '{"error": "true"}', '{"a": 1}', "null", "[" * 10_000, "x" * 20_000, "\u202e", "💥", "\r\n", "slowest",
    TRACE, f"00-{TRACE}-{SPAN}-01", "credit-customers",
)  # fmt: skip
ODD = (*NUMBERS, *TIMES, *DURATIONS, *TEXTS)
# What reads a parameter out of an address, anywhere in the console.
READS = re.compile(
    r'(?:(?:query_params|parameters)\.get\(|asking\.\w+\(request, |_(?:number|moment)\(parameters, )"(\w+)"'
)
# These lead to another page before the others are read; a path's own test has them.
SENDS_AWAY = {"id", "q"}
ALONE = {
    "/traces": ("min_ms", "max_ms", "id"),
    "/go": ("q",),
    "/api/slowest-explained": ("since",),
    "/jaeger/api/traces": ("start", "end", "limit", "minDuration", "maxDuration", "tags"),
}
# Longer ones would make an address that the server refuses as a whole.
LONG = 1_000
FAILURES = {http.client.INTERNAL_SERVER_ERROR, http.client.BAD_GATEWAY}


def parameters() -> list[str]:
    """Return the name of every parameter that the console reads out of an address."""
    sources = (ROOT / "lab" / "console").rglob("*.py")
    found = {name for source in sources for name in READS.findall(source.read_text())}
    return sorted(found | {"window"})


def paths() -> list[str]:
    """Return the path of every page and of every answer to programs."""
    settings = LabSettings(_env_file=None)
    drilldown, access = Drilldown.of(settings), Access(Gate(None), None)
    routes = [*api.routes(drilldown, access), *jaeger.routes(drilldown, access)]
    return [*PAGES, *(route.path for route in routes)]


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    """A console with a trace, so that every search reads the store; PostgreSQL is not available."""
    state = tmp_path_factory.mktemp("odd")
    root = Span(
        trace_id=TRACE, span_id=SPAN, parent_id=None, service="credit-customers", name="credit.operation",
        resource="lookup", kind="worker", start_ns=time.time_ns(), duration_ns=10**9, error=False, tags={},
    )  # fmt: skip
    store = Paths(state=state).store
    with Writer(store, Bounds(age_ns=HOUR_NS, size_bytes=10**9), Tally()) as writer:
        writer.commit([root], timeout_s=60)
    running = start_console(state, POSTGRES_PORT=str(free_port()), PROMETHEUS_PORT=str(free_port()))
    try:
        yield running
    finally:
        running.stop()


def test_the_scan_finds_the_parameters() -> None:
    """A parameter that is read in another way would be missed."""
    assert {"min_ms", "window", "start", "end", "limit", "since", "by", "tags", "q"} <= set(
        parameters()
    )


@pytest.mark.parametrize("path", [path for path in paths() if "{" in path])
def test_no_part_of_a_path_is_a_500(console: RunningConsole, path: str) -> None:
    failed = []
    for odd in ODD:
        if len(odd) < LONG:
            filled = re.sub(r"\{[^}]+\}", quote(odd, safe="", errors="surrogatepass"), path)
            if console.send("GET", filled).status in FAILURES:
                failed.append(filled)
    assert failed == []


@pytest.mark.parametrize("path", paths())
def test_no_parameter_is_a_500(console: RunningConsole, path: str) -> None:
    """Each odd value for all parameters at once, and, where a route has several, for each of them alone."""
    filled = re.sub(r"\{trace_id[^}]*\}", TRACE, path)
    filled = re.sub(r"\{span_id\}", SPAN, filled)
    filled = re.sub(r"\{asked[^}]*\}", "slowest", filled)
    filled = re.sub(r"\{service\}", "credit-customers", filled)
    filled = re.sub(r"\{[^}]+\}", "77", filled)
    asked = [
        {name: odd for name in parameters() if name not in SENDS_AWAY}
        for odd in ODD
        if len(odd) < LONG
    ]
    alone = [*NUMBERS, *TIMES, *DURATIONS]
    asked += [{name: odd} for name in ALONE.get(path, ()) for odd in alone]
    addresses = [f"{filled}?{urlencode(each, errors='surrogatepass')}" for each in asked]
    failed = [each for each in addresses if console.send("GET", each).status in FAILURES]
    assert [each[:200] for each in failed] == []


def test_odd_forms_are_no_500(console: RunningConsole) -> None:
    """The login's form, which is the one that is sent."""
    for odd in ODD:
        body = (
            f"token={quote(odd, errors='surrogatepass')}&then={quote(odd, errors='surrogatepass')}"
        )
        assert console.send("POST", "/login", body.encode()).status not in FAILURES
