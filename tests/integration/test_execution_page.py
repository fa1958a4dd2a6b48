"""The page of one span's executions: several of them, a plan of thousands of nodes, reasons for absence."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.foundation.paths import Paths
from lab.telemetry.store import Bounds, Record, Writer
from tests import evidence as of
from tests.evidence import MS
from tests.fix_console import RunningConsole, start_console
from tests.fix_store import HOUR_NS, Tally

MANY = of.statement(1, ms=2_000, tags={"_dd.dbm_trace_injected": "true", "sql.executemany": "true"})
WIDE = of.statement(2, ms=900)
UNTRACED = of.statement(3, ms=900, tags={})


def records() -> Iterator[Record]:
    yield from (of.root(1, ms=2_100), of.root(2), of.root(3), MANY, WIDE, UNTRACED, of.thresholds())
    for number, (ms, after_ms) in enumerate(((300, 310), (1_500, 1_900))):
        logged = of.logged(MANY, ms=ms, after_ms=after_ms)
        yield logged
        yield of.plan(MANY, ms=ms - 1, table=f"table_{number}", at_ns=logged.at_ns)
    yield of.logged(WIDE, ms=890)
    yield wide()


def wide() -> Record:
    figures = {"Actual Loops": 1, "Actual Rows": 1, "Plan Rows": 1, "Total Cost": 1.0}
    parts = [
        {"Node Type": "Seq Scan", "Relation Name": f"part_{n}", "Actual Total Time": 0.1, **figures}
        for n in range(2_000)
    ]
    plan = {"Node Type": "Append", "Actual Total Time": 880.0, "Plans": parts, **figures}
    small = of.plan(WIDE, ms=880, at_ns=of.logged(WIDE, ms=890).at_ns)
    return type(small)(
        **{name: getattr(small, name) for name in small.__slots__ if name != "definition"},
        definition=json.dumps({"Plan": plan}),
    )


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    state: Path = tmp_path_factory.mktemp("execution-page")
    bounds = Bounds(age_ns=24 * HOUR_NS, size_bytes=10**9)
    with Writer(Paths(state=state).store, bounds, Tally()) as writer:
        writer.commit(list(records()), timeout_s=60)
    running = start_console(state, POSTGRES_PORT="1", PROMETHEUS_PORT="1")
    yield running
    running.stop()


def page(console: RunningConsole, trace_id: str, span_id: str) -> str:
    answer = console.send("GET", f"/traces/{trace_id}/{span_id}", headers={"Accept": "text/html"})
    assert answer.status == 200
    return answer.body.decode()


def test_executions_of_executemany_are_listed(console: RunningConsole) -> None:
    text = page(console, MANY.trace_id, MANY.span_id)
    assert "2 executions in PostgreSQL" in text
    for words in ("table_0, slowest node: 299 ms", "table_1, slowest node: 1,499 ms"):
        assert words in text
    assert "does not have executions below log_min_duration_statement" in text


def test_a_plan_of_thousands_of_nodes_is_cut(console: RunningConsole) -> None:
    """The slowest nodes are shown, with the number of those that are not."""
    text = page(console, WIDE.trace_id, WIDE.span_id)
    assert text.count('class="node"') <= 510
    assert "nodes are not shown: those with the least own time" in text


def test_a_reason_stands_where_the_time_is_absent(console: RunningConsole) -> None:
    text = page(console, UNTRACED.trace_id, UNTRACED.span_id)
    assert text.count("the tracer sent no traceparent with this call") >= 1
    assert "in PostgreSQL's log</h2>" not in text


def test_the_api_has_each_execution(console: RunningConsole) -> None:
    answer = console.send("GET", f"/api/drilldown/trace/{MANY.trace_id}")
    [found] = json.loads(answer.body)["statements"]
    assert [each["server_ms"] for each in found["executions"]] == [300, 1_500]
    assert found["server_ms"] == 1_800 < MANY.duration_ns / MS
