"""The service map: edges from spans whose parent is of another service, and from statements."""

from datetime import timedelta

from lab.console.overview.service_map import DATABASE, service_map
from lab.console.pages.service_map import LINE, _lines, _places
from lab.foundation.timestamps import moment
from tests import evidence as of
from tests.fix_store import Store


def test_an_edge_is_a_call_of_another_service_or_of_the_database(store: Store) -> None:
    """A span below another of its service is none; a statement has the caller's own service."""
    spans = [
        of.root(1, ms=400),
        of.statement(1, 2, ms=100),
        of.statement(1, 3, ms=300, error=True),
        of.statement(1, 4, ms=50, kind="web", service="credit-customers"),
        of.statement(1, 5, ms=20, kind="internal", service="credit-risk"),
        of.statement(2, 6, ms=900),  # its parent is not stored
    ]
    store.writer.commit(spans, timeout_s=60)
    since = moment(spans[0].start_ns) - timedelta(seconds=1)
    found = service_map(store.reader, since=since, until=since + timedelta(minutes=5))
    assert [
        (e.caller, e.callee, e.calls, e.errors, e.total_ms, e.slowest_ms, e.mean_ms) for e in found
    ] == [
        ("credit-risk", DATABASE, 2, 1, 400.0, 300.0, 200.0),
        ("credit-risk", "credit-customers", 1, 0, 50.0, 50.0, 50.0),
    ]
    assert service_map(store.reader, since=since - timedelta(hours=1), until=since) == ()
    callers, callees = _places(found)
    assert [place.y for place in callees.values()] == sorted(place.y for place in callees.values())
    first, second = _lines(found, callers, callees)
    assert first.width > second.width >= 1
    assert callees[DATABASE].y - callees["credit-customers"].y in (LINE, -LINE)
