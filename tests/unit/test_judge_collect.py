"""What the judge reads from the store: a window with both its ends, Datadog's senders, metrics and spans."""

from dataclasses import replace
from typing import Any

import pytest

from lab.judge import collect_metrics
from lab.judge.collect import from_store
from lab.judge.evidence import Evidence, Gap, Observer
from lab.judge.signals import Deltas, Events, Query, Signal
from lab.telemetry.store import (
    ActivityRound,
    LogPosition,
    Reader,
    Record,
    ServiceCheck,
    Source,
    StoreError,
    TraceStats,
)
from tests import evidence as of
from tests.fix_store import Store

S = 1_000_000_000
UNTIL = of.START - 60 * S
SINCE = UNTIL - 120 * S
# Just before the window, its first and its last moment, just after it.
EDGES = (SINCE - 1, SINCE, UNTIL, UNTIL + 1)
INSIDE = {SINCE, UNTIL}
CALLS = Deltas(says="calls", above=1, measure=lambda d: d.calls)


def collected(store: Store, *records: Record, signals: tuple[Signal, ...] = ()) -> Evidence:
    store.writer.commit(list(records), timeout_s=60)
    window = Evidence(since_ns=SINCE, until_ns=UNTIL)
    return from_store(store.reader, signals, window, {})


def operation(at_ns: int, number: int, **fields: Any) -> Record:
    return replace(of.root(number, ms=500, **fields), start_ns=at_ns)


def test_every_kind_of_record_is_of_the_window(store: Store) -> None:
    """Both ends included, oldest first; a span counts by its start."""
    span = of.statement(1)
    records: list[Record] = []
    for number, at_ns in enumerate(reversed(EDGES)):
        records += [
            of.sample(None, at_ns=at_ns, pid=number),
            replace(of.deltas(number), at_ns=at_ns),
            operation(at_ns, number),
            replace(of.lock_wait(span, ms=1, blocked_by=7), at_ns=at_ns),
            replace(of.logged(span, ms=5), at_ns=at_ns),
            of.plan(span, executed=False, at_ns=at_ns),
            of.plan(span, ms=5, at_ns=at_ns),
            ActivityRound(at_ns=at_ns, source=Source.AGENT, interval_s=10.0, sessions=0),
            ServiceCheck(at_ns=at_ns, source=Source.AGENT, host="h", name="c", status=0, tags=()),
        ]
    found = collected(store, *records)
    assert found.rounds_ns == (SINCE, UNTIL)
    assert [span.start_ns for span in found.spans] == [SINCE, UNTIL]
    for kind in ("activity", "deltas", "events", "executions", "estimated", "executed"):
        assert [one.at_ns for one in getattr(found, kind)] == [SINCE, UNTIL], kind
    assert {plan.executed for plan in found.estimated} == {False}
    assert {plan.executed for plan in found.executed} == {True}


@pytest.mark.parametrize("source", Source)
def test_only_what_datadog_received_is_evidence_of_datadog(store: Store, source: Source) -> None:
    """Not the lab's own samples, which are the truth."""
    found = collected(
        store,
        of.sample(None, at_ns=SINCE + 1, source=source),
        ActivityRound(at_ns=SINCE + 1, source=source, interval_s=1.0, sessions=1),
    )
    sent = source in {Source.AGENT, Source.CHECK, Source.EMBEDDED}
    assert (len(found.activity), len(found.rounds_ns)) == (int(sent), int(sent))
    assert (Observer.DBM in found.last_data_ns) is sent


def test_the_newest_data_and_the_longest_gap_of_each_observer(store: Store) -> None:
    """DBM by samples and query metrics, APM by the ends of spans, the log by what was read of it."""
    found = collected(
        store,
        ActivityRound(at_ns=SINCE + 10 * S, source=Source.AGENT, interval_s=10.0, sessions=0),
        of.sample(None, at_ns=SINCE + 20 * S),
        replace(of.deltas(1), at_ns=SINCE + 90 * S),
        operation(SINCE + 50 * S, 1),
        LogPosition(file="a", head="", head_bytes=0, position=0, at_ns=SINCE),
        LogPosition(file="b", head="", head_bytes=0, position=0, at_ns=SINCE - 5),
    )
    assert found.last_data_ns == {
        Observer.DBM: SINCE + 90 * S,
        Observer.APM: SINCE + 50 * S + S // 2,
        Observer.MONITORS: SINCE + 90 * S,
        Observer.LOG: SINCE,
    }
    whole = Gap(begin_ns=SINCE, end_ns=UNTIL)
    assert found.gaps == {
        Observer.DBM: Gap(begin_ns=SINCE + 20 * S, end_ns=SINCE + 90 * S),
        Observer.APM: Gap(begin_ns=SINCE + 50 * S + S // 2, end_ns=UNTIL),
        Observer.CHECK: whole,
    }


def test_a_log_that_was_last_read_before_the_window_delivered_nothing(store: Store) -> None:
    position = LogPosition(file="a", head="", head_bytes=0, position=0, at_ns=SINCE - 1)
    assert Observer.LOG not in collected(store, position).last_data_ns


def test_the_check_delivers_by_its_metrics_and_its_service_checks(store: Store) -> None:
    """In the window only: the metrics begin earlier, for the windows of monitors."""
    points = [(at_ns, 1.0) for at_ns in (SINCE - 30 * S, SINCE, SINCE + 20 * S)]
    check = ServiceCheck(at_ns=UNTIL, source=Source.AGENT, host="h", name="c", status=0, tags=())
    found = collected(store, *of.metric("postgresql.uptime", *points), check)
    assert found.last_data_ns[Observer.CHECK] == UNTIL
    assert found.gaps[Observer.CHECK] == Gap(begin_ns=SINCE + 20 * S, end_ns=UNTIL)
    alone = collected(store)
    assert alone.metrics["postgresql.uptime"][0].points[0][0] == SINCE - 30 * S


def test_a_run_of_the_check_at_the_beginning_of_the_window_is_one_of_it(store: Store) -> None:
    found = collected(store, *of.metric("postgresql.uptime", (SINCE - 1, 1.0), (SINCE, 1.0)))
    assert found.last_data_ns[Observer.CHECK] == SINCE


def test_an_unreadable_store_is_a_reason_for_each_of_its_observers(store: Store) -> None:
    """What Prometheus had is kept."""
    missing = Reader(store.path.with_name("absent"))
    known = {Observer.METRICS: "no answer"}
    window = Evidence(since_ns=SINCE, until_ns=UNTIL, unavailable=known)
    found = from_store(missing, (CALLS,), window, {Observer.ALERTS: [SINCE, UNTIL - S]})
    assert set(found.unavailable) == {
        Observer.METRICS, Observer.DBM, Observer.APM, Observer.CHECK, Observer.MONITORS, Observer.LOG
    }  # fmt: skip
    assert found.unavailable[Observer.METRICS] == "no answer"
    assert found.last_data_ns == {Observer.ALERTS: UNTIL - S}
    with pytest.raises(StoreError):
        missing.log_positions()


REACH = 35 * 60 * S


def tracks(store: Store, name: str, *records: Record) -> list[tuple[dict[str, str], Any]]:
    """Return the tags and points of one metric over the window."""
    store.writer.commit(list(records), timeout_s=60)
    query = Query(says="q", query=f"sum:{name}{{*}}", above=0)
    other = Events(says="e", above=0, like=lambda _: True)
    found = collect_metrics.collect(
        store.reader,
        (query, other),
        since_ns=SINCE,
        until_ns=UNTIL,
        deltas_where="source = 'agent'",
    )
    return [(dict(track.tags), track.points) for track in found.metrics.get(name, ())]


def test_query_metrics_become_counts_by_signature_database_and_role(store: Store) -> None:
    """From the longest window of a monitor before the window on; ids of one signature are added."""
    delta = of.deltas(1, source=Source.AGENT, calls=3, rows=4, exec_time_ms=2.5, role="Credit App")
    begin = SINCE - REACH
    records = [
        *(replace(delta, at_ns=at_ns) for at_ns in (begin - 1, begin, UNTIL, UNTIL + 1)),
        replace(delta, at_ns=UNTIL, queryid=2, calls=4),
        replace(delta, at_ns=UNTIL, source=Source.EMBEDDED, calls=100),
    ]
    tags = {
        "query_signature": "1", "db": "creditdb", "user": "credit_app", "host": "credit-lab-postgres"
    }  # fmt: skip
    counted = tracks(store, "postgresql.queries.count", *records)
    assert counted == [(tags, ((begin, 3), (UNTIL, 7)))]
    assert tracks(store, "postgresql.queries.rows") == [(tags, ((begin, 4), (UNTIL, 8)))]
    assert tracks(store, "postgresql.queries.time") == [
        (tags, ((begin, 2_500_000), (UNTIL, 5_000_000)))
    ]


def test_trace_statistics_are_those_of_an_agent_where_it_sends_them(store: Store) -> None:
    """At the end of their interval; the spans beside them are not counted again."""
    begin = SINCE - REACH
    stats = [
        TraceStats(
            at_ns=at_ns, interval_ns=10 * S, service="Credit Risk", name="credit.operation", hits=5, errors=2,
            duration_ns=700,
        )
        for at_ns in (begin - 1, begin, UNTIL, UNTIL + 1)
    ]  # fmt: skip
    records = [*stats, stats[1], operation(SINCE, 1)]
    tags = {"service": "credit_risk"}
    found = {
        name: tracks(store, f"trace.credit.operation.{name}", *(records if name == "hits" else ()))
        for name in ("hits", "errors", "duration")
    }
    ends = (begin + 10 * S, UNTIL + 10 * S)
    assert found["hits"] == [(tags, ((ends[0], 10), (ends[1], 5)))]
    assert found["errors"] == [(tags, ((ends[0], 4), (ends[1], 2)))]
    assert found["duration"] == [(tags, ((ends[0], 1400), (ends[1], 700)))]


def test_without_an_agent_they_are_computed_from_the_root_spans(store: Store) -> None:
    """In intervals of ten seconds, by the end of the span; statements have a parent, and do not count."""
    at_ns = SINCE // (10 * S) * 10 * S + 10 * S
    begin = SINCE - REACH
    records = [
        operation(at_ns, 1),
        operation(at_ns + 9 * S, 2, error=True),
        operation(at_ns + 9 * S + S // 2, 3),
        replace(of.statement(4), start_ns=at_ns),
        *(operation(edge, 5 + n, service=f"edge-{n}")
          for n, edge in enumerate((begin - 1, begin, UNTIL, UNTIL + 1))),
    ]  # fmt: skip
    hits = {
        tags["service"]: points
        for tags, points in tracks(store, "trace.credit.operation.hits", *records)
    }
    assert hits["credit-risk"] == ((at_ns + 10 * S, 2), (at_ns + 20 * S, 1))
    assert sorted(hits) == ["credit-risk", "edge-1", "edge-2"]
    [errors] = [
        points
        for tags, points in tracks(store, "trace.credit.operation.errors")
        if tags["service"] == "credit-risk"
    ]
    assert errors == ((at_ns + 10 * S, 1), (at_ns + 20 * S, 0))
    [spent] = [
        points
        for tags, points in tracks(store, "trace.credit.operation.duration")
        if tags["service"] == "credit-risk"
    ]
    assert spent == ((at_ns + 10 * S, S), (at_ns + 20 * S, S // 2))


def test_metrics_of_the_embedded_agent_have_the_reported_host(store: Store) -> None:
    """So that the monitors, which name it, see them; those of an Agent keep the host that it reports."""
    [(tags, points)] = tracks(store, "a.b", *of.metric("a.b", (SINCE, 1.0), db="Credit DB"))
    assert tags == {"db": "credit_db", "host": "credit-lab-postgres"}
    assert points == ((SINCE, 1.0),)
    checks = [
        ServiceCheck(at_ns=at_ns, source=source, host="Here", name="c", status=0, tags=())
        for at_ns, source in (
            (SINCE - REACH - 1, Source.AGENT), (SINCE - REACH, Source.EMBEDDED), (UNTIL, Source.AGENT),
            (UNTIL + 1, Source.AGENT),
        )
    ]  # fmt: skip
    store.writer.commit(checks, timeout_s=60)
    found = collect_metrics.collect(
        store.reader, (), since_ns=SINCE, until_ns=UNTIL, deltas_where="true"
    )
    assert [check.host for check in found.checks] == ["credit-lab-postgres", "Here"]
