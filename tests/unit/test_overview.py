"""The overview's figures, from records whose sums are known."""

from datetime import timedelta
from typing import Any

import pytest

from lab.clients.prometheus import Prometheus
from lab.console.overview import database_load, health, incidents, refused_explains
from lab.doctor.examine import APPLICATION
from lab.foundation import clock
from lab.foundation.outcome import Outcome
from lab.foundation.timestamps import nanoseconds
from lab.telemetry.store import ActivityRound, ActivitySample, Event, Record, Snapshot, Source
from tests.fix_store import Store

# A whole minute, so that the chart's steps are known.
AT = clock.now().replace(second=0, microsecond=0)
WINDOW = timedelta(minutes=15)
NOBODY = Prometheus(url="http://127.0.0.1:1")


def sample(second: float, pid: int, **fields: Any) -> ActivitySample:
    """Return a sample taken so many seconds before AT, of an active session that does not wait."""
    values: dict[str, Any] = dict.fromkeys(ActivitySample.__dataclass_fields__)
    at_ns = nanoseconds(AT - timedelta(seconds=second))
    values |= {"source": Source.EMBEDDED, "state": "active", "blocking_pids": (), **fields}
    return ActivitySample(**{**values, "at_ns": at_ns, "pid": pid})


def taken(
    second: float, sessions: int, *, interval_s: float, source: Source = Source.EMBEDDED
) -> ActivityRound:
    """Return a round of sampling so many seconds before AT."""
    at_ns = nanoseconds(AT - timedelta(seconds=second))
    return ActivityRound(at_ns=at_ns, source=source, interval_s=interval_s, sessions=sessions)


def event(second: float, **fields: Any) -> Event:
    """Return an error of so many seconds before AT."""
    values: dict[str, Any] = dict.fromkeys(Event.__dataclass_fields__)
    at_ns = nanoseconds(AT - timedelta(seconds=second))
    values |= {"kind": "error", "pid": 1, "message": "no", "figures": {}, "participants": ()}
    return Event(**{**values, "at_ns": at_ns, **fields})


def test_load_is_the_mean_number_of_active_sessions(store: Store) -> None:
    """Two sessions on the CPU and one waiting, sampled each second of the last ten, are a load of 3."""
    lock = {"wait_event_type": "Lock", "wait_event": "tuple"}
    records: list[Record] = [sample(s, pid) for s in range(1, 11) for pid in (1, 2)]
    records += [sample(s, 3, **lock) for s in range(1, 11)]
    records += [sample(s, 4, state="idle in transaction") for s in range(1, 11)]
    records += [taken(s, 4, interval_s=1.0) for s in range(1, 11)]
    store.writer.commit(records, timeout_s=60)
    load = database_load(store.reader, since=AT - WINDOW, until=AT)
    assert (load.source, load.every_s, load.step_s, len(load.starts)) == ("embedded", 1, 10, 90)
    assert [(e.type, e.event, e.sessions[-1]) for e in load.events] == [
        ("CPU", "CPU", 2.0),
        ("Lock", "tuple", 1.0),
    ]
    assert load.latest == pytest.approx(3.0)
    assert load.mean == pytest.approx(3.0)


def test_a_new_labs_load_is_shown_in_a_long_window(store: Store) -> None:
    """Sampled for two minutes of a day: their mean counts, not the hours before; the step is not over yet."""
    end = (AT - timedelta(hours=1)).replace(minute=50)
    begin = (AT - end).total_seconds()
    records: list[Record] = [taken(begin + s, 1, interval_s=1.0) for s in range(1, 121)]
    records += [sample(begin + s, 1) for s in range(1, 61)]
    store.writer.commit(records, timeout_s=60)
    load = database_load(store.reader, since=end - timedelta(hours=24), until=end)
    assert (load.step_s, len(load.starts)) == (1800, 49)
    assert load.starts[-1] == end.replace(minute=30)
    assert [event.sessions[-1] for event in load.events] == [0.5]
    assert (load.mean, load.latest) == (0.5, 1.0)


def test_a_sample_of_the_agent_stands_for_its_longer_interval(store: Store) -> None:
    """Two rounds in ten seconds: a session in both is a load of 1, in one of them of a half."""
    rounds = [taken(s, 1, source=Source.AGENT, interval_s=5.0) for s in (2, 7)]
    samples = [sample(s, 1, source=Source.AGENT) for s in (2, 7)]
    samples.append(sample(2, 2, source=Source.AGENT))
    store.writer.commit([*rounds, *samples], timeout_s=60)
    load = database_load(store.reader, since=AT - WINDOW, until=AT)
    assert (load.source, load.every_s) == (Source.AGENT, 5.0)
    assert load.latest == pytest.approx(1.5)


def test_a_round_without_active_sessions_counts(store: Store) -> None:
    """Ten rounds, one of them with a session: a load of a tenth."""
    rounds = [taken(s, 0, interval_s=1.0) for s in range(1, 11)]
    store.writer.commit([*rounds, sample(3, 1)], timeout_s=60)
    load = database_load(store.reader, since=AT - WINDOW, until=AT)
    assert load.latest == pytest.approx(0.1)


def test_an_empty_store_is_no_load_and_nothing_fresh(store: Store) -> None:
    """Before anything came there are no layers; every age is unknown, which is not stale."""
    assert database_load(store.reader, since=AT - WINDOW, until=AT).events == ()
    found = health(store.reader, NOBODY, at=AT)
    assert all(fresh.age_s is None and not fresh.stale for fresh in found.freshness)
    states = {component.name: component.outcome for component in found.components}
    assert (states["prometheus"], states["postgres"], states["datadog"]) == (
        Outcome.FAILED,
        Outcome.UNKNOWN,
        Outcome.UNKNOWN,
    )


def test_equal_errors_are_one_incident_with_a_count(store: Store) -> None:
    """A burst of one error is one line, with its last time; the deadlock before it remains visible."""
    deadlock = event(50, kind="deadlock", message="deadlock detected", sqlstate="40P01")
    burst = [event(s, statement="pay") for s in (10, 20, 30)]
    store.writer.commit([deadlock, *burst, event(2000)], timeout_s=60)
    first, second = incidents(store.reader, since=AT - WINDOW, until=AT)
    assert (first.title, first.count, first.at) == ("Error", 3, AT - timedelta(seconds=10))
    assert (second.title, second.count) == ("Deadlock", 1)


def test_the_errors_that_doctor_expects_are_no_incident(store: Store) -> None:
    """It tests that the explain function refuses statements; the same error of another session is one."""
    own = event(20, message="this statement is not explained", application=APPLICATION)
    other = event(30, message="this statement is not explained", application="psql")
    store.writer.commit([own, other], timeout_s=60)
    [found] = incidents(store.reader, since=AT - WINDOW, until=AT)
    assert (found.count, found.at) == (1, AT - timedelta(seconds=30))


def test_the_lock_waits_of_a_statement_are_one_incident_with_the_longest_time(store: Store) -> None:
    """Those for other transactions, too; those for another table are not."""
    messages = (
        "still waiting for ShareLock on transaction 3577",
        "still waiting for ShareLock on transaction 3578",
        "still waiting for AccessShareLock on relation 1 of database 2",
        "still waiting for AccessShareLock on relation 9 of database 2",
    )
    waits = [
        event(s, kind="lock_wait", message=message, duration_ns=s * 10**8)
        for s, message in enumerate(messages, 5)
    ]
    store.writer.commit(waits, timeout_s=60)
    found = incidents(store.reader, since=AT - WINDOW, until=AT)
    assert sorted((each.count, each.duration_ms) for each in found) == [
        (1, 700.0),
        (1, 800.0),
        (2, 600.0),
    ]


def test_what_postgresql_refuses_the_observer_is_no_incident(store: Store) -> None:
    """Refused EXPLAINs of the role datadog are counted apart; its other errors and others' refusals stay."""
    refused = [
        event(s, role="datadog", sqlstate=state) for s, state in ((5, "42P02"), (6, "42501"))
    ]
    others = [
        event(10, role="datadog", sqlstate="57014"),
        event(20, role="credit_app", sqlstate="42501"),
        event(30, role=None, sqlstate=None),
    ]
    store.writer.commit(
        [*refused, *others, event(2000, role="datadog", sqlstate="42P02")], timeout_s=60
    )
    found = incidents(store.reader, since=AT - WINDOW, until=AT)
    assert [(one.role, one.sqlstate) for one in found] == [
        ("datadog", "57014"),
        ("credit_app", "42501"),
        (None, None),
    ]
    assert refused_explains(store.reader, since=AT - WINDOW, until=AT) == 2


def test_a_locked_table_has_its_name_if_dbm_received_it(store: Store) -> None:
    """The log has oids; the schema that was sent has their names, and an oid it lacks stays one."""
    payload = '{"id":16545,"name":"credit_proposals","columns":[]}'
    snapshot = Snapshot(
        kind="table creditdb.public.x", host="h", at_ns=nanoseconds(AT), payload=payload
    )
    others = [
        Snapshot(
            kind=f"table {database}.7",
            host="h",
            at_ns=nanoseconds(AT),
            payload=f'{{"id":7,"name":"t_of_{database}","database_id":{database}}}',
        )
        for database in (5, 6)
    ]
    waits = [
        event(
            s,
            kind="lock_wait",
            message=f"still waiting for X on tuple (1,2) of relation {oid} of database 5",
        )
        for s, oid in ((5, 16545), (6, 99), (7, 7))
    ]
    store.writer.commit([snapshot, *others, *waits], timeout_s=60)
    found = incidents(store.reader, since=AT - WINDOW, until=AT)
    assert [one.message.partition(" of ")[2] for one in found] == [
        "credit_proposals",
        "relation 99 of database 5",
        "t_of_5",
    ]
