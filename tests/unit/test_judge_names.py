"""The names in evidence: from labels, sessions, spans and log lines; and the signals that carry them."""

from dataclasses import replace

import pytest

from lab.judge.names import Names, of_event, of_execution, of_labels, of_session, of_span, together
from lab.judge.signals import Resources, Slow
from lab.judge.tracks import counted
from lab.telemetry.store import Participant
from tests import evidence as of
from tests.judging import EMPTY, NS, T0


def names(**fields: object) -> Names:
    return Names(**{
        name: frozenset(value) if isinstance(value, set) else value for name, value in fields.items()
    })  # type: ignore[arg-type]  # fmt: skip


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"statement": "lock_customers|unnamed|", "service": "unnamed"},
         names(statements={"lock_customers"})),
        ({"service": "a", "application_name": "b", "app": "c"}, names(services={"a", "b", "c"})),
        ({"queryid": "-42"}, names(queryids={-42})),
        ({"queryid": "other", "relname": "customers"}, Names()),
        ({}, Names()),
    ],
)  # fmt: skip
def test_labels_name_statements_services_and_queryids(
    labels: dict[str, str], expected: Names
) -> None:
    """A statement without a name has the label `unnamed`, which names nothing."""
    assert of_labels(labels) == expected


def test_a_session_names_itself_and_who_blocks_it() -> None:
    sample = of.sample(of.statement(1), at_ns=of.START, blocking_pids=(7, 8), statement="pay")
    assert of_session(sample) == names(
        statements={"pay"}, queryids={of.QUERYID}, services={"credit-risk"}, pids={42, 7, 8}, traced=True
    )  # fmt: skip
    idle = replace(sample, queryid=None, trace_id=None, service=None, application="psql")
    assert of_session(idle) == names(statements={"pay"}, services={"psql"}, pids={42, 7, 8})


def test_a_span_names_its_text_only_when_it_is_a_statements() -> None:
    span = of.statement(1, tags={"_dd.base_service": "credit-drill"})
    assert of_span(span) == names(
        texts={of.REPORT}, services={"postgres", "credit-drill"}, traced=True
    )
    assert of_span(of.root(1)) == names(services={"credit-risk"}, traced=True)


def test_an_event_names_its_participants() -> None:
    other = Participant(pid=9, blocked_by=(11,), statement="pay", service="a", trace_id="t")
    event = replace(of.lock_wait(of.statement(1), ms=1, blocked_by=7), participants=(other,))
    expected = names(
        statements={"pay"}, queryids={of.QUERYID}, services={"credit-risk", "a"}, pids={42, 9, 11},
        traced=True,
    )  # fmt: skip
    assert of_event(event) == expected
    untraced = replace(event, trace_id=None, queryid=None, application="psql")
    assert of_event(untraced) == replace(
        expected, queryids=frozenset(), services=frozenset({"credit-risk", "a", "psql"})
    )
    alone = replace(untraced, participants=(replace(other, trace_id=None),))
    assert not of_event(alone).traced


def test_an_execution_names_its_session() -> None:
    logged = of.logged(of.statement(1), ms=5)
    known = names(
        statements={"risk_distribution"}, queryids={of.QUERYID}, services={"credit-risk"}, pids={42},
        traced=True,
    )  # fmt: skip
    assert of_execution(logged) == known
    without = replace(logged, queryid=None, trace_id=None)
    assert of_execution(without) == replace(known, queryids=frozenset(), traced=False)


def test_names_together_are_traced_when_one_is() -> None:
    one, other = names(pids={1}, traced=True), names(pids={2}, texts={"a"})
    assert together([one, other]) == names(pids={1, 2}, texts={"a"}, traced=True)
    assert together([other]) == other


def test_hits_are_counted_over_five_seconds() -> None:
    """A hit of exactly five seconds before has left the count; only the names of the last 20 are kept."""
    hits = [(T0 + round(at_s * NS), names(pids={n})) for n, at_s in enumerate((9, 4, 5, 8.9))]
    assert [(p.at_ns - T0, p.value) for p in counted(hits, EMPTY)] == [
        (0, 0), (4 * NS, 1), (5 * NS, 2), (8.9 * NS, 3), (9 * NS, 3)
    ]  # fmt: skip
    many = [(T0 + n, names(pids={n})) for n in range(25)]
    assert counted(many, EMPTY)[-1].value == 25
    assert counted(many, EMPTY)[-1].names.pids == set(range(5, 25))


def test_logged_executions_are_tracks_by_statement_in_milliseconds() -> None:
    """Those without a name are left out: the duration of a COMMIT depends on the disk."""
    first = of.logged(of.statement(1), ms=250)
    later = replace(first, at_ns=first.at_ns + 1, duration_ns=3_000_000)
    other = replace(first, queryid=7)
    commit = replace(first, statement=None)
    evidence = replace(EMPTY, executions=(later, first, other, commit))
    slow = Slow(says="ms", above=100)
    assert [[point.value for point in track] for track in slow.tracks(evidence)] == [
        [250, 3], [250]
    ]  # fmt: skip
    only = replace(slow, like=lambda one: one.queryid == 7)
    assert len(list(only.tracks(evidence))) == 1


def test_a_resource_is_a_statement_that_is_part_of_an_operation() -> None:
    """Neither a statement without a parent, such as a program's own, nor a span of another kind."""
    spans = (
        of.statement(1, ms=30), of.statement(2, ms=30, parent_id=None), of.statement(3, kind="worker"),
    )  # fmt: skip
    [track] = Resources(says="ms", above=1).tracks(replace(EMPTY, spans=spans))
    assert [point.value for point in track] == [30.0]
    ends_ns = spans[0].start_ns + spans[0].duration_ns
    assert track[0].at_ns == (ends_ns // (10 * NS) + 1) * 10 * NS
