"""One execution from all its sources, and nothing of any other; what is not known has the reason."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
import pytest

from lab.drilldown import (
    MalformedIdError,
    NotFoundError,
    Order,
    Search,
    ids,
    naming,
    traces,
)
from lab.drilldown import sessions as live
from lab.drilldown.execution import PlanSource, StatementExecution
from lab.drilldown.executions import execution, executions
from lab.drilldown.links import Links
from lab.drilldown.trace import trace
from lab.foundation.errors import LabError
from lab.foundation.timestamps import moment
from lab.telemetry import redact
from lab.telemetry.store import Record, Span
from tests import evidence as of
from tests.evidence import MS, START
from tests.fix_store import Store
from workload.statements import STATEMENTS


def put(store: Store, *records: Record | Sequence[Record]) -> None:
    flat = [r for each in records for r in (each if isinstance(each, Sequence) else [each])]
    store.writer.commit(flat, timeout_s=60)


def one(store: Store, span: Span) -> StatementExecution:
    return execution(store.reader, span.trace_id, span.span_id)


def test_two_executions_of_one_queryid_have_each_its_own_plan(store: Store) -> None:
    """The same statement, the same queryid, side by side: log and plan are matched by traceparent."""
    slow, slower = of.statement(1, ms=250), of.statement(2, ms=400)
    twice = of.statement(2, 3, at_ms=395, ms=300)
    put(
        store,
        [of.root(1), of.root(2), slow, slower, twice],
        [of.logged(slow, ms=240), of.logged(slower, ms=390), of.logged(twice, ms=290)],
        [
            of.plan(slow, ms=239, table="first"),
            of.plan(slower, ms=389, table="second"),
            of.plan(twice, ms=289, table="third"),
        ],
    )
    found = {
        span.span_id + span.trace_id: one(store, span) for span in (slow, slower, twice)
    }.values()
    assert [each.server_ms for each in found] == [240, 390, 290]
    assert [each.plan.tree and each.plan.tree.root.relation for each in found] == [
        "first",
        "second",
        "third",
    ]
    assert {each.queryid for each in found} == {str(of.QUERYID)}


def test_an_agents_sample_has_the_queryid_of_its_signature(store: Store) -> None:
    """An Agent's samples have no queryid; its query metrics have both."""
    span = of.statement(1, ms=250)
    signature = "a1b2c3d4e5f60718"
    sample = of.sample(span, at_ns=span.start_ns + 100 * MS, queryid=None, signature=signature)
    put(store, of.root(1), span, sample, replace(of.known(), signature=signature, name=None))
    assert one(store, span).queryid == str(of.QUERYID)


def test_an_execution_below_the_thresholds_has_the_reason(store: Store) -> None:
    fast = of.statement(1, ms=5)
    put(store, of.root(1), fast, of.known(), of.thresholds())
    found = one(store, fast)
    assert found.server_ms is None
    assert found.absent["server_ms"] == "below log_min_duration_statement (100 ms)"
    assert found.plan.source is PlanSource.NONE
    assert found.plan.note
    assert "below auto_explain.log_min_duration (200 ms)" in found.plan.note
    assert found.queryid == str(of.QUERYID)


def test_a_plan_of_another_execution_is_called_estimated(store: Store) -> None:
    """The nearest sample of the same queryid, before or after; an executed plan of another is never shown."""
    fast, other = of.statement(1, ms=5), of.statement(9, ms=500)
    put(
        store,
        [of.root(1), of.root(9), fast, other, of.known(), of.thresholds()],
        of.plan(other, ms=499, table="executed_elsewhere"),
        of.plan(other, executed=False, table="far", at_ns=fast.start_ns - 60_000 * MS),
        of.plan(other, executed=False, table="near", at_ns=fast.start_ns + 7_000 * MS),
    )
    plan = one(store, fast).plan
    assert plan.source is PlanSource.ESTIMATED
    assert plan.tree
    assert plan.tree.root.relation == "near"
    assert plan.note
    assert "another execution, 7 s after" in plan.note


def test_a_log_that_was_not_read_that_far_is_no_fast_execution(store: Store) -> None:
    slow, later = of.statement(1, ms=900), of.statement(2, ms=900)
    put(store, of.root(1), slow, of.thresholds())
    assert "has not been read up to the end of the span" in one(store, slow).absent["server_ms"]
    put(store, of.logged(later, ms=890))
    reason = one(store, slow).absent["server_ms"]
    assert reason.startswith(
        "below log_min_duration_statement (100 ms) on the server in each execution"
    )


def test_a_call_without_a_comment_has_the_reason(store: Store) -> None:
    """callproc sends no traceparent: nothing that the log has can be of this span."""
    slow, later = of.statement(1, ms=900, tags={}), of.statement(2, ms=900)
    put(store, of.root(1), slow, of.thresholds(), of.logged(later, ms=890))
    found = one(store, slow)
    assert found.absent["server_ms"].startswith("the tracer sent no traceparent with this call")
    assert found.plan.note
    assert "the tracer sent no traceparent" in found.plan.note


def test_unknown_settings_are_not_guessed(store: Store) -> None:
    slow, later = of.statement(1, ms=900), of.statement(2, ms=900)
    put(store, of.root(1), slow, of.root(2), later, of.logged(later, ms=890))
    unknown = "the value of log_min_duration_statement is not known"
    assert unknown in one(store, slow).absent["server_ms"]
    note = one(store, later).plan.note
    assert note
    assert "the value of auto_explain.log_min_duration is not known" in note


def test_the_time_of_a_lock_before_execution_is_not_in_the_plan(store: Store) -> None:
    """A lock on a relation is waited for before auto_explain begins to measure: the log has its time."""
    waited = of.statement(1, ms=9_000)
    put(store, of.root(1, ms=9_100), waited, of.thresholds(), of.logged(waited, ms=8_990))
    unexplained = one(store, waited)
    assert unexplained.server_ms == 8_990
    assert unexplained.plan.source is PlanSource.NONE
    assert unexplained.plan.note
    assert "the reason is not known" in unexplained.plan.note
    put(store, of.lock_wait(waited, ms=8_900, blocked_by=7))
    explained = one(store, waited).plan.note
    assert explained
    assert "without the lock wait of 8,900 ms" in explained


def test_a_plan_that_was_too_large_is_named_with_its_measure(store: Store) -> None:
    wide = of.statement(1, ms=900)
    put(
        store,
        [of.root(1), wide, of.thresholds(), of.logged(wide, ms=890)],
        of.rejected(wide, "plan too large: 12.3 MB; the limit is 8 MB"),
    )
    note = one(store, wide).plan.note
    assert note
    assert "is not stored: plan too large: 12.3 MB; the limit is 8 MB" in note


@pytest.mark.parametrize(
    ("resource", "source"),
    [("EXECUTE q(?)", PlanSource.EXECUTED), ("SELECT ?", PlanSource.NONE)],
)
def test_a_plan_without_a_traceparent_is_of_a_statement_that_runs_others(
    store: Store, resource: str, source: PlanSource
) -> None:
    """In the same session and time: EXECUTE's; a SELECT has its own, with its own text."""
    traced = of.statement(1, ms=400, resource=resource)
    unnamed = replace(of.plan(traced, ms=390), trace_id=None, span_id=None, queryid=None)
    logged = of.logged(traced, ms=395)
    put(store, of.root(1), traced, of.thresholds(), logged, replace(unnamed, at_ns=logged.at_ns))
    other = replace(unnamed, pid=43, at_ns=logged.at_ns)
    later = replace(unnamed, at_ns=logged.at_ns + 500 * MS)
    put(store, other, later)
    found = one(store, traced)
    assert found.plan.source is source
    assert len(found.executions) == 1


def test_executions_of_one_span_are_several_each_with_its_plan(store: Store) -> None:
    """executemany: one span, one comment, as many messages as there are rows of parameters."""
    many = of.statement(1, ms=2_000)
    logged = [
        of.logged(many, ms=ms_, after_ms=after) for ms_, after in ((300, 310), (1_500, 1_900))
    ]
    plans = [
        of.plan(many, ms=each.duration_ns / MS - 1, table=table, at_ns=each.at_ns)
        for each, table in zip(logged, ("first", "second"), strict=True)
    ]
    put(store, [of.root(1, ms=2_100), many], logged, plans)
    found = one(store, many)
    assert found.server_ms == 1_800
    assert [
        (each.server_ms, each.plan.tree and each.plan.tree.root.relation)
        for each in found.executions
    ] == [(300, "first"), (1_500, "second")]
    assert found.plan.tree
    assert found.plan.tree.root.relation == "second"


def test_what_is_never_planned_has_no_plan(store: Store) -> None:
    change = of.statement(1, ms=9_000, resource="ALTER TABLE customers ADD COLUMN note text")
    put(store, of.root(1, ms=9_100), change, of.thresholds(), of.logged(change, ms=8_990))
    note = one(store, change).plan.note
    assert note
    assert "does not plan statements of this kind" in note


def test_a_failed_execution_has_its_error_and_why_it_has_no_plan(store: Store) -> None:
    gave_up = of.statement(1, ms=10_000, error=True)
    put(
        store,
        [of.root(1), gave_up, of.thresholds()],
        of.failed(gave_up, "canceling statement due to lock timeout", "55P03"),
        of.logged(of.statement(2, ms=20_000), ms=19_000),
    )
    found = one(store, gave_up)
    assert found.failure == "canceling statement due to lock timeout (55P03)"
    assert found.absent["server_ms"].startswith("it failed")
    assert found.plan.note
    assert "it failed" in found.plan.note


def test_only_samples_taken_while_it_ran_are_its_waits(store: Store) -> None:
    """Idle in a transaction, a session still shows its last statement, with its traceparent."""
    slow = of.statement(1, ms=300)
    during, after = slow.start_ns + 100 * MS, slow.start_ns + 400 * MS
    put(
        store,
        [of.root(1), slow],
        of.sample(slow, at_ns=during, wait_event_type="IO", wait_event="DataFileRead"),
        of.sample(slow, at_ns=during + MS),
        of.sample(slow, at_ns=after, state="idle in transaction", wait_event_type="Client"),
        of.sample(slow, at_ns=after + MS, wait_event_type="Lock", wait_event="tuple"),
    )
    waits = {(wait.type, wait.event): wait.samples for wait in one(store, slow).waits}
    assert waits == {("IO", "DataFileRead"): 1, ("CPU", "CPU"): 1}


def test_the_blocker_is_shown_as_it_was_in_the_same_sample(store: Store) -> None:
    blocked, blocker = of.statement(1, ms=2_000), of.statement(7, ms=1)
    at = blocked.start_ns + 500 * MS
    waiting: dict[str, Any] = {
        "wait_event_type": "Lock",
        "wait_event": "transactionid",
        "blocking_pids": (77,),
    }
    put(
        store,
        [of.root(1, ms=2_100), blocked],
        of.sample(blocked, at_ns=at, **waiting),
        of.sample(blocked, at_ns=at + 1_000 * MS, **waiting),
        of.sample(
            blocker, at_ns=at, pid=77, state="idle in transaction", service="credit-servicing"
        ),
        of.sample(None, at_ns=at + 1, pid=77, state="active", service="somebody-else"),
        of.lock_wait(blocked, ms=1_500, blocked_by=78),
        of.lock_wait(blocked, ms=1_500, blocked_by=79),
        of.sample(None, at_ns=at, pid=79, application="credit-drill"),
    )
    found = one(store, blocked)
    sampled, reported, seen_elsewhere = found.blocked_by
    assert (seen_elsewhere.pid, seen_elsewhere.application) == (79, "credit-drill")
    assert (sampled.pid, sampled.samples, sampled.state) == (77, 2, "idle in transaction")
    assert (sampled.service, sampled.trace_id) == ("credit-servicing", blocker.trace_id)
    assert (reported.pid, reported.samples, reported.state) == (78, 0, None)
    assert found.locked_ms == 1_500


def test_every_statement_of_the_workload_is_known_by_its_text() -> None:
    """As the tracer sends it, and as an Agent obfuscates it: blanks and placeholders differ."""
    for statement in STATEMENTS.values():
        text = redact.statement(statement.sql).text[: naming.MAX_CHARACTERS]
        assert naming.name_of(text) == statement.name
        assert naming.name_of(naming.PARAMETER.sub(" ? ", text).upper()) == statement.name
    assert naming.name_of("SELECT somebody_else") is None


def test_a_trace_is_a_waterfall_of_parents_before_children(store: Store) -> None:
    commit = of.statement(
        1, 4, at_ms=350, ms=40, kind="", name="postgres.connection.commit", resource="commit"
    )
    orphan = of.statement(1, 5, at_ms=2, ms=1, parent_id=of.span_id(99))
    overlapping = [of.statement(1, 2, at_ms=10, ms=200), of.statement(1, 3, at_ms=100, ms=200)]
    put(store, of.root(1, ms=400), overlapping, commit, orphan)
    found = trace(store.reader, of.trace_id(1))
    shape = [(int(span.span_id, 16), span.depth, span.layer.value) for span in found.spans]
    assert shape == [
        (1, 0, "application"),
        (2, 1, "statement"),
        (3, 1, "statement"),
        (4, 1, "database"),
        (5, 0, "statement"),
    ]
    # 10 to 300 and 350 to 390 ms are its children's.
    assert found.spans[0].self_ms == 70
    assert found.spans[1].statement == "risk_distribution"


def test_a_circle_of_parents_ends(store: Store) -> None:
    a, b = of.statement(1, 2, parent_id=of.span_id(3)), of.statement(1, 3, parent_id=of.span_id(2))
    put(store, a, b)
    assert len(trace(store.reader, of.trace_id(1)).spans) == 2


@pytest.fixture
def many(store: Store) -> Store:
    """Ten traces of two services, a second apart, each longer than the one before; the last failed."""
    services = ("credit-risk", "credit-customers")
    put(
        store,
        [
            of.root(n, ms=n * 10, service=services[n % 2], resource=f"op{n % 3}", error=n == 10)
            for n in range(1, 11)
        ],
        of.statement(4, ms=30),
    )
    return store


def at(number: int) -> datetime:
    return moment(START + number * 1_000 * MS)


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (Search(), [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]),
        (Search(limit=2), [10, 9]),
        (Search(service="credit-customers", order=Order.SLOWEST), [9, 7, 5, 3, 1]),
        (Search(service="risk", operation="op1"), [10, 4]),
        (Search(min_duration_ms=80), [10, 9, 8]),
        (Search(min_duration_ms=30, max_duration_ms=40), [4, 3]),
        (Search(error=True), [10]),
        (Search(error=False, limit=1), [9]),
        (Search(since=at(3), until=at(5)), [4, 3]),
        (Search(operation="none"), []),
    ],
)
def test_a_search_finds_what_it_says(many: Store, wanted: Search, numbers: list[int]) -> None:
    found = traces.search(many.reader, wanted)
    assert [int(each.trace_id, 16) for each in found] == numbers


def test_a_line_of_a_search_counts_what_lies_below_the_root(many: Store) -> None:
    [found] = traces.search(many.reader, Search(min_duration_ms=40, max_duration_ms=40))
    assert (found.spans, found.statements, found.database_ms) == (2, 1, 30)


def test_an_unknown_service_is_answered_with_the_nearest(many: Store) -> None:
    assert traces.services(many.reader) == ("credit-customers", "credit-risk")
    with pytest.raises(LabError, match="did you mean credit-risk"):
        traces.search(many.reader, Search(service="rsik"))
    with pytest.raises(LabError, match=r'no service "credit-unlike"\.'):
        traces.search(many.reader, Search(service="credit-unlike"))


def test_an_empty_store_is_reported_as_empty(store: Store) -> None:
    assert traces.search(store.reader, Search()) == ()
    with pytest.raises(NotFoundError, match="has no trace yet"):
        traces.search(store.reader, Search(service="risk"))
    with pytest.raises(NotFoundError, match="may have expired"):
        executions(store.reader, of.trace_id(1))


def test_the_span_of_no_statement_has_no_execution(store: Store) -> None:
    put(store, of.root(1))
    with pytest.raises(NotFoundError, match="is not of a statement"):
        execution(store.reader, of.trace_id(1), of.span_id(1))
    with pytest.raises(NotFoundError, match="has no span"):
        execution(store.reader, of.trace_id(1), of.span_id(2))


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ("abc", "it has 3 digits"),
        ("g" * 32, "'g' are not hexadecimal"),
        (f"00-{'a' * 32}-bb-01", "groups of 2, 32, 16 and 2"),
        ("", "it has 0 digits"),
    ],
)
def test_the_error_of_a_malformed_id_has_what_is_wrong_with_it(given: str, fault: str) -> None:
    with pytest.raises(MalformedIdError, match=fault):
        ids.parse(given)


def test_a_pasted_traceparent_names_trace_and_span() -> None:
    ref = ids.parse(f" 00-{'A' * 32}-{'B' * 16}-01\n")
    assert (ref.trace_id, ref.span_id) == ("a" * 32, "b" * 16)
    assert ids.parse("c" * 32).span_id is None


def test_an_execution_is_json_with_its_queryid_as_text(store: Store) -> None:
    slow = of.statement(1)
    put(store, of.root(1), slow, of.logged(slow, ms=380), of.plan(slow, ms=379))
    document = msgspec.to_builtins(one(store, slow))
    assert document["queryid"] == str(of.QUERYID)
    assert document["plan"]["source"] == "executed"
    assert document["plan"]["tree"]["root"]["relation"] == "installments"
    assert document["start"].endswith("Z")


def test_links_lead_to_whom_there_is() -> None:
    alone = Links(console="http://here:1", prometheus="http://here:2")
    assert set(alone.trace("ab")) == {"console"}
    assert set(alone.query("5", "name")) == {"console", "prometheus"}
    all_of_them = Links(
        console="c", prometheus="p", grafana="http://g", datadog="https://app.datadoghq.eu"
    )
    found = all_of_them.trace("ab", start=moment(START), span_id="00000000000000ff")
    assert found["datadog"] == (
        f"https://app.datadoghq.eu/apm/trace/ab?spanID=255&timeHint={START // MS}"
    )
    assert "credit-lab-traces" in found["grafana"]
    query = all_of_them.query("-5", "customer_by_cpf")["grafana"]
    assert query == "http://g/d/credit-lab-query?var-statement=customer_by_cpf&var-queryid=-5"


def test_a_blocking_tree_has_every_waiter_below_its_blocker() -> None:
    waits = {1: (), 2: (1,), 3: (1, 2), 4: (), 5: (6,), 6: (5,)}

    def shape(nodes: Sequence[live.BlockingNode]) -> object:
        return [(node.pid, shape(node.waiting)) for node in nodes]

    assert shape(live.blocking_tree(waits)) == [
        (1, [(2, [(3, [])]), (3, [])]),
        (5, [(6, [])]),
    ]


def test_the_time_that_waits_for_the_database_is_part_of_the_trace(store: Store) -> None:
    """Statements of threads overlap, and one may outlast its trace: together they are at most all of it."""
    put(
        store,
        of.root(1, ms=100),
        of.statement(1, 2, at_ms=10, ms=60),
        of.statement(1, 3, at_ms=20, ms=60),
        of.statement(1, 4, at_ms=90, ms=60),
    )
    assert trace(store.reader, of.trace_id(1)).database_ms == 80.0
