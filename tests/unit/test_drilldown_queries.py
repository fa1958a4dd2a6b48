"""Top statements, and one statement over time, from the data of DBM and of PostgreSQL's log."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from lab.clients.prometheus import Prometheus
from lab.drilldown import By, NotFoundError
from lab.drilldown.identity import NO_TEXT
from lab.drilldown.queries import QuerySummary, top
from lab.drilldown.query import Query, query
from lab.drilldown.series import NO_CALL, Counted, Point, _compared
from lab.foundation.timestamps import moment
from lab.telemetry.store import Record
from tests import evidence as of
from tests.evidence import START, deltas
from tests.fix_postgres import free_port
from tests.fix_store import Store

SINCE, UNTIL = moment(START), moment(START) + timedelta(hours=1)


@pytest.fixture
def reported(store: Store) -> Store:
    """Three statements, each the first in another order; the last is another role's."""
    records: list[Record] = [
        deltas(1, calls=100, exec_time_ms=200.0, rows=5),
        deltas(1, after_s=20, calls=100, exec_time_ms=200.0, rows=5),
        deltas(2, calls=2, exec_time_ms=300.0, rows=7, shared_blks_hit=30, shared_blks_read=10),
        deltas(3, calls=5, exec_time_ms=5.0, rows=900, blk_read_time_ms=4.0),
        deltas(4, calls=9_000, exec_time_ms=9_000.0, role="postgres_exporter"),
        deltas(1, after_s=7_200, calls=1_000_000),
        of.known(1, name="first", text="SELECT 1"),
    ]
    store.writer.commit(records, timeout_s=60)
    return store


def listed(reported: Store, by: By, **asked: Any) -> list[QuerySummary]:
    return list(top(reported.reader, since=SINCE, until=UNTIL, by=by, **asked))


@pytest.mark.parametrize(
    ("by", "order"),
    [
        (By.TIME, ["1", "2", "3"]),
        (By.CALLS, ["1", "3", "2"]),
        (By.MEAN, ["2", "1", "3"]),
        (By.ROWS, ["3", "1", "2"]),
        (By.IO, ["3", "2", "1"]),
    ],
)
def test_the_first_did_most(reported: Store, by: By, order: list[str]) -> None:
    assert [each.queryid for each in listed(reported, by)] == order


def test_deltas_of_a_window_add_up(reported: Store) -> None:
    """By statement and role; what lies outside of the window, and other roles', is left out."""
    first, second, _ = listed(reported, By.TIME)
    assert (first.calls, first.total_ms, first.mean_ms, first.rows) == (200, 400.0, 2.0, 10)
    assert (first.statement, first.owner, first.text) == ("first", "credit-risk", "SELECT 1")
    assert first.share == round(400 / 705, 6)
    assert (second.hit_ratio, first.hit_ratio) == (0.75, None)
    everybody = listed(reported, By.TIME, role=None)
    assert everybody[0].queryid == "4"


def ask(store: Store, key: str = "risk_distribution") -> Query:
    nobody = Prometheus(url=f"http://127.0.0.1:{free_port()}")
    return query(store.reader, nobody, key, since=SINCE, until=UNTIL)


def test_a_change_of_plan_is_marked(store: Store) -> None:
    """Plans in the order in which they were seen: runs of one shape, the first run no change."""
    spans = [of.statement(n) for n in range(1, 6)]
    tables = ("installments", "installments", "customers", "customers", "installments")
    plans = [
        of.plan(span, ms=100 * n, table=table)
        for n, (span, table) in enumerate(zip(spans, tables, strict=True), 1)
    ]
    store.writer.commit([of.known(), *spans, *plans], timeout_s=60)
    periods = ask(store).plans
    assert [(p.shape, p.changed, p.executed, p.slowest_ms) for p in periods] == [
        ("installments", False, 2, 200),
        ("customers", True, 2, 400),
        ("installments", True, 1, 500),
    ]
    assert periods[0].trace_id == of.trace_id(2)
    assert periods[1].mean_ms == 350


def test_a_period_names_the_time_outside_its_plan(store: Store) -> None:
    """auto_explain's duration includes triggers; the plan's nodes do not."""
    span = of.statement(1)
    cascade = replace(of.plan(span, ms=10), duration_ns=6_000 * of.MS)
    store.writer.commit([of.known(), span, cascade], timeout_s=60)
    [period] = ask(store).plans
    assert period.worst_node.startswith("Most of the time, 5,990 ms of 6,000 ms, was spent outside")


def test_slowest_executions_and_tables_of_a_statement(store: Store) -> None:
    fast, slow = of.statement(1), of.statement(2)
    records: list[Record] = [
        of.known(), fast, of.logged(fast, ms=150), of.logged(slow, ms=300), of.plan(slow, ms=299),
    ]  # fmt: skip
    store.writer.commit(records, timeout_s=60)
    found = ask(store, str(of.QUERYID))
    assert [(e.server_ms, e.has_plan, e.has_trace) for e in found.slowest] == [
        (300, True, False),
        (150, False, True),
    ]
    [table] = found.tables
    assert (table.name, table.access, table.hit_ratio) == ("installments", ("Seq Scan",), 0.75)
    assert found.services == ("credit-risk",)


def test_an_absent_source_leaves_its_fields_empty_with_the_reason(store: Store) -> None:
    store.writer.commit([of.known()], timeout_s=60)
    found = ask(store)
    assert "does not answer" in found.absent["table_hit_ratio"]
    assert "does not answer" in found.series.absent["prometheus"]
    assert "no call" in found.series.absent["dbm"]
    assert found.absent.keys() >= {"plans", "slowest"}
    assert found.series.calls_difference is None


def test_a_name_may_have_several_queryids_and_no_explain(store: Store) -> None:
    """PostgreSQL has a queryid for each length of a list; an Agent's EXPLAIN carries the same name."""
    explained = of.known(3, text=f"EXPLAIN (FORMAT JSON) {of.REPORT}")
    store.writer.commit([of.known(1), of.known(2), explained], timeout_s=60)
    assert ask(store).queryids == ("1", "2")


def test_an_unknown_statement_is_answered_with_the_nearest(store: Store) -> None:
    with pytest.raises(NotFoundError, match="did you mean customer_by_cpf"):
        ask(store, "customer_by_cfp")
    store.writer.commit([of.known(name="of_a_drill")], timeout_s=60)
    with pytest.raises(NotFoundError, match="did you mean of_a_drill"):
        ask(store, "of_a_dril")
    for queryid in ("-7", "9" * 19):
        with pytest.raises(NotFoundError, match=f"has no queryid {queryid}"):
            ask(store, queryid)


def test_a_statement_of_a_service_is_found_before_any_observer_has_reported_it(
    store: Store,
) -> None:
    """A trace links to it by its name as soon as its span is there."""
    found = ask(store, "customer_by_cpf")
    assert (found.queryids, found.owner) == ((), "credit-customers")
    assert "FROM customers" in found.text
    assert not found.totals
    assert not found.plans
    assert not found.slowest
    assert {"plans", "slowest"} <= found.absent.keys()


@pytest.mark.parametrize(
    "record",
    [
        of.logged(of.statement(1), ms=150),
        of.plan(of.statement(1), ms=299),
        of.sample(of.statement(1), at_ns=START, queryid=of.QUERYID),
        deltas(of.QUERYID),
    ],
    ids=["execution", "plan", "sample", "query metrics"],
)
def test_a_queryid_is_found_before_its_text_has_arrived(store: Store, record: Record) -> None:
    store.writer.commit([record], timeout_s=60)
    found = ask(store, str(of.QUERYID))
    assert found.queryids == (str(of.QUERYID),)
    assert (found.text, found.absent["text"]) == ("", NO_TEXT)


def test_a_signature_is_found_before_its_text_has_arrived(store: Store) -> None:
    """An Agent's samples have a signature instead of a queryid."""
    signature = "a1b2c3d4e5f60718"
    store.writer.commit(
        [of.sample(of.statement(1), at_ns=START, queryid=None, signature=signature)], timeout_s=60
    )
    found = ask(store, signature)
    assert (found.queryids, found.absent["text"]) == ((), NO_TEXT)


@pytest.mark.parametrize("number", [1 << 63, -(1 << 63) - 1])
def test_a_number_beyond_a_queryid_is_no_statement(store: Store, number: int) -> None:
    """SQLite has integers of 64 bits, as PostgreSQL has."""
    with pytest.raises(NotFoundError):
        ask(store, str(number))


def test_both_observers_are_compared_over_the_steps_that_prometheus_has() -> None:
    """DBM sends what changed and no zeros: a step without its word is a step without calls."""
    empty = Point(end=SINCE, prometheus=None, dbm=Counted(calls=50, mean_ms=9.0))
    points = (
        empty,
        replace(
            empty, prometheus=Counted(calls=10, mean_ms=2.0), dbm=Counted(calls=8, mean_ms=2.5)
        ),
        replace(empty, prometheus=Counted(calls=0, mean_ms=None), dbm=None),
    )
    found = _compared(points, 10, "embedded", {})
    assert found.prometheus == Counted(calls=10, mean_ms=2.0)
    assert found.dbm == Counted(calls=8, mean_ms=2.5)
    assert (found.calls_difference, found.calls_difference_share) == (2, 0.2)
    assert found.mean_difference_ms == -0.5


def test_without_a_call_of_either_observer_there_is_no_difference() -> None:
    """As just after a statement's first call, when its steps are not complete yet."""
    idle = Point(end=SINCE, prometheus=Counted(calls=0, mean_ms=None), dbm=None)
    called = replace(idle, prometheus=None, dbm=Counted(calls=3, mean_ms=2.5))
    found = _compared((idle, called), 10, "embedded", {})
    assert found.calls_difference is None
    assert found.absent == {"calls_difference": NO_CALL}
    lost = _compared((replace(idle, dbm=Counted(calls=3, mean_ms=2.5)),), 10, "embedded", {})
    assert (lost.calls_difference, lost.calls_difference_share, lost.absent) == (-3, None, {})


def test_deltas_fall_into_the_step_in_which_they_end(store: Store) -> None:
    records = [deltas(of.QUERYID, after_s=s, calls=s) for s in (10, 30, 31)]
    store.writer.commit([of.known(), *records], timeout_s=60)
    found = {point.end: point.dbm for point in ask(store).series.points if point.dbm}
    assert {(end - SINCE).total_seconds(): each.calls for end, each in found.items()} == {
        30: 40,
        60: 31,
    }
