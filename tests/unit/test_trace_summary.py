"""A trace in a list: how many spans and statements it has, and how much of it was in the database."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from lab.drilldown import traces
from lab.drilldown.traces import Order, Search
from lab.foundation.errors import LabError
from lab.foundation.timestamps import moment
from tests import evidence as of
from tests.fix_store import Store


def test_time_in_the_database_is_that_of_statements_and_of_spans_with_a_database(
    store: Store,
) -> None:
    """By the span's kind, or by its tag: connecting and committing have a database and are no statements."""
    spans = [
        of.root(1, ms=400),
        of.statement(1, 2, ms=100, tags={"component": "psycopg"}),
        of.statement(1, 3, ms=20),
        of.statement(1, 4, ms=3, kind="db"),
        of.statement(1, 5, ms=200, kind="http", tags={"component": "requests"}),
        of.root(2, ms=50),
    ]
    store.writer.commit(spans, timeout_s=60)
    found = {each.trace_id: each for each in traces.search(store.reader, Search())}
    summary = found[of.trace_id(1)]
    assert (summary.spans, summary.statements, summary.database_ms) == (5, 2, 123.0)
    assert (summary.duration_ms, summary.service) == (400.0, "credit-risk")
    alone = found[of.trace_id(2)]
    assert (alone.spans, alone.statements, alone.database_ms) == (1, 0, 0.0)


def start(number: int) -> int:
    return of.root(number).start_ns


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Search(), [3, 2, 1]),
        (Search(limit=2), [3, 2]),
        (Search(order=Order.SLOWEST), [1, 2, 3]),
        (Search(order=Order.SLOWEST, limit=1), [1]),
        (Search(since=moment(start(2))), [3, 2]),
        (Search(until=moment(start(2))), [1]),
        (Search(min_duration_ms=200), [2, 1]),
        (Search(max_duration_ms=200), [3, 2]),
        (Search(operation="other"), [3]),
        (Search(error=True), [2]),
        (Search(error=False), [3, 1]),
        (Search(service="credit-customers"), [3]),
        (Search(service="credit-risk", error=True, min_duration_ms=201), []),
    ],
)
def test_each_condition_of_a_search_and_its_bounds(
    store: Store, wanted: Search, found: Sequence[int]
) -> None:
    """`since` and both durations are included, `until` is not; a statement's span is no trace."""
    roots = [
        of.root(1, ms=300),
        of.root(2, ms=200, error=True),
        of.root(3, ms=100, resource="other", service="credit-customers"),
    ]
    store.writer.commit([*roots, of.statement(1, ms=900)], timeout_s=60)
    listed = traces.search(store.reader, wanted)
    assert [each.trace_id for each in listed] == [of.trace_id(number) for number in found]


@pytest.mark.parametrize("duration_ms", [-0.001, traces.MAX_DURATION_MS * 1.001])
def test_a_duration_that_cannot_be_is_refused(store: Store, duration_ms: float) -> None:
    store.writer.commit([of.root(1)], timeout_s=60)
    with pytest.raises(LabError, match="is not a duration"):
        traces.search(store.reader, Search(min_duration_ms=duration_ms))


def test_the_slowest_trace_with_a_plan_or_a_lock_wait_has_its_spans(store: Store) -> None:
    """The plan is executed, of a span that is stored, in a trace whose root is; by time and service."""
    spans = {number: of.statement(number, ms=100) for number in range(1, 6)}
    roots = [of.root(number) for number in (1, 2, 3, 4)]
    plans = [
        of.plan(spans[1], ms=10),
        of.plan(spans[2], ms=20),
        of.plan(spans[3], ms=99, executed=False),
        of.plan(replace(spans[4], span_id="f" * 16), ms=98),
        of.plan(spans[5], ms=97),
    ]
    store.writer.commit([*roots, *spans.values(), *plans], timeout_s=60)
    since = moment(plans[0].at_ns)
    assert traces.slowest_explained(store.reader, since=since) == of.trace_id(2)
    assert traces.slowest_explained(
        store.reader, since=since, service="credit-risk"
    ) == of.trace_id(2)
    assert traces.slowest_explained(store.reader, since=since, service="credit-customers") is None
    assert traces.slowest_explained(store.reader, since=moment(plans[1].at_ns)) == of.trace_id(2)
    assert traces.slowest_explained(store.reader, since=moment(plans[1].at_ns + 10**6)) is None
    # Longer than any plan, but of a trace that is not stored; then of one that is.
    waits = [
        of.lock_wait(spans[5], ms=90, blocked_by=7),
        of.lock_wait(spans[1], ms=80, blocked_by=7),
    ]
    store.writer.commit(waits, timeout_s=60)
    since = moment(spans[1].start_ns)
    assert traces.slowest_explained(store.reader, since=since) == of.trace_id(1)
