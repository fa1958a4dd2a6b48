"""The overview's windows: what is at their ends, which source counts, and what an incident keeps."""

from datetime import timedelta

import pytest

from lab.console.overview import database_load, dbm_source, incidents
from lab.console.overview.database_load import DatabaseLoad, WaitEvent
from lab.console.overview.service_map import service_map
from lab.console.pages.overview import load_chart
from lab.foundation.timestamps import moment
from lab.telemetry.pglog.events import Kind
from lab.telemetry.store import Snapshot, Source
from tests import evidence as of
from tests.fix_store import Store
from tests.unit.test_overview import AT, WINDOW, event, sample, taken

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("length_s", "step_s", "steps"),
    [(450, 5, 90), (451, 10, 45), (900, 10, 90), (1351, 30, 45), (3600, 60, 60), (400_000, 3600, 111)],
)  # fmt: skip
def test_a_window_has_at_most_ninety_steps(
    store: Store, length_s: int, step_s: int, steps: int
) -> None:
    """The finest step of a few; the coarsest one where none is enough. Each begins at a round time."""
    load = database_load(store.reader, since=AT - length_s * SECOND, until=AT)
    assert (load.step_s, load.source) == (step_s, None)
    # The window begins within a step, and a long step is drawn before it is over.
    assert 0 <= len(load.starts) - steps + 1 <= 3
    assert {start.timestamp() % step_s for start in load.starts} == {0.0}


def test_steps_begin_with_the_window_and_end_before_its_end(store: Store) -> None:
    """A sample at the begin is in the first step, one at the end in none; other states are no load."""
    store.writer.commit(
        [
            *(taken(s, 1, interval_s=1.0) for s in (900, 890, 10, 0, 901)),
            sample(900, 1), sample(901, 2), sample(0, 3), sample(10, 4), sample(10, 5, state="idle"),
        ],
        timeout_s=60,
    )  # fmt: skip
    load = database_load(store.reader, since=AT - WINDOW, until=AT)
    [cpu] = load.events
    assert (cpu.sessions[0], cpu.sessions[1], cpu.sessions[-1]) == (1.0, 0.0, 1.0)
    assert sum(cpu.sessions) == 2.0
    # Of the three samples of the window.
    assert cpu.mean == pytest.approx(2 / 3)


def test_the_labs_own_samples_come_before_those_of_an_agent(store: Store) -> None:
    """If it has any in the window; an agent's newest sender counts wherever the lab has none."""
    store.writer.commit(
        [
            taken(1, 1, interval_s=10.0, source=Source.AGENT), sample(1, 1, source=Source.AGENT),
            taken(5, 1, interval_s=1.0, source=Source.LAB), sample(5, 2, source=Source.LAB),
            sample(5, 3, source=Source.LAB), taken(500, 1, interval_s=10.0),
        ],
        timeout_s=60,
    )  # fmt: skip
    found = database_load(store.reader, since=AT - WINDOW, until=AT)
    assert (found.source, found.every_s, found.latest) == (Source.LAB, 1.0, 2.0)
    before = database_load(store.reader, since=AT - WINDOW, until=AT - timedelta(seconds=300))
    assert (before.source, before.every_s) == (Source.AGENT, 10.0)
    assert before.events == ()


def test_the_highest_load_is_first(store: Store) -> None:
    store.writer.commit(
        [
            taken(5, 3, interval_s=1.0), sample(5, 1, wait_event_type="IO", wait_event="DataFileRead"),
            *(sample(5, pid, wait_event_type="Lock", wait_event="tuple") for pid in (2, 3, 4)),
            *(sample(5, pid) for pid in (5, 6)),
        ],
        timeout_s=60,
    )  # fmt: skip
    load = database_load(store.reader, since=AT - WINDOW, until=AT)
    assert [(one.type, one.sessions[-1]) for one in load.events] == [
        ("Lock", 3.0), ("CPU", 2.0), ("IO", 1.0),
    ]  # fmt: skip
    chart = load_chart(load)
    # By class, the CPU at the bottom.
    assert [one.label for one in chart.series] == ["CPU", "IO:DataFileRead", "Lock:tuple"]
    assert (chart.step_ms, chart.stacked, chart.behind) == (10_000, True, "/traces")
    assert chart.times_ms[0] == round((AT - WINDOW).timestamp() * 1000)


def test_the_events_of_a_class_have_shades_and_few_are_shown() -> None:
    """The first of a class, and the heaviest others: twelve layers with the sum of the rest."""
    events = tuple(
        WaitEvent(type="IO", event=f"r{n}", sessions=(float(20 - n), 1.0), mean=float(20 - n))
        for n in range(14)
    )
    load = DatabaseLoad(
        source=Source.LAB,
        every_s=1.0,
        step_s=5,
        starts=(AT, AT + 5 * SECOND),
        events=events,
        latest=0.0,
    )
    series = load_chart(load).series
    assert len(series) == 12
    assert [one.label for one in series[:2]] == ["IO:r0", "IO:r1"]
    assert len({one.css for one in series[:3]}) == 3
    assert (series[-1].label, list(series[-1].values)) == ("others", [9.0 + 8.0 + 7.0, 3.0])
    assert load.mean == sum(20 - n for n in range(14))


def test_the_sender_of_dbm_is_that_of_the_newest_deltas(store: Store) -> None:
    """Deltas of the lab itself are sent to no one."""
    assert dbm_source(store.reader) is None
    store.writer.commit(
        [
            of.deltas(1, after_s=1, source=Source.AGENT), of.deltas(1, after_s=2, source=Source.EMBEDDED),
            of.deltas(1, after_s=3, source=Source.LAB),
        ],
        timeout_s=60,
    )  # fmt: skip
    assert dbm_source(store.reader) is Source.EMBEDDED


def test_incidents_of_a_window_are_the_latest_first(store: Store) -> None:
    """The begin is in it, the end is not; no more than asked for; a checkpoint is no incident."""
    store.writer.commit(
        [
            event(900, message="at the begin"), event(0, message="at the end"), event(901, message="before"),
            event(5, message="newest", kind="server"), event(7, kind="checkpoint"),
            event(6, kind="temp_file", message="spill", size_bytes=30),
            event(8, kind="temp_file", message="spill", size_bytes=70),
        ],
        timeout_s=60,
    )  # fmt: skip
    found = incidents(store.reader, since=AT - WINDOW, until=AT)
    assert [one.message for one in found] == ["newest", "spill", "at the begin"]
    assert [(one.title, one.kind) for one in found] == [
        ("Server", Kind.SERVER), ("Spill to disk", Kind.TEMP_FILE), ("Error", Kind.ERROR),
    ]  # fmt: skip
    assert (found[1].count, found[1].size_bytes, found[1].duration_ms) == (2, 70, None)
    assert found[1].at == AT - 6 * SECOND
    assert (found[0].size_bytes, found[0].queryid) == (None, None)
    assert len(incidents(store.reader, since=AT - WINDOW, until=AT, limit=1)) == 1


def test_an_incident_is_of_one_role_service_and_statement(store: Store) -> None:
    """And of one SQLSTATE; a message that was not stored is that of its SQLSTATE."""
    store.writer.commit(
        [
            event(10, sqlstate="23505", message="?"), event(11, sqlstate=None, message="?"),
            event(12, role="a"), event(13, service="a"), event(14, statement="a"), event(15),
            event(16, statement="a", queryid=7),
        ],
        timeout_s=60,
    )  # fmt: skip
    found = incidents(store.reader, since=AT - WINDOW, until=AT)
    assert [one.message for one in found[:2]] == ["unique violation", "the message is not stored"]
    assert [one.count for one in found] == [1, 1, 1, 1, 2, 1]
    assert (found[4].statement, found[4].queryid) == ("a", None)


def test_a_trace_that_is_not_stored_is_not_linked(store: Store) -> None:
    span = of.statement(1, start_ns=of.START)
    gone = of.trace_id(9)
    store.writer.commit(
        [
            span, event(5, message="a", trace_id=span.trace_id, span_id=span.span_id),
            event(6, message="b", trace_id=gone, span_id=span.span_id),
        ],
        timeout_s=60,
    )  # fmt: skip
    found = incidents(store.reader, since=AT - WINDOW, until=AT)
    assert [one.trace_id for one in found] == [span.trace_id, None]


def test_an_oid_of_several_tables_names_none(store: Store) -> None:
    """Unless the database is known: two databases may have the same oid."""

    def table(kind: str, payload: str) -> Snapshot:
        return Snapshot(kind=f"table {kind}", host="h", at_ns=of.START, payload=payload)

    message = "waits for X on relation 5 of database 1"
    store.writer.commit(
        [
            table("a", '{"id": 5, "name": "one"}'), table("b", '{"id": 5, "name": "two"}'),
            table("c", '{"id": 6}'), event(5, kind="lock_wait", message=message, duration_ns=10**6),
        ],
        timeout_s=60,
    )  # fmt: skip
    [one] = incidents(store.reader, since=AT - WINDOW, until=AT)
    assert (one.message, one.duration_ms) == (message, 1.0)


def test_calls_of_the_map_begin_in_the_window(store: Store) -> None:
    """A span at the begin is in it, one at the end is not."""
    spans = [
        of.root(1, start_ns=of.START - 10**9), of.statement(1, 2, start_ns=of.START, ms=5),
        of.statement(1, 3, start_ns=of.START + 10**9, ms=7),
    ]  # fmt: skip
    store.writer.commit(spans, timeout_s=60)
    [edge] = service_map(store.reader, since=moment(of.START), until=moment(of.START + 10**9))
    assert (edge.calls, edge.total_ms) == (1, 5.0)
