"""Which logged messages and plans belong to a span: bounds of their times, cursors, several statements."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from lab.drilldown.execution import PlanSource, ServerExecution, StatementExecution
from lab.drilldown.executions import execution
from lab.foundation.timestamps import moment
from lab.telemetry.store import Execution, Plan, Record
from tests import evidence as of
from tests.evidence import MS
from tests.fix_store import Store

SPAN = of.statement(1, ms=2_000)
LOGGED = of.logged(SPAN, ms=300, after_ms=500)


def found(store: Store, *records: Record) -> StatementExecution:
    store.writer.commit([of.root(1, ms=2_100), SPAN, of.thresholds(), *records], timeout_s=60)
    return execution(store.reader, SPAN.trace_id, SPAN.span_id)


def with_text(plan: Plan, text: str) -> Plan:
    document = {**json.loads(plan.definition), "Statement": text}
    return replace(plan, definition=json.dumps(document))


def lines(executions: Sequence[ServerExecution]) -> list[tuple[float, str | None]]:
    return [(each.server_ms, each.note) for each in executions]


@pytest.mark.parametrize(
    ("at_ns", "ms", "is_its"),
    [
        (2 * MS, 250, True), (2 * MS + 1, 250, False), (0, 302, True), (0, 302.001, False),
        (-52 * MS, 250, True), (-52 * MS - 1, 250, False),
    ],
)  # fmt: skip
def test_a_plan_belongs_to_the_message_whose_time_contains_it(
    store: Store, at_ns: int, ms: float, is_its: bool
) -> None:
    """To two milliseconds; any other one is an execution of its own, whose message is not in the log."""
    executions = found(store, LOGGED, of.plan(SPAN, ms=ms, at_ns=LOGGED.at_ns + at_ns)).executions
    if is_its:
        assert lines(executions) == [(300, None)]
        assert executions[0].plan.source is PlanSource.EXECUTED
    else:
        assert sorted(lines(executions)) == sorted([(300, None), (ms, "by auto_explain")])


def test_a_plan_of_another_session_is_not_of_the_message(store: Store) -> None:
    plan = replace(of.plan(SPAN, ms=250, at_ns=LOGGED.at_ns), pid=43)
    assert lines(found(store, LOGGED, plan).executions) == [(300, None), (250, "by auto_explain")]


@pytest.mark.parametrize(("alone_ms", "server_ms"), [(450, 500), (550, 550)])
def test_the_time_on_the_server_is_that_of_the_messages_or_of_the_plans_without_one(
    store: Store, alone_ms: int, server_ms: int
) -> None:
    """Whichever is longer; the executions are in the order of the log."""
    second = replace(LOGGED, at_ns=LOGGED.at_ns + 900 * MS, duration_ns=200 * MS)
    alone = of.plan(SPAN, ms=alone_ms, at_ns=LOGGED.at_ns + 600 * MS)
    executed = found(store, LOGGED, second, alone)
    assert lines(executed.executions) == [
        (300, None), (alone_ms, "by auto_explain"), (200, None),
    ]  # fmt: skip
    assert executed.server_ms == server_ms
    begin = moment(SPAN.start_ns)
    assert [(each.end - begin).total_seconds() for each in executed.executions] == [0.5, 1.1, 1.4]


def test_several_statements_in_one_message_have_each_its_plan(store: Store) -> None:
    """The log has their text only together, and their queryid is that of the message."""
    plans = [
        with_text(of.plan(SPAN, ms=ms, at_ns=LOGGED.at_ns - at * MS), "SELECT ?; SELECT ?;")
        for ms, at in ((100, 150), (120, 10))
    ]
    executed = found(store, LOGGED, *plans)
    note = "one of several statements in a message of 300 ms"
    assert lines(executed.executions) == [(100, note), (120, note)]
    assert [each.text for each in executed.executions] == [None, None]
    assert executed.server_ms == 300


def test_a_statement_that_runs_others_has_their_plans_inside(store: Store) -> None:
    """The message itself has no plan: each statement inside has its own, with its text."""
    plans = [
        with_text(of.plan(SPAN, ms=ms, at_ns=LOGGED.at_ns - at * MS), text)
        for ms, at, text in ((100, 150, "SELECT 1"), (120, 10, "SELECT 2;"))
    ]
    executed = found(store, of.known(text="CALL work()"), LOGGED, *plans)
    inside = "a statement inside, by auto_explain"
    assert sorted(lines(executed.executions), key=str) == [
        (100, inside),
        (120, inside),
        (300, None),
    ]
    texts = {each.server_ms: each.text for each in executed.executions}
    assert texts == {100: "SELECT 1", 120: "SELECT 2;", 300: "CALL work()"}
    [message] = [each for each in executed.executions if each.note is None]
    assert message.plan.note == "each statement inside has its own"


def test_a_lock_wait_is_a_cause_only_of_a_span_with_one_message(store: Store) -> None:
    """Of several it is not known which one waited."""
    plan = of.plan(SPAN, ms=20, at_ns=LOGGED.at_ns)
    executed = found(store, LOGGED, plan, of.lock_wait(SPAN, ms=200, blocked_by=7)).executions
    assert executed[0].plan.worst_node is not None
    assert executed[0].plan.worst_node.startswith(
        "Most of the time, 280 ms of 300 ms, was spent outside the plan: lock wait 200 ms, before and after"
        " execution (parsing, planning, locks, commit) 80 ms. Seq Scan"
    )
    second = replace(LOGGED, at_ns=LOGGED.at_ns + 900 * MS, duration_ns=200 * MS)
    twice = found(store, second).executions[0].plan.worst_node
    assert twice is not None
    assert "lock wait" not in twice


def fetch(at_ms: float, ms: float, *, queryid: int, pid: int = 42) -> Execution:
    """A FETCH, which has no comment."""
    made = replace(of.logged(SPAN, ms=ms, after_ms=at_ms, queryid=queryid), pid=pid)
    return replace(made, trace_id=None, span_id=None)


FETCHES = [
    of.known(11, name=None, text="FETCH ? FROM c"),
    of.known(12, name=None, text='fetch forward ? in "C"'),
    of.known(13, name=None, text="MOVE ALL IN C ; "),
    of.known(14, name=None, text="SELECT c"),
]


def cursor(declared: str, *, ms: float = 100) -> Plan:
    return with_text(of.plan(SPAN, ms=ms, at_ns=SPAN.start_ns + 1_500 * MS), declared)


def test_a_cursors_time_is_that_of_its_fetches(store: Store) -> None:
    """The last ones whose times fit into the plan's, which is logged when the cursor is closed."""
    # They may take 5 % and 5 ms longer than the plan: 110 ms.
    closed = [
        fetch(1_400, 60, queryid=11), fetch(1_300, 1_000, queryid=14), fetch(1_200, 1_000, queryid=12),
        fetch(1_100, 50, queryid=13), fetch(1_000, 1, queryid=11), fetch(1_050, 3, queryid=11, pid=43),
        fetch(1_600, 3, queryid=11),
    ]  # fmt: skip
    executed = found(store, *FETCHES, *closed, cursor("DECLARE c NO SCROLL CURSOR FOR SELECT 1"))
    whole = "the cursor, by auto_explain: all its fetches together"
    part = "{} from the cursor, part of its time"
    assert lines(executed.executions) == [
        (50, part.format("MOVE")), (60, part.format("FETCH")), (100, whole),
    ]  # fmt: skip
    assert executed.server_ms == 110
    assert executed.executions[0].plan.note == "its plan is the cursor's"


@pytest.mark.parametrize(
    ("declared", "notes"),
    [
        ('DECLARE "C" CURSOR FOR SELECT 1', ["FETCH from the cursor, part of its time"]),
        ('DECLARE "?" CURSOR FOR SELECT 1', []),
        ("SELECT 1", None),
    ],
)
def test_a_quoted_name_has_its_case(store: Store, declared: str, notes: list[str] | None) -> None:
    """A name that was redacted is not compared, and a plan of no cursor has no fetches."""
    executed = found(
        store,
        *FETCHES,
        fetch(1_400, 60, queryid=11),
        fetch(1_200, 30, queryid=12),
        cursor(declared),
    )
    alone = "the cursor, by auto_explain: all its fetches together"
    last = "by auto_explain" if notes is None else alone
    assert [each.note for each in executed.executions] == [*(notes or ()), last]


def test_a_cursor_with_hold_computes_its_rows_when_the_transaction_ends(store: Store) -> None:
    [only] = found(store, cursor("declare c cursor with hold for select 1")).executions
    assert only.note == (
        "the cursor, by auto_explain: WITH HOLD, its rows are computed when the transaction ends"
    )
