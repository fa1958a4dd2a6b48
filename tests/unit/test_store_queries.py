"""The queries of the store in lab/drilldown and lab/mcp: each beside rows that it must not count."""

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from lab.drilldown.evidence import Evidence
from lab.drilldown.queries import SQL as DRILLDOWN
from lab.mcp.selection import SQL as MCP
from lab.telemetry.store import SENT_TO_DATADOG, ActivityRound, Plan, Record, Source
from tests import evidence as of
from tests.evidence import MS, QUERYID, START
from tests.fix_store import Store

S = 1_000_000_000
WINDOW = {"since": START, "until": START + 60 * S}
BY_ID = {"queryids": json.dumps([QUERYID]), "signatures": json.dumps(["sig"])}
# The first and the last nanosecond of the window, and those beside it.
IN, OUT = (START, START + 60 * S - 1), (START - 1, START + 60 * S)


def stored(store: Store, records: Iterable[Record]) -> Store:
    store.writer.commit(list(records), timeout_s=60)
    return store


def drilldown(store: Store, name: str, **parameters: Any) -> list[tuple[Any, ...]]:
    return store.reader.rows(DRILLDOWN[name], {**WINDOW, **BY_ID, **parameters})


def mcp(store: Store, name: str, column: str = "state", **parameters: Any) -> list[tuple[Any, ...]]:
    sql = MCP[name].replace("{sources}", SENT_TO_DATADOG).replace("{column}", column)
    return store.reader.rows(sql, {**WINDOW, **parameters})


def plan(at_ns: int, shape: str, *, executed: bool, **fields: Any) -> Plan:
    made = of.plan(of.statement(1), ms=5, table=shape, executed=executed, at_ns=at_ns)
    return replace(made, **fields)


def test_the_nearest_estimates_are_the_last_before_and_the_first_after(store: Store) -> None:
    """Of the queryid, or of the signature where a plan has no queryid; never an executed plan."""
    at = START + 30 * S
    plans = [
        plan(at - 2, "earlier", executed=False), plan(at, "at", executed=False),
        plan(at + 1, "next", executed=False, queryid=None, signature="sig"),
        plan(at + 2, "later", executed=False), plan(at, "executed", executed=True),
        plan(at + 1, "executed next", executed=True), plan(at, "other", executed=False, queryid=7),
        plan(at, "other signature", executed=False, queryid=None, signature="else"),
        plan(at, "another id", executed=False, queryid=7, signature="sig"),
    ]  # fmt: skip
    stored(store, plans)
    ids = [row[0] for row in drilldown(store, "nearest_estimates", at=at)]
    shapes = [store.reader.select(Plan, "id = ?", [one])[0].shape for one in ids]
    assert shapes == ["at", "next"]
    assert len(drilldown(store, "nearest_estimates", at=at + 5)) == 1
    assert len(drilldown(store, "nearest_estimates", at=at - 5)) == 1


def test_signatures_and_queryids_belong_to_each_other(store: Store) -> None:
    statements = [
        replace(of.known(QUERYID), signature="sig"),
        replace(of.known(5), signature="sig"),
        replace(of.known(6), signature=None),
        replace(of.known(8), signature="else"),
        replace(of.known(9), key="sig", queryid=None, signature="sig"),
    ]
    stored(store, statements)
    assert drilldown(store, "signatures", queryids=json.dumps([QUERYID, 6])) == [("sig",)]
    assert {row[0] for row in drilldown(store, "queryids")} == {QUERYID, 5}


def test_totals_add_up_by_statement(store: Store) -> None:
    """In the window, by role; the mean is per call, and of no call it is the whole time."""
    amounts = {
        "calls": 2, "rows": 3, "exec_time_ms": 10.0, "blk_read_time_ms": 4.0,
        "blk_write_time_ms": 5.0, "shared_blks_hit": 6, "shared_blks_read": 7, "temp_blks_written": 8,
    }  # fmt: skip
    stored(
        store,
        [
            of.deltas(1, at_ns=IN[0], **amounts),
            of.deltas(1, at_ns=IN[1], **{**amounts, "calls": 3}),
            *(of.deltas(1, at_ns=at, **amounts) for at in OUT),
            of.deltas(1, at_ns=IN[0], role="other", **amounts),
            replace(
                of.deltas(2, at_ns=IN[0], calls=0, exec_time_ms=9.0), queryid=None, signature="s2"
            ),
        ],
    )
    found = {row[0]: row[1:] for row in drilldown(store, "totals", role="credit_app")}
    assert found == {
        "1": (1, "1", "embedded", 5, 20.0, 4.0, 6, 18.0, 12, 14, 16),
        "s2": (None, "s2", "embedded", 0, 9.0, 9.0, 0, 0.0, 0, 0, 0),
    }
    assert {row[0]: row[4] for row in drilldown(store, "totals", role=None)} == {"1": 7, "s2": 0}


def test_a_statement_is_identified_by_its_key_or_its_name(store: Store) -> None:
    """The one that was seen last is the first; an EXPLAIN has the name of what it explains."""
    stored(
        store,
        [
            replace(of.known(1, name="pay"), seen_ns=START),
            replace(of.known(2, name="pay"), seen_ns=START + 1),
            replace(of.known(3, name="pay", text="EXPLAIN SELECT 1"), seen_ns=START + 2),
            of.known(4, name="other"),
        ],
    )
    assert [row[0] for row in drilldown(store, "identity", key="pay")] == ["2", "1"]
    assert [row[0] for row in drilldown(store, "identity", key="3")] == ["3"]
    keys = json.dumps(["1", "4"])
    assert [row[:2] for row in drilldown(store, "texts", keys=keys)] == [
        ("1", "pay"),
        ("4", "other"),
    ]


def test_callers_are_those_of_executions_plans_and_samples(store: Store) -> None:
    """Since the begin of the window; of the queryid, or of the signature alone."""
    span = of.statement(1)

    def logged(at_ns: int, service: str, queryid: int = QUERYID) -> Record:
        return replace(of.logged(span, ms=5, queryid=queryid), at_ns=at_ns, service=service)

    sig = {"queryid": None, "signature": "sig"}
    stored(
        store,
        [
            logged(IN[0], "logged"), logged(OUT[0], "before"), logged(IN[0], "another", 7),
            plan(IN[0], "t", executed=True, service="planned"),
            plan(IN[0], "t", executed=False, service="signed", **sig),
            plan(OUT[0], "t", executed=True, service="planned before"),
            plan(IN[0], "t", executed=True, service="of another", queryid=7, signature="sig"),
            of.sample(None, at_ns=IN[0], service="sampled"),
            of.sample(None, pid=2, at_ns=IN[0], service="sampled by signature", **sig),
            of.sample(None, pid=3, at_ns=OUT[0], service="sampled before"),
            of.sample(None, pid=4, at_ns=IN[0], service="sampled other", queryid=7, signature="sig"),
        ],
    )  # fmt: skip
    assert [row[0] for row in drilldown(store, "callers")] == [
        "logged", "planned", "sampled", "sampled by signature", "signed",
    ]  # fmt: skip


def test_the_slowest_executions_know_their_plan_and_span(store: Store) -> None:
    spans = [of.statement(n) for n in range(1, 5)]
    ends = [IN[0], IN[1], *OUT]
    stored(
        store,
        [
            *(
                replace(of.logged(span, ms=ms), at_ns=at)
                for span, at, ms in zip(spans, ends, (5, 9, 20, 30), strict=True)
            ),
            replace(of.logged(spans[0], ms=40, queryid=7), at_ns=IN[0]),
            spans[0],
            # Of the same trace, and of another span; and one that was not executed.
            replace(of.plan(spans[1], ms=9), span_id=of.span_id(77)),
            of.plan(spans[1], executed=False),
            of.plan(spans[0], ms=5),
        ],
    )
    found = drilldown(store, "slowest", limit=10)
    assert [(row[1] // MS, *row[6:]) for row in found] == [(9, 0, 0), (5, 1, 1)]
    assert len(drilldown(store, "slowest", limit=1)) == 1


def test_plans_of_a_window_are_the_newest_oldest_first(store: Store) -> None:
    sig = {"queryid": None, "signature": "sig"}
    stored(
        store,
        [
            plan(IN[0], "first", executed=True), plan(IN[0] + 1, "second", executed=False, **sig),
            plan(IN[1], "last", executed=False), *(plan(at, "out", executed=True) for at in OUT),
            plan(IN[0], "other", executed=True, queryid=7, signature="sig"),
        ],
    )  # fmt: skip
    assert [row[4] for row in drilldown(store, "plans", limit=9)] == ["first", "second", "last"]
    found = drilldown(store, "plans", limit=2)
    assert [row[4] for row in found] == ["second", "last"]
    ids = json.dumps([row[0] for row in drilldown(store, "plans", limit=9)])
    assert [row[2] for row in drilldown(store, "definitions", ids=ids)] == [5 * MS, None, None]


def test_calls_over_time_belong_to_the_step_in_which_they_end(store: Store) -> None:
    """The begin of the window is outside of it, and its end inside."""
    times = (
        START,
        START + 1,
        START + 10 * S,
        START + 10 * S + 1,
        START + 60 * S,
        START + 60 * S + 1,
    )
    stored(
        store,
        [
            *(
                of.deltas(QUERYID, at_ns=at, calls=2**n, exec_time_ms=1.5)
                for n, at in enumerate(times)
            ),
            of.deltas(QUERYID, at_ns=START + 1, calls=1000, role="other"),
            of.deltas(7, at_ns=START + 1, calls=1000),
        ],
    )
    found = drilldown(store, "calls_over_time", step=10 * S, role="credit_app")
    assert [row[:3] for row in sorted(found)] == [(0, 6, 3.0), (1, 8, 1.5), (5, 16, 1.5)]
    everybody = drilldown(store, "calls_over_time", step=10 * S, role=None)
    assert min(everybody)[:2] == (0, 1006)


def test_activity_is_counted_by_a_column(store: Store) -> None:
    """The most frequent value first; sessions, and how many samples had a blocker."""
    stored(
        store,
        [
            *(of.sample(None, at_ns=at, pid=1) for at in (*IN, *OUT)),
            of.sample(None, at_ns=IN[0], pid=2, blocking_pids=(1,)),
            of.sample(None, at_ns=IN[0], pid=3, state=None),
            of.sample(None, at_ns=IN[0], pid=4, source=Source.LAB),
        ],
    )
    assert mcp(store, "activity_by", state=None, limit=9) == [
        ("active", 3, 2, *IN, 1), ("(none)", 1, 1, IN[0], IN[0], 0),
    ]  # fmt: skip
    assert [row[:2] for row in mcp(store, "activity_by", state="active", limit=9)] == [
        ("active", 3)
    ]
    assert len(mcp(store, "activity_by", state=None, limit=1)) == 1


def test_rounds_have_the_longest_interval_and_a_sender(store: Store) -> None:
    def round_(at_ns: int, interval_s: float, source: Source = Source.EMBEDDED) -> Record:
        return ActivityRound(at_ns=at_ns, source=source, interval_s=interval_s, sessions=1)

    stored(
        store,
        [
            round_(IN[0], 10.0), round_(IN[1], 1.0, Source.AGENT), *(round_(at, 99.0) for at in OUT),
            round_(IN[0], 50.0, Source.LAB),
        ],
    )  # fmt: skip
    assert mcp(store, "rounds") == [(2, 10.0, "embedded")]


def test_roots_of_a_service_newest_first(store: Store) -> None:
    stored(
        store,
        [
            *(of.root(n, start_ns=at) for n, at in enumerate((*IN, *OUT), 1)),
            of.root(6, start_ns=IN[0], service="other"),
            of.root(7, start_ns=IN[0], parent_id=of.span_id(9)),
            of.root(8, start_ns=IN[0] + 5, ms=2.0, error=True),
        ],
    )
    found = mcp(store, "roots", service="credit-risk", limit=9)
    assert [(row[1] // MS, row[2]) for row in found] == [(400, 0), (2, 1), (400, 0)]
    assert len(mcp(store, "roots", service="credit-risk", limit=1)) == 1


def test_names_of_metrics_that_are_still_sent(store: Store) -> None:
    stored(
        store,
        [
            *of.metric("b", (IN[0], 1.0), table="x"), *of.metric("b", (IN[1], 1.0), table="y"),
            *of.metric("a", (IN[0], 1.0)), *of.metric("gone", (OUT[0], 1.0)),
        ],
    )  # fmt: skip
    assert mcp(store, "metric_names") == [
        ("a", "gauge", 1, IN[0], "embedded"), ("b", "gauge", 2, IN[1], "embedded"),
    ]  # fmt: skip


@pytest.mark.parametrize("later", ["execution", "event"])
def test_the_log_was_read_until_its_newest_line(store: Store, later: str) -> None:
    """Of executions and of events the later one; of the newest data of each stream, the newest."""
    span = of.statement(1)
    first, last = START + 10 * S, START + 20 * S
    at = (
        {"execution": last, "event": first}
        if later == "execution"
        else {"execution": first, "event": last}
    )
    stored(
        store,
        [
            *(replace(of.logged(span, ms=5), at_ns=at["execution"] - n) for n in (0, 5)),
            *(replace(of.failed(span, "x", "40P01"), at_ns=at["event"] - n) for n in (0, 5)),
            of.deltas(1, at_ns=first), of.deltas(1, at_ns=last),
            of.deltas(1, at_ns=last + 1, source=Source.LAB),
            of.root(1, start_ns=first), of.root(2, start_ns=last),
        ],
    )  # fmt: skip
    assert mcp(store, "newest") == [(last, last, last)]
    assert Evidence.of(store.reader, of.trace_id(1)).read_until_ns == last


def test_of_an_empty_store_nothing_is_known(store: Store) -> None:
    stored(store, [])
    assert mcp(store, "newest") == [(None, 0, None)]
    assert mcp(store, "rounds") == [(0, None, None)]
    assert Evidence.of(store.reader, of.trace_id(1)).read_until_ns == 0
