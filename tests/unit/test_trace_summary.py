"""A trace in a list: how many spans and statements it has, and how much of it was in the database."""

from lab.drilldown import traces
from lab.drilldown.traces import Search
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
