"""Parts of the drilldown at their bounds: links, traces, sessions, ids, log lines."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from lab.drilldown import MalformedIdError, server_log, statement_texts
from lab.drilldown.errors import NotFoundError, PendingTraceError
from lab.drilldown.ids import parse
from lab.drilldown.links import Links
from lab.drilldown.report import of as report_of
from lab.drilldown.server_log import LogWindow
from lab.drilldown.sessions import Session, Sessions, _of, blocking_tree, root_causes
from lab.drilldown.trace import PENDING_S, SKEW_S, age_s, is_pending, trace
from lab.foundation import clock
from lab.foundation.settings import LabSettings
from lab.telemetry.store import Record
from tests import evidence as of
from tests.evidence import MS, START
from tests.fix_store import Store

AT = datetime(2026, 11, 28, 10, 0, 0, 400_000, tzinfo=UTC)
ALL = Links(console="http://c", prometheus="http://p", grafana="http://g", datadog="http://d")
ALONE = Links(console="http://c")


def query(url: str) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(urlsplit(url).query).items()}


def test_an_expression_opens_prometheus_or_the_consoles_page() -> None:
    """Over the last hour, or over a window of whole seconds, of one at least."""
    window = AT, AT + timedelta(seconds=90.6)
    assert query(ALL.expression("up")) == {"g0.expr": "up", "g0.tab": "0", "g0.range_input": "1h"}
    assert ALL.expression("up").startswith("http://p/graph?")
    assert query(ALL.expression("up", window)) == {
        "g0.expr": "up", "g0.tab": "0", "g0.range_input": "91s", "g0.end_input": "2026-11-28 10:01:31",
    }  # fmt: skip
    assert query(ALL.expression("up", (AT, AT)))["g0.range_input"] == "1s"
    assert ALONE.expression("up").startswith("http://c/prometheus?")
    assert query(ALONE.expression("up")) == {"expr": "up", "window": "1h"}
    begin = str(round(AT.timestamp()))
    assert query(ALONE.expression("up", window)) == {
        "expr": "up",
        "from": begin,
        "to": str(int(begin) + 91),
    }


def test_links_to_a_trace_and_to_one_of_its_spans() -> None:
    """Datadog has span ids in decimal, and searches around a time; Grafana gets its query as JSON."""
    found = ALL.trace("ab", start=AT, span_id="00000000000000ff")
    assert found["console"] == "http://c/traces/ab/00000000000000ff"
    assert (
        found["datadog"]
        == f"http://d/apm/trace/ab?spanID=255&timeHint={round(AT.timestamp() * 1000)}"
    )
    assert unquote(found["grafana"]) == (
        'http://g/explore?schemaVersion=1&panes={"a":{"datasource":"credit-lab-traces",'
        '"queries":[{"refId":"A","query":"ab"}]}}'
    )
    assert ALL.trace("ab")["datadog"] == "http://d/apm/trace/ab"
    assert ALONE.trace("ab") == {"console": "http://c/traces/ab"}


def test_links_to_statements_tables_services_and_sessions() -> None:
    """Each only to components that have pages; a name is quoted in a path."""
    expression = 'statement:pg_stat_statements_seconds_per_call:ratio_rate5m{queryid="-5"}'
    assert ALONE.query(None, "a/b") == {"console": "http://c/queries/a%2Fb"}
    assert query(ALONE.query("-5")["prometheus"])["expr"] == expression
    assert ALL.query("-5", "pay")["datadog"] == "http://d/databases/samples?query=statement%3Apay"
    assert ALL.query("-5") == {
        "console": "http://c/queries/-5", "prometheus": ALL.expression(expression),
        "datadog": "http://d/databases/queries",
    }  # fmt: skip
    assert ALL.query(None, "pay")["grafana"] == (
        "http://g/d/credit-lab-query?var-statement=pay&var-queryid=%24__all"
    )
    assert (
        query(ALL.table("t")["prometheus"])["g0.expr"]
        == 'table:pg_heap_cache_hit:ratio_rate5m{table="t"}'
    )
    assert ALL.table("t")["grafana"] == "http://g/d/credit-lab-tables?var-table=t"
    assert (
        ALL.service("credit-x")["grafana"] == "http://g/d/credit-lab-overview?var-service=credit-x"
    )
    assert ALL.service("a b")["datadog"] == "http://d/apm/services/a%20b"
    assert ALL.sessions()["grafana"] == "http://g/d/credit-lab-sessions"
    assert ALL.sessions()["console"] == "http://c/sessions"
    for links in (ALONE.table("t"), ALONE.service("x")):
        assert list(links) == ["prometheus"]


def test_links_of_a_lab_are_for_a_browser_of_this_machine() -> None:
    settings = LabSettings(
        _env_file=None, bind_address="0.0.0.0", console_port=9, lab_datadog_site="datadoghq.eu"  # noqa: S104
    )  # fmt: skip
    found = Links.of(settings)
    assert (found.console, found.prometheus, found.grafana) == ("http://127.0.0.1:9", None, None)
    assert found.datadog == "https://app.datadoghq.eu"
    assert Links.of(LabSettings(_env_file=None)).datadog is None


@pytest.mark.parametrize(
    ("age", "pending"),
    [(0, True), (PENDING_S - 1, True), (PENDING_S, False), (-SKEW_S, True), (-SKEW_S - 1, False)],
)
def test_spans_are_awaited_for_five_minutes(store: Store, age: int, pending: bool) -> None:
    """From a minute before on, for a clock that is ahead; an id without a time is not awaited."""
    assert (PENDING_S, SKEW_S) == (300, 60)
    trace_id = f"{1_795_860_000 - age:08x}{'0' * 8}a1b2c3d4e5f60718"
    store.writer.commit([], timeout_s=60)
    with clock.replaced(lambda: 1_795_860_000 * 10**9):
        assert (age_s(trace_id), is_pending(trace_id)) == (age, pending)
        assert age_s(trace_id[:15] + "1" + trace_id[16:]) is None
        with pytest.raises(PendingTraceError if pending else NotFoundError) as missing:
            trace(store.reader, trace_id)
    assert (type(missing.value) is PendingTraceError) is pending


def test_times_of_a_waterfall(store: Store) -> None:
    """A child that begins before its parent, or outlasts it, covers only the parent's time."""
    spans = [
        of.root(1, ms=100), of.statement(1, 2, at_ms=-10, ms=30), of.statement(1, 3, at_ms=40, ms=20),
        of.statement(1, 4, at_ms=50, ms=5), of.statement(1, 5, at_ms=90, ms=50),
        of.statement(1, 6, at_ms=95, ms=5, kind="http", tags={}),
    ]  # fmt: skip
    store.writer.commit(spans, timeout_s=60)
    found = trace(store.reader, of.trace_id(1))
    by_id = {int(span.span_id, 16): span for span in found.spans}
    # 0 to 20, 40 to 60 and 90 to 100 ms.
    assert by_id[1].self_ms == 50
    assert [(n, by_id[n].start_ms, by_id[n].self_ms) for n in (2, 3, 5)] == [
        (2, -10, 30), (3, 40, 20), (5, 90, 50),
    ]  # fmt: skip
    assert [span.layer.value for span in found.spans if span.depth == 1][-1] == "application"
    assert [int(span.span_id, 16) for span in found.statements] == [2, 3, 4, 5]
    assert found.database_ms == 50


def test_a_report_has_the_statements_of_a_trace_or_one_of_them(store: Store) -> None:
    from lab.drilldown.executions import executions  # noqa: PLC0415

    store.writer.commit(
        [of.root(1, ms=100), of.statement(1, 2, at_ms=1.5), of.statement(1, 3, at_ms=20, ms=400)],
        timeout_s=60,
    )
    found = trace(store.reader, of.trace_id(1))
    made = executions(store.reader, found)
    whole = report_of(found, made, ALONE)
    assert [each.offset_ms for each in whole.statements] == [1.5, 20.0]
    assert whole.slowest is not None
    assert whole.slowest.span_id == of.span_id(3)
    [one] = report_of(found, made, ALONE, span_id=of.span_id(2)).statements
    assert one.span_id == of.span_id(2)
    with pytest.raises(NotFoundError, match="has no statement with the span 77"):
        report_of(found, made, ALONE, span_id="77")
    assert report_of(found, (), ALONE).slowest is None


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("xyz\n", "'x' 'y' 'z' are not hexadecimal"), ("zyxwvut", "'t' 'u' 'v' 'w' 'x' are not hexadecimal"),
        ("a" * 31, "it has 31 digits"), ("a" * 100, "it has 100 digits"),
    ],
)  # fmt: skip
def test_the_error_of_an_id_quotes_at_most_eighty_characters(given: str, reason: str) -> None:
    with pytest.raises(MalformedIdError) as malformed:
        parse(given)
    assert str(malformed.value) == (
        f'"{given.strip()[:80]}" is not a trace id: {reason}.\n'
        "Expected: 32 hexadecimal digits, or a traceparent 00-TRACE_ID-SPAN_ID-01."
    )


def session(pid: int, *blocked_by: int, **fields: Any) -> Session:
    known: dict[str, Any] = {
        "role": "r", "application": None, "database": "d", "state": "active", "wait_event_type": None,
        "wait_event": None, "queryid": None, "service": None, "statement": None, "text": "", "trace_id": None,
        "span_id": None, "backend_type": "client backend", "query_age_s": None, "transaction_age_s": None,
        "state_age_s": None,
    }  # fmt: skip
    return Session(pid=pid, blocked_by=blocked_by, **{**known, **fields})


def cause(*sessions: Session) -> str:
    tree = blocking_tree({one.pid: one.blocked_by for one in sessions})
    [found] = root_causes(
        Sessions(at=AT, sessions=sessions, blocking=tree, longest_transactions=())
    )
    return found


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ({"text": "SELECT\n  1" + "x" * 70}, "pid 1 (r, active, statement SELECT 1" + "x" * 52 + ")"),
        ({"state": "idle", "transaction_age_s": 2.25, "statement": "pay", "application": "psql"},
         "pid 1 (psql, idle 2.2 s, last statement pay)"),
        ({"role": None, "state": None}, "pid 1 (client backend)"),
    ],
)  # fmt: skip
def test_the_head_of_a_chain_by_what_is_known_of_it(head: dict[str, Any], words: str) -> None:
    """Who waits longest counts, also behind another; a session without an age has waited no time."""
    found = cause(
        session(1, **head),
        session(2, 1, application="a", query_age_s=1.25),
        session(3, 2, query_age_s=9.0),
    )
    assert found == f"{words} blocks 2 sessions of a; the longest waits 9.0 s."
    alone = cause(session(1, **head), session(2, 1))
    assert alone == f"{words} blocks 1 session; the longest waits 0.0 s."


def test_the_ten_oldest_transactions_are_listed() -> None:
    """In the order of the query; a session without a transaction is not among them."""
    sessions = [session(pid, transaction_age_s=None if pid == 3 else 1.0) for pid in range(1, 14)]
    assert _of(sessions, {}).longest_transactions == (1, 2, *range(4, 12))


def test_a_deadlock_begins_at_its_lowest_pid() -> None:
    tree = blocking_tree({5: (9,), 9: (5,), 1: (), 2: (1, 1)})
    assert [(node.pid, [each.pid for each in node.waiting]) for node in tree] == [
        (1, [2, 2]),
        (5, [9]),
    ]


def lines(store: Store, **window: Any) -> list[tuple[int, str]]:
    known = {"since_ns": START, "until_ns": START + 10 * MS, **window}
    return [
        (one.at_ns - START, one.text) for one in server_log.lines(store.reader, LogWindow(**known))
    ]


def test_lines_of_the_log(store: Store) -> None:
    """Of executions, executed plans and events, in the window, newest first; by an id on request."""
    span = of.statement(1)
    long = replace(of.plan(span, ms=2, at_ns=START + 5), definition="x" * 4_001)
    records: list[Record] = [
        of.known(text="SELECT 1"), replace(of.logged(span, ms=1.5), at_ns=START),
        replace(of.logged(span, ms=1, queryid=7), at_ns=START + 10 * MS), long,
        of.plan(span, executed=False, at_ns=START + 6),
        replace(of.failed(span, "division by zero", "22012"), at_ns=START + 7, pid=43, text="SELECT ?"),
    ]  # fmt: skip
    store.writer.commit(records, timeout_s=60)
    execution = (0, "duration: 1.500 ms  statement: SELECT 1")
    planned = (5, "duration: 2.000 ms  plan: " + "x" * 4_000 + " ...")
    failed = (7, "ERROR:  division by zero  statement: SELECT ?")
    assert lines(store) == [failed, planned, execution]
    assert lines(store, newest=False) == [execution, planned, failed]
    assert lines(store, limit=2) == [failed, planned]
    assert lines(store, newest=False, limit=1) == [execution]
    assert lines(store, equal={"pid": "43"}) == [failed]
    assert lines(store, equal={"pid": "x"}) == []
    assert lines(store, since_ns=START + 10 * MS, until_ns=START + 20 * MS) == [
        (10 * MS, "duration: 1.000 ms  statement: risk_distribution")
    ]
    event = server_log.lines(store.reader, LogWindow(since_ns=START + 7, until_ns=START + 8))[0]
    assert {name: event.labels[name] for name in ("job", "kind", "level", "pid")} == {
        "job": "postgres", "kind": "error", "level": "error", "pid": "43",
    }  # fmt: skip
    assert "application" not in event.labels
    [text] = statement_texts.lines(store.reader, LogWindow(since_ns=START, until_ns=START + 5), [])
    assert (text.at_ns, text.text) == (START + 4, "SELECT 1")
