"""Times are formatted and read in UTC, whatever zone the machine is in, at every change of its clocks."""

import json
import logging
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest
from starlette.requests import Request

from lab.compare import report
from lab.compare.comparison import Comparison
from lab.console.api import _since
from lab.console.pages import asking
from lab.foundation import clock
from lab.foundation.timestamps import moment, nanoseconds
from lab.telemetry.embedded import events
from lab.telemetry.intake import STREAMS
from lab.telemetry.pglog import parse
from lab.telemetry.store import ActivitySample
from tests import payloads
from tests.zones import MOMENTS, OFFSETS, RULES
from workload.logs import JsonFormatter

EMPTY = Comparison(since_s=60.0, datadog="", rows=(), costs=(), costs_since_s=60.0)
at_each_moment = pytest.mark.parametrize("at", MOMENTS.values(), ids=MOMENTS)


@pytest.fixture(params=tuple(RULES.values()), ids=tuple(RULES), autouse=True)
def zone(request: pytest.FixtureRequest) -> Iterator[None]:
    """The machine's zone: each of them in turn."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


def asked(**query: str) -> Request:
    text = "&".join(f"{name}={value}" for name, value in query.items())
    return Request({"type": "http", "query_string": text.encode(), "headers": []})


@at_each_moment
def test_the_clock_and_the_store_s_times(at: datetime) -> None:
    """A moment becomes nanoseconds and comes back; the clock's day is the one in UTC."""
    assert moment(nanoseconds(at)) == at
    assert nanoseconds(at.replace(tzinfo=None)) == nanoseconds(at)
    with clock.replaced(lambda: nanoseconds(at)):
        assert (clock.now(), clock.today()) == (at, at.date())


@at_each_moment
def test_a_line_of_postgresql_s_log(at: datetime) -> None:
    """The log's timestamp is read to the millisecond."""
    text = f"{at:%Y-%m-%d %H:%M:%S.%f}"[:-3]
    line = {"timestamp": f"{text} UTC", "pid": 1, "error_severity": "LOG"}
    assert parse(json.dumps(line).encode()).at_ns == nanoseconds(at)


@at_each_moment
@pytest.mark.parametrize("offset", OFFSETS, ids=str)
def test_a_session_s_start(at: datetime, offset: timezone) -> None:
    """The same start in any session's zone is the same moment, from the embedded agent to the store."""
    written = events._plain(at.astimezone(offset))
    now = payloads.QUERY_STARTED.isoformat(timespec="microseconds")
    body = payloads.activity().replace(now.encode(), str(written).encode())
    [sample] = [
        record
        for record in STREAMS["/api/v2/dbmactivity"].decode(body).records
        if isinstance(record, ActivitySample)
    ]
    assert sample.query_start_ns == nanoseconds(at)


@at_each_moment
def test_the_start_of_a_window_that_an_address_asks_for(at: datetime) -> None:
    """`since` is read with its offset, and without one as UTC."""
    for offset in OFFSETS:
        text = at.astimezone(offset).isoformat().replace("+", "%2B")
        assert nanoseconds(_since(asked(since=text))) == nanoseconds(at)
    assert nanoseconds(_since(asked(since=at.replace(tzinfo=None).isoformat()))) == nanoseconds(at)


@at_each_moment
def test_a_page_s_window_is_as_long_as_it_says(at: datetime) -> None:
    """A day is 24 hours, also when clocks were changed in it."""
    with clock.replaced(lambda: nanoseconds(at)):
        found = asking.window(asked(window="24h"))
    assert (found.until, found.until - found.since) == (at, timedelta(hours=24))


@at_each_moment
def test_what_reports_and_logs_print(at: datetime) -> None:
    """A report's date and a service's log line are in UTC."""
    with clock.replaced(lambda: nanoseconds(at)):
        assert f"{at:%Y-%m-%d %H:%M} UTC" in report.html(EMPTY, "a machine")
    record = logging.LogRecord("x", logging.INFO, "x", 1, "x", (), None)
    record.created = at.timestamp()
    [printed] = [json.loads(JsonFormatter("s").format(record))["time"]]
    assert datetime.fromisoformat(printed) == at
