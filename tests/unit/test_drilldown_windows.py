"""Windows of a statement: steps of its series, periods of its plans, its tables, the Agent's sampling."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from lab.clients.prometheus import Prometheus
from lab.drilldown.plan_history import MAX_PERIODS, periods, tables_touched
from lab.drilldown.queries import SQL
from lab.drilldown.sampling import sampled_away
from lab.drilldown.series import Counted, _Window, series
from lab.foundation.timestamps import moment
from lab.telemetry.store import Plan, Record, TraceStats
from tests import evidence as of
from tests.evidence import QUERYID, START
from tests.fix_store import Store

S = 1_000_000_000


@pytest.mark.parametrize(
    ("length_s", "step_s"), [(1, 10), (1_200, 10), (1_201, 20), (2_400, 20), (3_600, 30)]
)
def test_a_window_has_at_most_120_steps(length_s: int, step_s: int) -> None:
    """A step is a multiple of ten seconds."""
    since = datetime.fromtimestamp(1_000_000_200, UTC)
    until = since + timedelta(seconds=length_s)
    assert _Window.of([1], None, since=since, until=until).step_s == step_s


def test_a_window_is_rounded_up_to_whole_steps() -> None:
    since = datetime.fromtimestamp(1_000_005, UTC)
    window = _Window.of([1, 2], "r", since=since, until=since + timedelta(seconds=20))
    assert (window.begin.timestamp(), window.steps, window.queryids) == (1_000_000, 3, (1, 2))
    assert [window.end_of(step).timestamp() for step in (0, 2)] == [1_000_010, 1_000_030]
    whole = _Window.of([1], None, since=window.begin, until=window.begin + timedelta(seconds=20))
    assert whole.steps == 2


@contextmanager
def answering(
    values: Mapping[str, list[tuple[int, float]]],
) -> Iterator[tuple[Prometheus, list[Any]]]:
    """A server with Prometheus' API that has these values for expressions with a word in them."""
    asked: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = {k: v[0] for k, v in parse_qs(urlsplit(self.path).query).items()}
            asked.append(query)
            points = next((v for k, v in values.items() if k in query["query"]), [])
            found = [{"metric": {}, "values": [(at, str(value)) for at, value in points]}]
            data = {"resultType": "matrix", "result": found if points else []}
            body = msgspec.json.encode({"status": "success", "data": data})
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield Prometheus(url=f"http://127.0.0.1:{server.server_port}"), asked
        finally:
            server.shutdown()
            thread.join()


def test_calls_of_a_step_are_the_growth_of_the_counters(store: Store) -> None:
    """A step after a reset, and one without both ends of both counters, is unknown."""
    begin = START // S
    calls = [(0, 100.0), (10, 104.0), (20, 104.0), (30, 3.0), (40, 5.0), (60, 7.0)]
    seconds = [(0, 1.0), (10, 1.5), (20, 1.5), (30, 0.1), (40, 0.2), (50, 0.3), (60, 0.3)]
    values = {
        "calls_total": [(begin + at, value) for at, value in calls],
        "seconds_total": [(begin + at, value) for at, value in seconds if at != 40],
    }
    since, until = moment(START), moment(START + 60 * S)
    with answering(values) as (prometheus, asked):
        found = series(
            store.reader, prometheus, [5, -6], since=since, until=until, role="credit_app"
        )
    assert [point.prometheus for point in found.points] == [
        Counted(calls=4.0, mean_ms=125.0), Counted(calls=0.0, mean_ms=None), None, None, None, None,
    ]  # fmt: skip
    assert found.prometheus == Counted(calls=4.0, mean_ms=125.0)
    assert asked[0]["query"] == (
        'sum(pg_stat_statements_calls_total{queryid=~"5|-6",user="credit_app"})'
    )
    assert asked[0]["step"] == "10"
    assert (float(asked[0]["start"]), float(asked[0]["end"])) == (begin, begin + 60)
    assert found.absent == {"dbm": "DBM received no call of it in this window"}


def test_without_samples_there_is_a_reason(store: Store) -> None:
    with answering({}) as (prometheus, asked):
        found = series(
            store.reader, prometheus, [5], since=moment(START), until=moment(START + S), role=None
        )
    assert found.absent["prometheus"] == "Prometheus has no samples of it in this window"
    assert asked[0]["query"] == 'sum(pg_stat_statements_calls_total{queryid=~"5"})'
    assert (found.prometheus, found.dbm, found.dbm_source) == (None, None, None)


def plan(number: int, ms: float | None, shape: str, **fields: Any) -> Plan:
    span = of.statement(1)
    made = of.plan(span, ms=ms, table=shape, executed=ms is not None, at_ns=START + number * S)
    return replace(made, trace_id=of.trace_id(number), **fields)


def rows(store: Store, *records: Record) -> list[tuple[Any, ...]]:
    store.writer.commit(records, timeout_s=60)
    window = {"since": START, "until": START + 3_000 * S, "limit": 2_000, "signatures": "[]"}
    return store.reader.rows(SQL["plans"], {**window, "queryids": f"[{QUERYID}]"})


def test_a_period_has_the_figures_of_its_executed_plans(store: Store) -> None:
    """Estimated plans are counted apart; a period without executed ones has no times."""
    found = rows(
        store, plan(1, 10, "a"), plan(2, None, "a"), plan(3, 30, "a"), plan(4, 20, "a"),
        plan(5, None, "b"), plan(6, None, "b"),
    )  # fmt: skip
    first, second = periods(store.reader, found)
    assert (first.executed, first.estimated, first.mean_ms, first.slowest_ms) == (3, 1, 20, 30)
    assert (first.trace_id, first.span_id) == (of.trace_id(3), of.span_id(2))
    assert (first.since, first.until) == (moment(START + S), moment(START + 4 * S))
    assert (first.changed, second.changed) == (False, True)
    assert (second.executed, second.estimated, second.mean_ms, second.slowest_ms) == (
        0,
        2,
        None,
        None,
    )
    assert (second.trace_id, second.summary) == (None, "Seq Scan on b")
    assert first.worst_node.startswith("Seq Scan on a, slowest node: 30 ms of 30 ms (100 %)")


def test_the_last_forty_periods_are_shown(store: Store) -> None:
    """The first of them is a change when there was one before it."""
    plans = [plan(number, 1, "ab"[number % 2]) for number in range(1, 43)]
    found = periods(store.reader, rows(store, *plans[: MAX_PERIODS + 2]))
    assert len(found) == 40
    assert (found[0].since, found[0].changed) == (moment(START + 3 * S), True)
    alone = periods(store.reader, rows(store)[:40])
    assert (len(alone), alone[0].changed) == (40, False)


def test_blocks_of_a_table_are_those_of_the_latest_executed_plans(store: Store) -> None:
    """Of fifty; each has three blocks found in shared_buffers, and one that was read."""
    found = rows(
        store, *(plan(number, 1, "old") for number in range(1, 3)), plan(70, None, "estimated"),
        *(plan(number, 1, "new") for number in range(10, 60)),
    )  # fmt: skip
    [table] = tables_touched(store.reader, found, {"new": 0.5, "old": 0.1})
    assert (table.name, table.access, table.plans) == ("new", ("Seq Scan",), 50)
    assert (table.blocks_hit, table.blocks_read, table.hit_ratio) == (150, 50, 0.75)
    assert table.table_hit_ratio == 0.5


def test_without_executed_plans_the_latest_estimate_has_the_tables(store: Store) -> None:
    found = rows(store, plan(1, None, "old"), plan(2, None, "new"))
    [table] = tables_touched(store.reader, found, {})
    assert (table.name, table.plans, table.blocks_hit, table.hit_ratio) == ("new", 0, 0, None)


@pytest.mark.parametrize(
    ("hits", "kept", "words"),
    [
        (50, 47, "it kept 94 % of 50 traces of the last ten minutes. Raise DD_APM_TARGET_TPS to keep more"),
        (49, 1, None),
        (60, 57, None),
        (2_000, 5, "it kept <1 % of 2,000 traces"),
    ],
)  # fmt: skip
def test_an_agents_sampling_is_reported_from_fifty_traces_on(
    store: Store, hits: int, kept: int, words: str | None
) -> None:
    """When it kept less than 95 %; operations without a trace, and the last half minute, do not count."""
    end = START + 40 * S

    def stats(at_ns: int, hits: int, name: str = "credit.operation") -> Record:
        return TraceStats(
            at_ns=at_ns, interval_ns=S, service="credit-risk", name=name, hits=hits, errors=0,
            duration_ns=S,
        )  # fmt: skip

    records = [
        *(of.root(n, start_ns=START, service="credit-risk") for n in range(1, kept + 1)),
        of.statement(1, 5, start_ns=START),
        of.root(9_001, start_ns=end - 30 * S), of.root(9_002, start_ns=end - 600 * S - 1),
        stats(START, hits), stats(START, 9_000, "unknown"), stats(end - 30 * S, 9_000),
        stats(end - 600 * S - 1, 9_000),
    ]  # fmt: skip
    store.writer.commit(records, timeout_s=60)
    found = sampled_away(store.reader, at=moment(end))
    assert (found is None) is (words is None)
    if words:
        assert str(found).startswith("sampled by the Agent: it kept ")
        assert words in str(found)
