"""The embedded agent: series of the check, deltas, events at their bounds, delivery to an intake."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
import zstandard

from lab.foundation.settings import LabSettings
from lab.telemetry.embedded import delivery, events
from lab.telemetry.embedded.delivery import Delivery, Schedule
from lab.telemetry.embedded.deltas import FIGURES, Counters, deltas
from lab.telemetry.embedded.explain import REMEMBERED, Limits, is_truncated
from lab.telemetry.embedded.metrics import Query, Sampler
from tests.fix_postgres import free_port

COMMON = events.Common(host="db", at_ms=1_000.0, service="credit-postgres", tags=("env:lab",))
QUERY = Query(tags=("db", "app"), rates=("commits",), counts=("deadlocks",), gauges=("size",))


def points(sampler: Sampler, *row: object, at_s: float) -> dict[str, tuple[int, float]]:
    sampler.begin()
    found: dict[str, tuple[int, float]] = {}
    for series in sampler.series(QUERY, [row], at_s=at_s):
        [point] = series["points"]  # type: ignore[misc]
        found[str(series["metric"])] = series["type"], point["value"]  # type: ignore[assignment,has-type]
    return found


def test_rates_are_per_second_and_counts_are_the_growth() -> None:
    """From the second value on; after a reset, and after a run without the counter, it begins again."""
    sampler = Sampler(host="db")
    size, commits, locks = "postgresql.size", "postgresql.commits", "postgresql.deadlocks"
    assert points(sampler, "d", "a", 10, 1, 7, at_s=100.0) == {size: (3, 7.0)}
    assert points(sampler, "d", "a", 40, 3, 8, at_s=115.0) == {
        commits: (3, 2.0), locks: (1, 2.0), size: (3, 8.0),
    }  # fmt: skip
    assert points(sampler, "d", "a", 40, 3, None, at_s=130.0) == {
        commits: (3, 0.0),
        locks: (1, 0.0),
    }
    assert points(sampler, "d", "a", 39, 4, None, at_s=145.0) == {locks: (1, 1.0)}
    assert points(sampler, "d", "a", None, None, 0, at_s=160.0) == {size: (3, 0.0)}
    assert points(sampler, "d", "a", 50, 9, None, at_s=175.0) == {}
    assert points(sampler, "d", "b", 60, 9, None, at_s=190.0) == {}
    # Two readings at one time have no rate.
    assert points(sampler, "d", "b", 61, 9, None, at_s=190.0) == {}


def test_a_series_has_the_form_of_the_api() -> None:
    """A session without a database has no such tag; an application without a name has an empty one."""
    sampler = Sampler(host="db", tags=("agent:embedded",))
    [found] = sampler.series(QUERY, [(None, None, None, None, 7)], at_s=100.9)
    assert found == {
        "metric": "postgresql.size", "type": 3, "points": [{"timestamp": 100, "value": 7.0}],
        "interval": 15, "tags": ["app:", "agent:embedded"], "resources": [{"type": "host", "name": "db"}],
    }  # fmt: skip


def reading(*rows: tuple[int, str, int, float], reset: datetime | None = None) -> Counters:
    """Of a queryid and role: calls and execution time; oids are those of the role's length."""
    return Counters.of_rows(
        (reset, queryid, 5, len(role), "d", role.rstrip("_"), calls, calls, ms, *[0] * 10)
        for queryid, role, calls, ms in rows
    )


def test_deltas_of_equal_names_are_summed() -> None:
    """A statement that was not called has none; a figure that decreased alone counts as zero."""
    assert len(FIGURES) == 13
    before = reading((1, "a", 5, 50.0), (2, "a", 7, 1.0), (1, "a_", 1, 1.0), (3, "a", 9, 9.0))
    now = reading(
        (1, "a", 8, 40.0), (2, "a", 7, 2.0), (1, "a_", 3, 4.0), (3, "a", 2, 3.0), (4, "a", 1, 6.0)
    )
    found = {key: value[:3] for key, value in deltas(before, now).items()}
    assert found == {
        (1, "d", "a"): (5, 5, 3.0), (3, "d", "a"): (2, 2, 3.0), (4, "d", "a"): (1, 1, 6.0),
    }  # fmt: skip
    assert deltas(None, now) == {}
    reset = reading((1, "a", 9, 9.0), reset=datetime(2026, 1, 1, tzinfo=UTC))
    assert {key: value[:3] for key, value in deltas(before, reset).items()} == {
        (1, "d", "a"): (9, 9, 9.0)
    }


def test_the_least_recently_explained_statement_is_forgotten() -> None:
    limits = Limits()
    for number in range(REMEMBERED + 1):
        assert limits.allows(("d", str(number)), now=0.0)
    assert not limits.allows(("d", "1"), now=9.9)
    assert limits.allows(("d", "0"), now=9.9)
    assert REMEMBERED == 5_000


@pytest.mark.parametrize(
    ("text", "cut"), [("x" * 92, False), ("x" * 93, True), ("é" * 46 + "x", True)]
)
def test_a_text_within_seven_bytes_of_the_limit_may_be_cut(text: str, cut: bool) -> None:
    assert is_truncated(text, size=100) is cut


ROW = dict.fromkeys(events.SESSION) | {
    "pid": 7, "datname": "d", "usename": "r", "application_name": "a", "client_addr": "10.0.0.1",
    "client_port": 5, "state": "active", "query": "SELECT 1", "blocking_pids": [],
    "query_start": datetime(2026, 1, 1, tzinfo=UTC), "state_change": datetime(2026, 1, 1, tzinfo=UTC),
}  # fmt: skip


def plan(**row: object) -> dict[str, Any]:
    known = {**ROW, **row}
    return events.plan(events.session(known, size=1_024), known, COMMON, error="x", message="m")


def test_a_plan_of_a_running_statement_has_the_time_of_the_sample() -> None:
    """Its other columns are in its part for PostgreSQL."""
    found = plan()
    assert (found["timestamp"], "duration" in found) == (1_000.0, False)
    assert found["db"]["plan"] == {
        "definition": None, "signature": None, "collection_errors": [{"code": "x", "message": "m"}],
    }  # fmt: skip
    assert found["network"]["client"] == {"ip": "10.0.0.1", "port": 5, "hostname": None}
    assert found["ddtags"] == "db:d,agent:embedded,env:lab"
    assert found["db"]["query_signature"] == found["db"]["resource_hash"]
    assert (found["db"]["instance"], found["db"]["application"], found["db"]["user"]) == (
        "d",
        "a",
        "r",
    )
    assert sorted(found["postgres"]) == [
        "blocking_pids", "pid", "query_signature", "query_start", "state", "state_change", "statement",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("state", "ran", "duration"),
    [
        ("idle", timedelta(milliseconds=250), 250_000_000.0), ("idle in transaction", timedelta(0), 0.0),
        ("idle", timedelta(seconds=-1), 0.0), ("active", timedelta(seconds=1), None),
        ("idle in transaction (aborted)", timedelta(seconds=1), None),
    ],
)  # fmt: skip
def test_a_plan_of_a_statement_that_ended_has_its_end_and_duration(
    state: str, ran: timedelta, duration: float | None
) -> None:
    """In nanoseconds; a clock that was set back causes no negative one."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    found = plan(state=state, query_start=start, state_change=start + ran)
    assert found.get("duration") == duration
    ended = (start + ran).timestamp() * 1_000
    assert found["timestamp"] == (1_000.0 if duration is None else ended)


def test_tables_are_grouped_by_schema() -> None:
    rows = [
        ("public", "a", 1, "x", "int"), ("public", "a", 1, "y", "text"), ("public", "b", 2, "z", "int"),
        ("app", "a", 3, "x", "int"),
    ]  # fmt: skip
    assert events.schema(rows, "d", COMMON)["metadata"] == [{
        "name": "d",
        "schemas": [
            {
                "name": "public",
                "tables": [
                    {
                        "id": "1", "name": "a",
                        "columns": [{"name": "x", "data_type": "int"}, {"name": "y", "data_type": "text"}],
                    },
                    {"id": "2", "name": "b", "columns": [{"name": "z", "data_type": "int"}]},
                ],
            },
            {
                "name": "app",
                "tables": [{"id": "3", "name": "a", "columns": [{"name": "x", "data_type": "int"}]}],
            },
        ],
    }]  # fmt: skip


@contextmanager
def intake(*statuses: int) -> Iterator[tuple[int, list[tuple[str, Any]]]]:
    """An intake that answers with these statuses, then with 202; what it received."""
    left, received = list(statuses), list[tuple[str, Any]]()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["DD-API-KEY"] == "token"
            plain = zstandard.ZstdDecompressor().decompressobj().decompress(body)
            received.append((self.path, json.loads(plain)))
            self.send_response(left.pop(0) if left else 202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port, received
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("status", [400, 401, 403, 413, 415, 404, 408, 429, 500, 503])
def test_a_payload_that_no_retry_changes_is_dropped(status: int) -> None:
    """As an Agent does; any other refused one stays first in the queue, and is sent again."""
    is_dropped = status in {400, 401, 403, 413, 415}
    with intake(status) as (port, received):
        queue = Delivery("127.0.0.1", port, "token")
        queue.put("/a", [{"x": 1}])
        queue.put("/b", [{"x": 2}])
        assert queue.flush() == (0 if is_dropped else 2)
        assert queue.dropped == is_dropped
        assert queue.flush() == 0
    first, second = ("/a", [{"x": 1}]), ("/b", [{"x": 2}])
    assert received == ([first, second] if is_dropped else [first, first, second])


def test_only_batches_that_are_due_are_sent() -> None:
    """Series and service checks at one interval, events at another; series are an object."""
    with intake() as (port, received):
        queue = Delivery("127.0.0.1", port, "token")
        queue.put(delivery.SERIES, [{"m": 1}])
        queue.put(delivery.SERVICE_CHECKS, [{"c": 1}])
        queue.put("/event", [{"e": 1}])
        queue.put("/event", [{"e": 2}])
        queue.put("/none", [])
        assert queue.flush({False}) == 0
        assert received == [("/event", [{"e": 1}, {"e": 2}])]
        assert queue.flush({True}) == 0
    assert received[1:] == [
        ("/api/v2/series", {"series": [{"m": 1}]}),
        ("/api/v1/check_run", [{"c": 1}]),
    ]


def test_the_oldest_payload_goes_when_all_have_deltas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "MAX_WAITING", 2)
    queue = Delivery("127.0.0.1", free_port(), "token")
    for path in (delivery.DELTAS, delivery.SERIES, delivery.DELTAS, "/sample"):
        queue.put(path, [{"a": 1}])
        assert queue.flush() <= 2
    assert [payload.path for payload in queue._waiting] == [delivery.SERIES, delivery.DELTAS]
    assert queue.dropped == 2


def test_batches_are_due_half_an_interval_after_a_collection() -> None:
    fast = Schedule(events_s=1, series_s=2)
    assert [fast.due(second) for second in range(3)] == [{False}, {False, True}, {False}]


def test_without_a_token_the_key_is_that_of_an_agent_without_one() -> None:
    settings = LabSettings(_env_file=None, bind_address="0.0.0.0", console_port=9)  # noqa: S104
    found = Delivery.of(settings)
    assert (found._host, found._port, found._headers["DD-API-KEY"]) == ("127.0.0.1", 9, "0" * 32)
