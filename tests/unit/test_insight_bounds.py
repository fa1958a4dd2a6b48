"""The sentence about a trace at its bounds: which part is named, and with which digits."""

from datetime import UTC, datetime
from typing import Any

import pytest

from lab.drilldown import insight
from lab.drilldown.execution import Blocker, ExecutionPlan, PlanSource
from lab.drilldown.report import ReportedStatement, TraceReport

AT = datetime(2026, 11, 28, 10, tzinfo=UTC)
WHY = "below log_min_duration_statement (100 ms) on the server in each execution, unless: another"


def statement(client_ms: float, server_ms: float | None = None, **fields: Any) -> ReportedStatement:
    known: dict[str, Any] = {
        "span_id": "b" * 16, "queryid": "1", "statement": "pay", "text": "SELECT", "offset_ms": 0.0,
        "error": False, "failure": None, "executions": (), "waits": (), "blocked_by": (),
        "plan": ExecutionPlan(source=PlanSource.EXECUTED, worst_node="Seq Scan on x."),
        "absent": {"server_ms": WHY},
    }  # fmt: skip
    return ReportedStatement(client_ms=client_ms, server_ms=server_ms, **{**known, **fields})


def sentence(
    duration_ms: float, *statements: ReportedStatement, database_ms: float | None = None
) -> str:
    alone = sum(each.client_ms for each in statements)
    return insight.sentence(
        TraceReport(
            trace_id="a" * 32, service="credit-x", operation="op", start=AT, duration_ms=duration_ms,
            error=False, statements=statements, links={},
            database_ms=alone if database_ms is None else database_ms,
        )
    )  # fmt: skip


NOT_SAMPLED = "; the sessions that held it were not sampled."
OWN = "is the application's own time."


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        # A lock wait is the first thing from 30 % on, of all statements together.
        (
            sentence(1_000.0, statement(500.0, locked_ms=300.0), statement(400.0)),
            f"pay waited 300 ms of 1.0 s for a lock{NOT_SAMPLED}",
        ),
        (
            sentence(1_000.0, statement(400.0, 390.0, locked_ms=299.0), statement(200.0)),
            "pay took 400 ms of 1.0 s (40 %), on the server 390 ms. Seq Scan on x.",
        ),
        (
            sentence(1.0, statement(0.6, locked_ms=0.5), statement(0.3)),
            f"pay waited 0.50 ms of 1.0 ms for a lock{NOT_SAMPLED}",
        ),
        (
            sentence(
                100.0, statement(40.0, locked_ms=20.0), statement(40.0, locked_ms=30.0, statement="b")
            ),
            f"b waited 30 ms of 100 ms for a lock{NOT_SAMPLED}",
        ),
        # Half of the trace explains it.
        (
            sentence(100.0, statement(50.0, 50.0)),
            "pay took 50 ms of 100 ms (50 %), on the server 50 ms. Seq Scan on x.",
        ),
        (
            sentence(100.0, statement(49.0)),
            f"1 statement took 49 ms of 100 ms (49 %); the rest, 51 ms, {OWN}",
        ),
        # Twenty statements are many, unless one of them took half of their time.
        (
            sentence(100.0, *[statement(4.0)] * 20),
            ("20 statements of 4.0 ms on average took 80 ms of 100 ms: the number of round trips is the"
            " cause, no single statement."),
        ),
        (
            sentence(100.0, *[statement(4.0, 4.0)] * 19),
            "pay took 4.0 ms of 100 ms (4 %), on the server 4.0 ms. Seq Scan on x.",
        ),
        (
            sentence(100.0, *[statement(2.0)] * 19, statement(38.0, 38.0)),
            "pay took 38 ms of 100 ms (38 %), on the server 38 ms. Seq Scan on x.",
        ),
        (
            sentence(100.0, *[statement(10.0)] * 20),
            ("20 statements of 5.0 ms on average took 100 ms of 100 ms: the number of round trips is the"
            " cause, no single statement."),
        ),
        # Statements of threads overlap: the application has what no span waited for.
        (
            sentence(100.0, statement(20.0), statement(20.0), database_ms=20.0),
            f"2 statements took 40 ms of 100 ms (40 %); the rest, 60 ms, {OWN}",
        ),
        (
            sentence(100.0, statement(10.0), database_ms=100.0),
            ("1 statement took 10 ms of 100 ms (10 %); connecting, commit and rollback took 90 ms, 0.00 ms"
            " are the application's own time."),
        ),
        (
            sentence(100.0, statement(20.0), database_ms=60.0),
            f"1 statement took 20 ms of 100 ms (20 %), connecting and commit 40 ms; the rest, 40 ms, {OWN}",
        ),
        (
            sentence(100.0, statement(10.0), database_ms=11.0),
            f"1 statement took 10 ms of 100 ms (10 %), connecting and commit 1.0 ms; the rest, 89 ms, {OWN}",
        ),
        (
            sentence(100.0, statement(10.0), database_ms=10.9),
            f"1 statement took 10 ms of 100 ms (10 %); the rest, 89 ms, {OWN}",
        ),
        # Of an empty trace no share is known.
        (
            sentence(0.0, statement(0.0)),
            ("pay took 0.00 ms of 0.00 ms; its time on the server was not logged: below"
            " log_min_duration_statement (100 ms)."),
        ),
    ],
)  # fmt: skip
def test_the_named_part_at_its_bound(found: str, expected: str) -> None:
    """Each bound from both sides; the digits are those of the reader's screen."""
    assert found == expected


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (statement(100.0, locked_ms=30.0), f"pay waited 30 ms of 100 ms for a lock{NOT_SAMPLED}"),
        (
            statement(100.0, locked_ms=30.0, error=True),
            f"pay waited at least 30 ms of 100 ms for a lock{NOT_SAMPLED}",
        ),
        (
            statement(100.0, 51.0, locked_ms=29.0),
            "pay took 100 ms, on the server 51 ms. Seq Scan on x.",
        ),
        (
            statement(100.0, 49.0, statement=None),
            (
                "an unnamed statement took 100 ms, of which the server 49 ms: the rest, 51 ms, is network,"
                " driver and the program's threads."
            ),
        ),
        # The server's clock ran a little longer than the client's.
        (statement(1.0, 1.5), "pay took 1.0 ms, on the server 1.5 ms. Seq Scan on x."),
        (
            statement(100.0, 90.0, plan=ExecutionPlan(source=PlanSource.ESTIMATED, worst_node="x")),
            "pay took 100 ms, on the server 90 ms.",
        ),
        (
            statement(100.0, 90.0, plan=ExecutionPlan(source=PlanSource.EXECUTED)),
            "pay took 100 ms, on the server 90 ms.",
        ),
        (
            statement(10.0, absent={}),
            "pay took 10 ms; its time on the server was not logged: not logged.",
        ),
    ],
)
def test_the_time_of_one_statement(found: ReportedStatement, expected: str) -> None:
    """A lock wait from 30 % on, the way to the server from more than half on, else its executed plan."""
    assert insight.of_statement(found) == expected


def test_the_holder_is_the_head_with_the_most_samples() -> None:
    """A head of the chain before any other session; its service before its application and its role."""
    direct = Blocker(pid=1, samples=9, service="credit-risk", application="a", role="r")
    head = Blocker(pid=2, samples=1, root=True, application="psql", role="r", state="active")
    more = Blocker(pid=3, samples=2, root=True, role="lab", statement="pay")
    assert insight.holder(()) is None
    assert insight.holder((direct, head, more)) == "pid 3 (lab, last statement pay)"
    assert insight.holder((direct, head)) == "pid 2 (psql, active)"
    assert insight.holder((direct,)) == "pid 1 (credit-risk)"
    held = statement(100.0, locked_ms=50.0, blocked_by=(head,), statement=None)
    assert insight.of_statement(held) == (
        "an unnamed statement waited 50 ms of 100 ms for a lock held by pid 2 (psql, active)."
    )


@pytest.mark.parametrize(
    ("ms", "expected"),
    [
        (12_345_000.0, "12,345.0 s"), (1_000.0, "1.0 s"), (999.4, "999 ms"), (10.0, "10 ms"),
        (9.94, "9.9 ms"), (1.0, "1.0 ms"), (0.99, "0.99 ms"), (0.0, "0.00 ms"),
    ],
)  # fmt: skip
def test_a_duration_has_the_digits_of_its_size(ms: float, expected: str) -> None:
    assert insight.span(ms) == expected


@pytest.mark.parametrize(
    ("client_ms", "share"), [(0.0, "0 %"), (0.5, "<1 %"), (1.0, "1 %"), (1.6, "2 %")]
)
def test_a_small_share_is_not_rounded_to_nothing(client_ms: float, share: str) -> None:
    assert f"of 100 ms ({share}); the rest" in sentence(100.0, statement(client_ms))
