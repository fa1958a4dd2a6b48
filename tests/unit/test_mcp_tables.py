"""MCP tools on query metrics, plans, traces and log lines: which rows, their figures, order and filters."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.foundation.errors import LabError
from lab.mcp.tools import apm
from lab.mcp.tools.apm import ApmTools
from lab.mcp.tools.dbm import DbmTools
from lab.mcp.tools.dbm_server import DbmServerTools
from lab.mcp.tools.log import LogTools
from lab.telemetry.pglog.events import Kind
from lab.telemetry.store import Record, Snapshot, Source, Span
from tests import evidence as of
from tests.mcp_store import END, SINCE, START, UNTIL, S, answered, holding, time

ASKED: dict[str, Any] = {"start": START, "end": END}
AT = SINCE + 10 * S


@contextmanager
def dbm(state: Path, *records: Record) -> Iterator[DbmTools]:
    with holding(state, *records) as sources:
        yield DbmTools(sources)


def test_query_metrics_are_ranked_with_their_text(tmp_path: Path) -> None:
    """Of the application's role; a long text is cut with its length."""
    text = "SELECT " + "x" * 400
    with dbm(
        tmp_path,
        replace(of.deltas(1, calls=2, exec_time_ms=9.0), at_ns=AT), replace(of.deltas(2, calls=5), at_ns=AT),
        replace(of.deltas(3, role="datadog"), at_ns=AT), replace(of.deltas(4), at_ns=UNTIL),
        replace(of.deltas(5, role="other", signature="abc"), at_ns=AT, queryid=None),
        of.known(1, name="pay", text=text), of.known(2, name="move", text="SELECT 1"),
    ) as tools:  # fmt: skip
        found = tools.dbm_query_metrics(**ASKED)
        everyone = tools.dbm_query_metrics(**ASKED, role="all")
        unknown = tools.dbm_query_metrics(**ASKED, role="other")["rows"]
    assert found["sent_by"] == "embedded agent, not Datadog's"
    assert [(row["queryid"], row["calls"]) for row in found["rows"]] == [("1", 2), ("2", 5)]
    assert found["rows"][0]["text"] == f"{text[:400]}... (407 characters)"
    assert found["rows"][1]["text"] == "SELECT 1"
    assert "signature" not in found["rows"][0]
    assert {row.get("queryid") for row in everyone["rows"]} == {"1", "2", "3", None}
    assert [(row.get("queryid"), row["signature"]) for row in unknown] == [(None, "abc")]


def test_calls_over_time_are_in_steps_of_ten_seconds(tmp_path: Path) -> None:
    """At the start of the step in which an interval ends; other statements and roles do not count."""
    base = SINCE // (10 * S) * 10 * S
    with dbm(
        tmp_path,
        of.known(1, name="pay"),
        replace(of.deltas(1, calls=50), at_ns=base),
        replace(of.deltas(1, calls=2, exec_time_ms=9.0), at_ns=base + 1),
        replace(of.deltas(1, calls=1, exec_time_ms=3.0), at_ns=base + 10 * S),
        replace(of.deltas(1, calls=4, exec_time_ms=2.0), at_ns=base + 20 * S + 1),
        replace(of.deltas(1, calls=0, exec_time_ms=2.0), at_ns=base + 40 * S),
        replace(of.deltas(1, calls=8, role="datadog"), at_ns=base + 20 * S),
        replace(of.deltas(2, calls=8), at_ns=base),
    ) as tools:
        found = tools.dbm_query_metrics_over_time(statement="pay", **ASKED)
        hours = tools.dbm_query_metrics_over_time(queryid="1", start="-2h", end=END)
        with pytest.raises(LabError, match="queryid or statement is missing"):
            tools.dbm_query_metrics_over_time(**ASKED)
    assert found == {
        "queryids": ["1"], "step_s": 10, "columns": ["start", "calls", "mean_ms"],
        "rows": [[answered(base), 3, 4], [answered(base + 20 * S), 4, 0.5],
                 [answered(base + 30 * S), 0, None]],
    }  # fmt: skip
    assert hours["step_s"] == 20


def test_plans_of_database_monitoring_are_estimated_and_newest_first(tmp_path: Path) -> None:
    span = of.statement(1)
    estimated = of.plan(span, executed=False, at_ns=AT)
    with dbm(
        tmp_path,
        of.known(of.QUERYID), of.known(7, name="pay"),
        replace(of.known(7, name="pay"), key="abc", signature="abc"),
        estimated, replace(estimated, at_ns=AT + S, queryid=7), replace(estimated, at_ns=UNTIL),
        replace(estimated, at_ns=AT + 2 * S, queryid=None, signature="abc", statement=None),
        replace(estimated, at_ns=AT + 3 * S, queryid=None, signature="other"), of.plan(span, ms=5, at_ns=AT),
    ) as tools:  # fmt: skip
        rows = tools.dbm_plans(**ASKED)["rows"]
        assert tools.dbm_plans(**ASKED)["newest_data"] == "nothing was received yet: unknown"
        own = tools.dbm_plans(statement="pay", **ASKED)["rows"]
        whole = tools.dbm_plans(queryid="7", include_plan=True, **ASKED)["rows"]
    assert [row.get("queryid") for row in rows] == [None, None, "7", str(of.QUERYID)]
    assert [row.get("signature") for row in rows] == ["other", "abc", None, None]
    assert [row["at"] for row in own] == [answered(AT + 2 * S), answered(AT + S)]
    assert own[1]["estimated_cost"] == 5
    assert own[1]["estimated_rows"] == 10
    assert "plan" not in own[1]
    assert whole[1]["plan"] == ["Seq Scan on installments (cost=5 estimated_rows=10)"]


def traced(number: int, ms: float, at_ns: int = AT, **fields: Any) -> Span:
    return replace(of.root(number, ms=ms, **fields), start_ns=at_ns)


def test_operations_have_rate_errors_and_quantiles(tmp_path: Path) -> None:
    """The slowest 95th percentile first; the end of the window is not in it."""
    spans = [traced(n, ms=float(n)) for n in range(1, 101)]
    others = [
        traced(200, 500.0, service="credit-customers", resource="lookup", error=True),
        traced(201, 700.0, service="credit-customers", resource="lookup"),
        traced(202, 9e3, UNTIL), traced(203, 9e3, SINCE - 1), traced(204, 1.0, SINCE, resource="edge"),
        replace(of.statement(1, ms=9e3), start_ns=AT),
    ]  # fmt: skip
    with holding(tmp_path, *spans, *others) as sources:
        found = ApmTools(sources).apm_operations(**ASKED)
    slow, usual, edge = found["rows"]
    assert slow == {
        "service": "credit-customers", "operation": "lookup", "traces": 2, "per_s": 0.0166667, "errors": 1,
        "mean_ms": 600, "p50_ms": 700, "p95_ms": 700, "p99_ms": 700, "max_ms": 700,
    }  # fmt: skip
    assert usual == {
        "service": "credit-risk", "operation": "risk_distribution", "traces": 100, "per_s": 0.833333,
        "errors": 0, "mean_ms": 50.5, "p50_ms": 51, "p95_ms": 96, "p99_ms": 100, "max_ms": 100,
    }  # fmt: skip
    assert (edge["operation"], edge["p99_ms"]) == ("edge", 1)
    assert (found["newest_data"], "note" in found) == (answered(UNTIL), False)


def test_operations_of_many_traces_are_those_of_the_latest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apm, "MAX_TRACES", 2)
    with holding(tmp_path, *(traced(n, float(n), AT + n) for n in (1, 2, 3))) as sources:
        found = ApmTools(sources).apm_operations(**ASKED)
    assert [(row["traces"], row["mean_ms"]) for row in found["rows"]] == [(2, 2.5)]
    assert found["note"] == "of the latest 2 traces of each service"


def test_a_long_trace_has_its_longest_spans_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apm, "MAX_SPANS", 2)
    fast = of.statement(1, 2, at_ms=1, ms=5, tags={"db.system": "postgresql"})
    records = [of.root(1, ms=400, error=True), fast, of.statement(1, 3, at_ms=10, ms=300)]
    with holding(tmp_path, *records) as sources:
        tools = ApmTools(sources)
        found = tools.apm_trace(trace_id=of.trace_id(1))
        monkeypatch.setattr(apm, "MAX_SPANS", 3)
        whole = tools.apm_trace(trace_id=of.trace_id(1), include_tags=True)
    assert [span["span_id"] for span in found["spans"]] == [of.span_id(1), of.span_id(3)]
    assert (found["spans_found"], found["more"]) == (3, "the 2 longest spans are shown")
    assert "more" not in whole
    root, first, second = whole["spans"]
    assert (root["error"], root["depth"], root["self_ms"]) == (True, 0, 95)
    assert (first["start_ms"], first["duration_ms"], first["depth"]) == (1, 5, 1)
    assert (first["tags"]["db.system"], "error" in first) == ("postgresql", False)
    assert (second["parent_id"], second["self_ms"]) == (of.span_id(1), 300)


def test_events_are_filtered_by_kind_trace_and_pid(tmp_path: Path) -> None:
    event = replace(of.lock_wait(of.statement(1), ms=2_500, blocked_by=7), at_ns=AT)
    records = [
        event, replace(event, at_ns=AT + S, kind="deadlock", pid=9, trace_id=None, span_id=None),
        replace(event, at_ns=UNTIL), replace(event, at_ns=SINCE - 1),
    ]  # fmt: skip
    with holding(tmp_path, *records) as sources:
        tools = LogTools(sources)
        assert tools.log_events(**ASKED)["newest_data"] == answered(UNTIL)
        every = tools.log_events(**ASKED)["rows"]
        assert [row["kind"] for row in every] == ["deadlock", "lock_wait"]
        selections: list[dict[str, Any]] = [
            {"kinds": [Kind.LOCK_WAIT]}, {"trace_id": of.trace_id(1)}, {"pid": 42}
        ]  # fmt: skip
        for chosen in selections:
            assert tools.log_events(**ASKED, **chosen)["rows"] == [every[1]]
    assert every[1] == {
        "at": answered(AT), "kind": "lock_wait", "severity": "LOG", "message": "still waiting", "pid": 42,
        "role": "credit_app", "service": "credit-risk", "queryid": str(of.QUERYID),
        "trace_id": of.trace_id(1), "span_id": of.span_id(2), "duration_ms": 2500,
        "participants": [{"pid": 42, "waits_for": "ShareLock", "blocked_by": [7]}],
    }  # fmt: skip


def test_executions_are_those_of_the_log(tmp_path: Path) -> None:
    """The slowest first, or the newest; each argument selects some of them."""
    one = replace(of.logged(of.statement(1), ms=380.5), at_ns=AT)
    records: list[Record] = [
        of.known(), of.known(7, name="pay"), one,
        replace(one, at_ns=AT + S, duration_ns=5_000_000, queryid=7, service="a", trace_id=of.trace_id(3)),
        replace(one, at_ns=AT, source=Source.AGENT), replace(one, at_ns=UNTIL),
    ]  # fmt: skip
    with holding(tmp_path, *records) as sources:
        tools = LogTools(sources)
        slow, fast = tools.log_executions(**ASKED)["rows"]
        assert tools.log_executions(**ASKED, slowest_first=False)["rows"] == [fast, slow]
        assert tools.log_executions(**ASKED)["newest_data"] == answered(UNTIL)
        selections: list[dict[str, Any]] = [
            {"statement": "pay"}, {"queryid": "7"}, {"service": "a"}, {"trace_id": of.trace_id(3)}
        ]  # fmt: skip
        for chosen in selections:
            assert tools.log_executions(**ASKED, **chosen)["rows"] == [fast]
        assert tools.log_executions(**ASKED, min_duration_ms=380.5)["rows"] == [slow]
        assert tools.log_executions(**ASKED, min_duration_ms=380.6)["rows"] == []
    assert (slow["server_ms"], fast["server_ms"]) == (380.5, 5)
    assert slow["queryid"] == str(of.QUERYID)


def test_executed_plans_are_the_slowest_first(tmp_path: Path) -> None:
    span, other = of.statement(1), of.statement(3)
    records: list[Record] = [
        of.known(), of.known(7, name="pay"), of.plan(span, ms=250, at_ns=AT),
        of.plan(other, ms=900, at_ns=AT, queryid=7), of.plan(span, executed=False, at_ns=AT),
        of.plan(span, ms=999, at_ns=UNTIL),
    ]  # fmt: skip
    with holding(tmp_path, *records) as sources:
        tools = LogTools(sources)
        slow, fast = tools.log_plans(**ASKED)["rows"]
        pay: list[dict[str, Any]] = [
            {"statement": "pay"}, {"queryid": "7"}, {"trace_id": of.trace_id(3)}
        ]  # fmt: skip
        for chosen in pay:
            assert tools.log_plans(**ASKED, **chosen)["rows"] == [slow]
        both: dict[str, Any] = {"trace_id": of.trace_id(1), "span_id": of.span_id(2).upper()}
        [whole] = tools.log_plans(**ASKED, **both, include_plan=True)["rows"]
        assert tools.log_plans(**ASKED, span_id="f" * 16)["rows"] == []
    assert (slow["execution_ms"], fast["execution_ms"]) == (900, 250)
    assert (fast["shape"], "plan" in fast) == ("installments", False)
    assert whole["plan"][0].startswith("Seq Scan on installments (self_ms=250 total_ms=250 rows=10")


def test_settings_and_tables_are_found_by_a_part_of_their_name(tmp_path: Path) -> None:
    """Settings are the last ones that were received, in the order of their names."""
    old = Snapshot(kind="pg_settings", host="there", at_ns=of.START - S, payload='{"a": "old"}')
    tables = [
        Snapshot(kind=f"table creditdb.{n}", host="h", at_ns=of.START, payload=payload)
        for n, payload in enumerate((
            '{"schema": "public", "name": "loans", "columns": [{"name": "id"}]}',
            '{"schema": "public", "name": "Customers", "columns": [{"name": "cpf", "data_type": "text"}]}',
        ))
    ]  # fmt: skip
    with holding(tmp_path, old, of.thresholds(), *tables) as sources:
        tools = DbmServerTools(sources)
        every, some = tools.dbm_settings(), tools.dbm_settings(contains="EXPLAIN")
        schema, one = tools.dbm_schema(), tools.dbm_schema(contains="custom")
    assert [row["name"] for row in every["rows"]] == [
        "auto_explain.log_min_duration", "log_min_duration_statement", "primary_conninfo"
    ]  # fmt: skip
    assert (every["received"], every["found"]) == (answered(of.START), 3)
    assert some["rows"] == [{"name": "auto_explain.log_min_duration", "setting": "200"}]
    assert [row["name"] for row in schema["rows"]] == ["Customers", "loans"]
    assert schema["rows"][1]["columns"] == ["id"]
    assert one["rows"] == [{"name": "Customers", "schema": "public", "columns": ["cpf text"]}]


def test_the_agents_metrics_have_their_extremes(tmp_path: Path) -> None:
    """Names first; then a metric's series, with the increase where the type has one."""
    gauge = of.metric("a.gauge", (AT, 4.0), (AT + S, 1.0), (AT + 2 * S, 2.0), table="customers")
    gauge += of.metric("a.gauge", (AT + S, 9.0), table="x")
    old = of.metric("b.old", (SINCE - S, 1.0))
    with holding(tmp_path, *gauge, *old) as sources:
        tools = DbmServerTools(sources)
        names = tools.agent_metrics(**ASKED)["rows"]
        [row] = tools.agent_metrics(name="a.gauge", tags=["table:customers"], **ASKED)["rows"]
        [other] = tools.agent_metrics(name="a.gauge", tags=["table:x"], **ASKED)["rows"]
        assert tools.agent_metrics(name="a.gauge", tags=["table:y"], **ASKED)["rows"] == []
        whole = tools.agent_metrics(name="a.gauge", start=time(AT), end=END)["rows"]
    late = [one for one in whole if one["tags"] == ["table:customers"]]
    assert (other["points"], other["first"]) == (1, 9)
    assert names == [
        {"name": "a.gauge", "type": "gauge", "series": 2, "last": answered(AT + 2 * S)}
    ]
    assert row == {
        "tags": ["table:customers"], "type": "gauge", "points": 3, "first": 4, "last": 2, "min": 1, "max": 4
    }  # fmt: skip
    assert late[0]["points"] == 2
