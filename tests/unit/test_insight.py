"""Where a trace's time went, in a sentence; lock waits, the head of a chain, and nodes that stop early."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from lab.drilldown import insight
from lab.drilldown.execution import Blocker, ExecutionPlan, PlanSource
from lab.drilldown.executions import execution
from lab.drilldown.report import ReportedStatement, TraceReport
from lab.drilldown.trace import trace
from lab.foundation.timestamps import NS_PER_MS as MS
from lab.telemetry.store import Record
from tests import evidence as of
from tests.fix_store import Store
from tests.unit.test_drilldown_plan import node, read

AT = datetime(2026, 11, 28, 10, tzinfo=UTC)
EXECUTED = ExecutionPlan(source=PlanSource.EXECUTED, worst_node="Seq Scan on x, slowest node.")
HOLDER = Blocker(
    pid=77, samples=9, root=True, state="idle in transaction", application="credit-drill",
    statement="lock_customers",
)  # fmt: skip


def statement(client_ms: float, server_ms: float | None = None, **fields: Any) -> ReportedStatement:
    known: dict[str, Any] = {
        "span_id": "b" * 16, "queryid": "1", "statement": "pay", "text": "SELECT", "offset_ms": 0.0,
        "error": False, "failure": None, "plan": EXECUTED, "executions": (), "waits": (),
        "blocked_by": (), "absent": {"server_ms": "below log_min_duration_statement (100 ms): because"},
    }  # fmt: skip
    return ReportedStatement(client_ms=client_ms, server_ms=server_ms, **{**known, **fields})


def sentence(duration_ms: float, *statements: ReportedStatement, other_ms: float = 0.0) -> str:
    database_ms = sum(each.client_ms for each in statements) + other_ms
    return insight.sentence(
        TraceReport(
            trace_id="a" * 32, service="credit-x", operation="op", start=AT, duration_ms=duration_ms,
            error=False, statements=statements, links={}, database_ms=database_ms,
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (
            sentence(10_000.0, statement(9_950.0, 9_940.0, locked_ms=9_900.0, blocked_by=(HOLDER,))),
            ("pay waited 9.9 s of 10.0 s for a lock held by pid 77 (credit-drill, idle in transaction,"
            " last statement lock_customers)."),
        ),
        (
            sentence(21_000.0, statement(19.0)),
            "1 statement took 19 ms of 21.0 s (<1 %); the rest, 21.0 s, is the application's own time.",
        ),
        (
            sentence(100.0, statement(10.0), other_ms=80.0),
            ("1 statement took 10 ms of 100 ms (10 %); connecting, commit and rollback took 80 ms, 10 ms"
            " are the application's own time."),
        ),
        (
            sentence(100.0, *[statement(2.0)] * 45),
            ("45 statements of 2.0 ms on average took 90 ms of 100 ms: the number of round trips is the"
            " cause, no single statement."),
        ),
        (
            sentence(250.0, statement(240.0, 230.0)),
            "pay took 240 ms of 250 ms (96 %), on the server 230 ms. Seq Scan on x, slowest node.",
        ),
        (
            sentence(250.0, statement(240.0, 30.0)),
            ("pay took 240 ms of 250 ms (96 %), of which the server 30 ms: the rest, 210 ms, is network,"
            " driver and the program's threads."),
        ),
        (
            sentence(250.0, statement(240.0)),
            ("pay took 240 ms of 250 ms (96 %); its time on the server was not logged: below"
            " log_min_duration_statement (100 ms)."),
        ),
        (sentence(30.0), "No statement ran: all 30 ms are the application's own time."),
    ],
)  # fmt: skip
def test_the_sentence_names_the_largest_part_and_its_cause(found: str, expected: str) -> None:
    assert found == expected


def test_a_lock_wait_is_as_long_as_the_samples_show(store: Store) -> None:
    """The log has a cancelled wait only at deadlock_timeout; the time between two samples is certain."""
    blocked = of.statement(1, ms=9_000)
    begin = blocked.start_ns
    waits: dict[str, Any] = {
        "wait_event_type": "Lock",
        "wait_event": "tuple",
        "blocking_pids": (77,),
    }
    samples = [of.sample(blocked, at_ns=begin + s * 1_000 * MS, **waits) for s in range(1, 9)]
    last = of.sample(blocked, at_ns=begin + 8_900 * MS)
    records: list[Record] = [
        of.root(1, ms=9_100),
        blocked,
        *samples,
        last,
        of.lock_wait(blocked, ms=1_000, blocked_by=77),
    ]
    store.writer.commit(records, timeout_s=60)
    assert execution(store.reader, of.trace_id(1), blocked.span_id).locked_ms == 7_000


def test_the_head_of_a_chain_is_named(store: Store) -> None:
    """The statement waits for 77, which waits for 88: 88 is the cause, and blocks it indirectly."""
    blocked = of.statement(1, ms=3_000)
    at = blocked.start_ns + 500 * MS
    lock: dict[str, Any] = {"wait_event_type": "Lock", "wait_event": "tuple"}
    records: list[Record] = [
        of.root(1, ms=3_100), blocked,
        of.sample(blocked, at_ns=at, blocking_pids=(77,), **lock),
        of.sample(None, at_ns=at, pid=77, blocking_pids=(88,), **lock),
        of.sample(None, at_ns=at, pid=88, state="idle in transaction", application="psql", service=None),
    ]  # fmt: skip
    store.writer.commit(records, timeout_s=60)
    found = execution(store.reader, of.trace_id(1), blocked.span_id)
    assert [(each.pid, each.root) for each in found.blocked_by] == [(77, False), (88, True)]
    assert insight.holder(found.blocked_by) == "pid 88 (psql, idle in transaction)"


def test_a_circle_of_waits_ends_without_a_head(store: Store) -> None:
    blocked = of.statement(1, ms=3_000)
    at = blocked.start_ns + 500 * MS
    records: list[Record] = [
        of.root(1, ms=3_100), blocked,
        of.sample(blocked, at_ns=at, pid=42, blocking_pids=(77,), wait_event_type="Lock"),
        of.sample(None, at_ns=at, pid=77, blocking_pids=(42,), wait_event_type="Lock"),
    ]  # fmt: skip
    store.writer.commit(records, timeout_s=60)
    [only] = execution(store.reader, of.trace_id(1), blocked.span_id).blocked_by
    assert (only.pid, only.root) == (77, False)
    assert (
        insight.holder((replace(only, service=None, application=None, role=None, state=None),))
        == "pid 77"
    )


def test_rows_that_a_limit_did_not_fetch_are_no_wrong_estimate() -> None:
    """Down to a node that reads its whole input; more rows than estimated remain one."""
    scan = node("Seq Scan", ms=5.0, rows=10, expected=100_000)
    limited = read(
        node("Limit", node("Subquery Scan", scan, ms=6.0, rows=10, expected=100_000), ms=7.0)
    )
    assert [each.misestimate for each in limited.root.walk()] == [1.0, None, None]
    sorted_first = read(
        node("Limit", node("Sort", scan, ms=6.0, rows=10, expected=100_000), ms=7.0)
    )
    assert [each.misestimate for each in sorted_first.root.walk()] == [1.0, None, 0.0001]
    counted = node("Aggregate", scan, ms=6.0, Strategy="Plain")
    assert read(node("Limit", counted, ms=7.0)).root.children[0].children[0].misestimate == 0.0001
    many = node("Seq Scan", ms=5.0, rows=100_000, expected=10)
    assert read(node("Limit", many, ms=7.0)).root.children[0].misestimate == 10_000


@pytest.mark.parametrize(
    ("join", "misestimates"),
    [
        ({"Join_Type": "Semi"}, [0.01, None]),
        ({"Join_Type": "Inner", "Inner_Unique": True}, [0.01, None]),
        ({"Join_Type": "Inner"}, [0.01, 0.01]),
    ],
)
def test_the_inner_side_of_a_join_that_needs_one_match_may_stop(
    join: dict[str, Any], misestimates: list[float | None]
) -> None:
    outer = node("Seq Scan", ms=5.0, rows=1, expected=100, Parent_Relationship="Outer")
    inner = node("Index Scan", ms=5.0, rows=1, expected=100, Parent_Relationship="Inner")
    found = read(node("Nested Loop", outer, inner, ms=11.0, **join))
    assert [each.misestimate for each in found.root.children] == misestimates


def test_an_estimate_of_nothing_is_no_culprit() -> None:
    found = read(node("ModifyTable", node("Result", cost=0.01), cost=0.01))
    assert found.worst_node == (
        "No node of the plan stands out: the planner estimates its whole cost at 0.01 units;"
        " the plan was not executed."
    )


def test_a_statement_that_only_the_store_names_has_its_name_in_the_trace_too(store: Store) -> None:
    """As a drill's: the tracer sends the program's text, with %% for a percent sign, PostgreSQL its own."""
    span = of.statement(1, resource="SELECT 1 FROM customers WHERE customer_id %% ? = %(link)s")
    text = "SELECT 1\nFROM customers WHERE customer_id % $1 = $2"
    named = of.known(7, name="lock_customers", text=text)
    store.writer.commit([of.root(1), span, named], timeout_s=60)
    assert [each.statement for each in trace(store.reader, of.trace_id(1)).statements] == [
        "lock_customers"
    ]
