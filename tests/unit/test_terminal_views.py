"""The drilldown in a terminal, line by line: a trace, a plan, statements, sessions; what is highlighted."""

from dataclasses import replace

import pytest

from lab.cli.views import figures, plan, queries, sessions, trace
from lab.drilldown import By
from lab.drilldown.execution import Blocker, ExecutionPlan, PlanSource, Wait
from lab.drilldown.plans.tree import Buffers
from lab.drilldown.series import Counted, StatementSeries
from lab.drilldown.sessions import PREPARED_TRANSACTION, BlockingNode
from lab.telemetry.store import Source
from tests.drilldown_reports import (
    execution,
    found_sessions,
    lines,
    node,
    query,
    report,
    session,
    squeezed,
    statement,
    summary,
    tree,
)


def test_a_plan_shows_each_nodes_time_rows_and_blocks() -> None:
    """Loops only above one; a filter's removed rows; what was hit, read and spilled, if anything."""
    blocks = Buffers(hit=1200, read=3, dirtied=0, written=0, temp_read=0, temp_written=7)
    root = node(
        1,
        node(2, role="InitPlan 1", loops=3.0, removed_rows=90_000.0, conditions={"Filter": "(a = ?)"}),
        node(3, loops=0.0, rows=0.0, self_ms=0.0, total_ms=0.0, after_ms=2.5),
        buffers=blocks,
    )  # fmt: skip
    assert squeezed(plan.render(tree(root))) == [
        "node 1 20 ms of 50 ms rows 10 (estimated 10) blocks 1,200 hit, 3 read, 7 spilled",
        "├── InitPlan 1: node 2 20 ms of 50 ms rows 10 (estimated 10), 90,000 removed by filter x 3 loops",
        "│ Filter: (a = ?)",
        "└── node 3 0 ms of 0 ms rows 0 (estimated 10) never executed 2.5 ms after the main plan",
    ]
    assert squeezed(
        plan.render(
            tree(
                node(
                    1,
                    buffers=Buffers(
                        hit=0, read=0, dirtied=0, written=0, temp_read=0, temp_written=0
                    ),
                ),
                executed=False,
            )
        )
    ) == ["node 1 cost 1,234, 10 rows"]


def test_the_slowest_node_and_bad_estimates_stand_out() -> None:
    """Red from 30 % of the time on; yellow when rows are wrong by ten times, either way."""
    red, yellow, bold = "\x1b[31m", "\x1b[33m", "\x1b[1m"
    [line] = lines(plan.render(tree(node(1, share=0.3))), styled=True)
    assert "\x1b[1;31mnode 1\x1b[0m" in line
    assert f"{red}  20 ms" in line
    [line] = lines(plan.render(tree(node(1, share=0.29), worst=9)), styled=True)
    assert f"{bold}node 1" in line
    assert red not in line
    for factor, bad in ((10.0, True), (9.9, False), (0.1, True), (0.11, False), (None, False)):
        [line] = lines(plan.render(tree(node(1, misestimate=factor))), styled=True)
        assert (yellow in line) is bad, factor


def test_a_plan_of_thousands_of_nodes_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deep nodes are not indented further, and those that are left out are counted."""
    monkeypatch.setattr(plan, "MAX_DEPTH", 2)
    deep = node(1, node(2, node(3, node(4))))
    found = lines(plan.render(tree(deep)))
    assert [line.partition("node")[0] for line in found] == ["", "└── ", "├── ", "└── "]
    monkeypatch.setattr(plan, "MAX_NODES", 2)
    assert lines(plan.render(tree(deep)))[-1].endswith("3 further nodes are not shown")


def test_a_trace_explains_its_slowest_statement() -> None:
    """Statements on one scale; of the slowest its times, waits, blockers and plan."""
    slow = statement(
        client_ms=40.0, server_ms=None, offset_ms=60.0, absent={"server_ms": "below the threshold"},
        waits=(Wait(type="Lock", event="tuple", samples=3),),
        blocked_by=(
            Blocker(pid=7, samples=1, state="idle in transaction", service="credit-x", trace_id="c" * 32,
                    statement="pay"),
            Blocker(pid=8, samples=1),
        ),
        plan=ExecutionPlan(source=PlanSource.ESTIMATED, note="another execution", tree=tree(node(1))),
    )  # fmt: skip
    quick = statement(statement=None, text="SELECT 2\nFROM y")
    assert squeezed(trace.render(report(quick, slow))) == [
        "credit-risk lookup 100 ms 2026-11-22 10:03:07 UTC " + "a" * 32,
        (
            "customer_history took 40 ms of 100 ms (40 %); its time on the server was not logged: below the"
            " threshold."
        ),
        "statement client server plan waits",
        "SELECT 2 25 ms 24 ms █████ executed",
        "customer_history 40 ms - ████████ estimated Lock 3",
        "The slowest statement customer_history queryid -77",
        "SELECT 1",
        "FROM x",
        "Client 40 ms.",
        "Server time not logged: below the threshold.",
        "Sampled while it ran: Lock/tuple 3x.",
        f"Blocked by pid 7 (credit-x), idle in transaction, last statement pay, trace {'c' * 32}.",
        "Blocked by pid 8.",
        "Plan, estimated",
        "another execution.",
        "node 1 20 ms of 50 ms rows 10 (estimated 10)",
        "Console http://c/t",
        "other http://o",
    ]


def test_a_trace_without_statements_and_one_that_failed() -> None:
    assert squeezed(trace.render(report(error=True)))[:3] == [
        "credit-risk lookup 100 ms error 2026-11-22 10:03:07 UTC " + "a" * 32,
        "No statement ran: all 100 ms are the application's own time.",
        "No statement was executed in this trace.",
    ]
    failing = statement(error=True, failure="deadlock detected", statement=None)
    found = squeezed(trace.render(report(failing)))
    assert "The statement unnamed queryid -77" in found
    assert "Client 25 ms, server 24 ms." in found
    assert "It failed: deadlock detected." in found
    found = squeezed(trace.render(report(replace(failing, failure=None))))
    assert "It failed: the reason is not in the log." in found


def test_executions_are_listed_unless_there_is_just_the_statement() -> None:
    """Two of them; or one that is not the span's own statement."""
    assert not any(
        "in PostgreSQL's log" in line for line in squeezed(trace.render(report(statement())))
    )
    alone = statement(executions=(execution(),))
    assert not any("10:03:07.123" in line for line in squeezed(trace.render(report(alone))))
    other = execution(
        note="by a trigger",
        text="UPDATE y",
        plan=ExecutionPlan(source=PlanSource.NONE, note="no plan"),
    )
    for executions, number in (((other,), "1 execution"), ((execution(), other), "2 executions")):
        found = squeezed(trace.render(report(statement(executions=executions))))
        start = found.index(f"{number} in PostgreSQL's log; the plan is of the longest")
        assert found[start + 2 * len(executions) - 1 :][:2] == [
            "10:03:07.123 12 ms by a trigger, UPDATE y", "no plan",
        ]  # fmt: skip
    assert "10:03:07.123 12 ms the same statement" in found


def test_a_slow_trace_in_brief() -> None:
    found = squeezed(trace.in_brief(report(statement())))
    assert found == [
        "A slow trace credit-risk lookup, 100 ms",
        "time 1 statement took 25 ms of 100 ms (25 %); the rest, 75 ms, is the application's own time.",
        "statement customer_history, queryid -77: client 25 ms, server 24 ms",
    ]
    bare = statement(
        statement=None, queryid=None, server_ms=None, plan=ExecutionPlan(source=PlanSource.NONE)
    )
    assert squeezed(trace.in_brief(report(bare)))[2] == "statement SELECT 1: client 25 ms"
    assert len(squeezed(trace.in_brief(report()))) == 2
    assert all(len(line) <= 80 for line in lines(trace.in_brief(report(statement())), 80))


def test_the_list_of_statements_begins_with_what_it_is_sorted_by() -> None:
    assert squeezed(queries.render([summary()], By.CALLS)) == [
        "Statements of the last hour, by calls",
        "statement calls time share mean rows io service cached queryid",
        "pay 1,200 24.0 s 75.5 % 20 ms 50 3 ms credit-servicing 90.0 % 1",
    ]
    narrow = squeezed(queries.render([summary()], By.IO), width=40)
    assert narrow[1] == "statement io time share calls"
    embedded = summary(source=Source.EMBEDDED, owner=None, queryid=None)
    assert "embedded agent" in squeezed(queries.render([embedded], By.TIME))[-1]
    assert "`./creditlab status`" in " ".join(squeezed(queries.render([], By.TIME)))


@pytest.mark.parametrize(("listed", "note"), [(20, None), (21, "and 1 more; --json gives all")])
def test_twenty_statements_are_listed(listed: int, note: str | None) -> None:
    found = squeezed(queries.render([summary()] * listed, By.TIME))
    assert sum(line.startswith("pay ") for line in found) == 20
    assert (found[-1] if found[-1].startswith("and") else None) == note


@pytest.mark.parametrize(("length", "shown"), [(44, 44), (45, 44)])
def test_a_statement_without_a_name_is_its_text_in_one_line(length: int, shown: int) -> None:
    text = f"SELECT\n{'x' * (length - 7)}"
    found = squeezed(queries.render([summary(statement=None, text=text)], By.TIME))
    [name] = [line.partition(" 24.0 s")[0] for line in found if line.startswith("SELECT ")]
    assert (len(name), name.endswith("…")) == (shown, length > 44)


def test_one_statement_by_both_observers() -> None:
    """Totals of the hour, the difference of the observers, plans, slowest executions and tables."""
    assert squeezed(queries.render_one(query())) == [
        "pay queryid 1, 2, 3, 4",
        "UPDATE x",
        "1,500 calls in the last hour, 20 ms each, 30.0 s in total; seen from credit-servicing.",
        "Both observers, over the steps with data in Prometheus",
        "observer calls mean",
        "Prometheus 100 2 ms",
        "DBM 98 2.5 ms",
        "difference -2 (-2.00 %) +0.500 ms",
        "a step is missing.",
        "Source of DBM's data: embedded agent, not Datadog's.",
        "Plans",
        "since executed estimated mean plan",
        "10:03:07 changed 3 1 4 ms Seq Scan on x",
        "Seq Scan took 3 ms",
        "Slowest executions",
        "ended server plan service trace",
        f"10:03:07 400 ms executed credit-risk {'a' * 32}",
        "Tables",
        "table cached here cached for all access",
        "x 50.0 % - Seq Scan; Index Scan",
        "Prometheus is away.",
    ]


def test_a_difference_shows_only_what_is_known() -> None:
    """No call by Prometheus: neither a share of its calls nor a difference of mean times."""
    series = replace(
        query().series, prometheus=Counted(calls=0, mean_ms=None), calls_difference=-98.0,
        calls_difference_share=None, mean_difference_ms=None,
    )  # fmt: skip
    assert "difference -98" in squeezed(queries.render_one(query(series=series)))


def test_one_statement_of_which_little_is_known() -> None:
    nothing = StatementSeries(
        step_s=10, points=(), prometheus=None, dbm=None, calls_difference=None,
        calls_difference_share=None, mean_difference_ms=None, dbm_source=None,
    )  # fmt: skip
    reasons = {"plans": "no plan", "slowest": "none was logged"}
    bare = query(
        statement=None, queryids=(), services=(), totals=(), plans=(), slowest=(), tables=(), series=nothing,
        absent=reasons,
    )  # fmt: skip
    assert squeezed(queries.render_one(bare)) == [
        "unnamed",
        "UPDATE x",
        "No call in the last hour.",
        "Both observers, over the steps with data in Prometheus",
        "observer calls mean",
        "Plans",
        "no plan.",
        "Slowest executions",
        "none was logged.",
    ]


def test_sessions_show_who_waits_for_whom_and_what_runs() -> None:
    """Idle ones are counted, also those without a state; a blocker may be no session at all."""
    waiting = session(
        2, service="credit-risk", statement="pay", wait_event_type="Lock", wait_event="tuple",
        blocked_by=(1,), trace_id="a" * 32,
    )  # fmt: skip
    holding = session(1, state="idle in transaction", application=None)
    tree = (
        BlockingNode(pid=1, waiting=(BlockingNode(pid=2, waiting=()),)),
        BlockingNode(pid=PREPARED_TRANSACTION, waiting=()),
        BlockingNode(pid=99, waiting=()),
    )
    found = found_sessions(
        holding, waiting, session(3, state="idle"), session(4, state=None), blocking=tree
    )
    assert squeezed(sessions.render(found)) == [
        "Sessions 2 busy, 2 idle 10:03:07 UTC",
        (
            "Root cause: pid 1 (credit_app, idle in transaction 75.0 s, last statement SELECT 1)"
            " blocks 1 session of credit-risk; the longest waits 1.2 s."
        ),
        "Who waits for whom",
        "├── 1 credit_app idle in transaction 2.0 s SELECT 1",
        f"│ └── 2 credit-risk active 2.0 s pay trace {'a' * 32}",
        "├── a prepared transaction: see pg_prepared_xacts",
        "└── 99 a background process, or already ended",
        "pid who waits for open statement state query",
        "1 credit_app 1 min 15 s SELECT 1 idle in transaction -",
        "2 credit-risk Lock/tuple 1 min 15 s pay active 1.2 s",
    ]


def test_sessions_fit_into_80_columns_with_whole_pids_and_one_line_each() -> None:
    """As with a DBA's terminal beside the editor: columns and traces are left out, pids are not shortened."""
    chain = [
        session(
            16_580 + number, service="credit-underwriting", statement="insert_contract", trace_id="a" * 32,
            wait_event_type="Lock", wait_event="transactionid", blocked_by=(16_579 + number,),
        )
        for number in range(6)
    ]  # fmt: skip
    node = BlockingNode(pid=16_585, waiting=())
    for number in reversed(range(5)):
        node = BlockingNode(pid=16_580 + number, waiting=(node,))
    found = replace(found_sessions(*chain), blocking=(node,))
    shown = lines(sessions.render(found), 80)
    assert all(len(line) <= 78 for line in shown)
    assert "a" * 8 not in "".join(shown)
    tree = shown[shown.index("Who waits for whom") :]
    assert len(tree) == 1 + 6 + 1 + 6
    assert all(any(f" {each.pid} " in f" {line} " for line in shown[-6:]) for each in chain)
    assert sum("trace " + "a" * 32 in line for line in lines(sessions.render(found), 160)) == 6


def test_nobody_waits_and_nothing_runs() -> None:
    assert squeezed(sessions.render(found_sessions())) == [
        "Sessions 0 busy, 0 idle 10:03:07 UTC", "No session waits for another one.",
    ]  # fmt: skip
    away = replace(found_sessions(), absent={"sessions": "PostgreSQL does not answer."})
    assert squeezed(sessions.render(away)) == ["PostgreSQL does not answer."]
    background = session(
        5, role=None, application=None, backend_type="autovacuum worker", text="x" * 61
    )
    last = squeezed(sessions.render(found_sessions(background)))[-1]
    assert last.startswith("5 autovacuum worker ")
    assert f" {'x' * 33}… active" in last
    assert (
        f" {'x' * 34} active"
        in squeezed(sessions.render(found_sessions(session(5, text="x" * 34))))[-1]
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [(9.94, "9.9 ms"), (10.0, "10 ms"), (9_999.0, "9999 ms"), (10_000.0, "10.0 s"), (0.0, "0 ms")],
)
def test_milliseconds(value: float, text: str) -> None:
    assert figures.ms(value) == text


def test_ages_shares_and_bars() -> None:
    assert [figures.seconds(age) for age in (None, 59.94, 60.0)] == ["-", "59.9 s", "1 min 0 s"]
    assert [figures.share(ratio) for ratio in (None, 0.5)] == ["-", "50.0 %"]
    bars = [
        figures.bar(*of, width=8).plain
        for of in ((0, 0, 0), (100, 50, 100), (0, 200, 100), (50, 25, 100))
    ]
    assert bars == ["█       ", "       █", "████████", "    ██  "]
    assert len(figures.bar(0, 1, 1).plain) == 20
