"""The lab's own samples serve its pages, and are never counted as Datadog's."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lab.cli.views import queries
from lab.clients.prometheus import Prometheus
from lab.compare.intake import Datadog
from lab.compare.stages import Window
from lab.console.overview import database_load, dbm_source, health
from lab.console.pages import site
from lab.drilldown.evidence import Evidence
from lab.foundation import clock
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import nanoseconds
from lab.judge.collect import collect
from lab.judge.evidence import Observer
from lab.stack.native import commands
from lab.stack.native.commands import Launch
from lab.telemetry.intake import STREAMS
from lab.telemetry.store import (
    DATADOG_SOURCES,
    ActivityRound,
    ActivitySample,
    Bounds,
    QueryMetrics,
    Record,
    Source,
    Writer,
)
from lab.telemetry.store.senders import label, label_of_all
from tests.fix_store import Store, Tally

AT = clock.now().replace(second=0, microsecond=0)
TRACE, SPAN = "67405d1f00000000a1b2c3d4e5f60718", "a1b2c3d4e5f60719"
HOUR = Window(since_ns=nanoseconds(AT) - 3600 * 10**9, now_ns=nanoseconds(AT) + 3600 * 10**9)
NOBODY = Prometheus(url="http://127.0.0.1:1")


def sample(second: float, pid: int, source: Source, **fields: Any) -> ActivitySample:
    """Return a sample of an active session of a trace, taken so many seconds before AT."""
    values: dict[str, Any] = dict.fromkeys(ActivitySample.__dataclass_fields__)
    values |= {"state": "active", "blocking_pids": (), "trace_id": TRACE, "span_id": SPAN}
    at_ns = nanoseconds(AT - timedelta(seconds=second))
    return ActivitySample(**{**values, **fields, "at_ns": at_ns, "pid": pid, "source": source})


def taken(second: float, source: Source, interval_s: float = 1.0) -> ActivityRound:
    """Return a round of sampling, so many seconds before AT."""
    at_ns = nanoseconds(AT - timedelta(seconds=second))
    return ActivityRound(at_ns=at_ns, source=source, interval_s=interval_s, sessions=1)


def deltas(source: Source) -> QueryMetrics:
    values: dict[str, Any] = dict.fromkeys(QueryMetrics.__dataclass_fields__, 0)
    values |= {"database": "d", "role": "r", "signature": "s", "source": source}
    return QueryMetrics(**{**values, "at_ns": nanoseconds(AT - timedelta(seconds=5))})


def both() -> list[Record]:
    """Ten seconds in which the lab sampled each second, and an Agent once: one session more."""
    records: list[Record] = [sample(s, 1, Source.LAB) for s in range(1, 11)]
    records += [taken(s, Source.LAB) for s in range(1, 11)]
    records += [sample(3, pid, Source.EMBEDDED) for pid in (1, 2)]
    return [*records, taken(3, Source.EMBEDDED, 10.0), deltas(Source.EMBEDDED)]


@pytest.fixture
def settings(tmp_path: Path) -> LabSettings:
    return LabSettings(_env_file=None, lab_state_dir=tmp_path, datadog_agent="embedded")


@pytest.fixture
def store(settings: LabSettings) -> Iterator[Store]:
    """The store of a lab with these settings."""
    path, tally = Paths.of(settings).store, Tally()
    path.parent.mkdir(parents=True)
    with Writer(path, Bounds.of(settings), tally) as writer:
        yield Store(path=path, writer=writer, tally=tally)


def test_the_pages_take_the_labs_samples(store: Store) -> None:
    """The load and a span's waits are of the lab's samples alone: each moment counts once."""
    store.writer.commit(both(), timeout_s=60)
    load = database_load(store.reader, since=AT - timedelta(minutes=15), until=AT)
    assert (load.source, load.every_s) == (Source.LAB, 1.0)
    assert load.latest == pytest.approx(1.0)
    found = Evidence.of(store.reader, TRACE).samples[SPAN]
    assert {each.source for each in found} == {Source.LAB}
    assert len(found) == 10


def test_without_the_labs_samples_the_pages_take_those_of_dbm(store: Store) -> None:
    """As in a store that an Agent filled while the lab itself could not reach PostgreSQL."""
    sent = [each for each in both() if getattr(each, "source", None) is not Source.LAB]
    store.writer.commit(sent, timeout_s=60)
    load = database_load(store.reader, since=AT - timedelta(minutes=15), until=AT)
    assert (load.source, load.every_s) == (Source.EMBEDDED, 10.0)
    assert load.latest == pytest.approx(2.0)
    assert len(Evidence.of(store.reader, TRACE).samples[SPAN]) == 2


def test_only_what_was_sent_to_datadog_counts_as_datadogs(
    store: Store, settings: LabSettings
) -> None:
    """For the judge, for `compare`, and for the age of DBM's data."""
    own = [sample(s, 1, Source.LAB) for s in range(1, 11)]
    own_rounds = [taken(s, Source.LAB) for s in range(1, 11)]
    store.writer.commit([*own, *own_rounds], timeout_s=60)
    begin_ns, end_ns = nanoseconds(AT - timedelta(minutes=1)), nanoseconds(AT)
    evidence = collect(settings, [], since_ns=begin_ns, until_ns=end_ns)
    assert evidence.activity == ()
    assert Observer.DBM not in evidence.last_data_ns
    side = Datadog(settings, HOUR)
    assert (side.activity, side.rounds, side.source) == ([], [], "the intake: no data")
    assert dbm_source(store.reader) is None
    ages = {each.what: each.age_s for each in health(store.reader, NOBODY, at=AT).freshness}
    assert ages["DBM activity"] is None
    assert ages["the lab's activity samples"] == pytest.approx(1.0)
    store.writer.commit(both()[20:], timeout_s=60)
    evidence = collect(settings, [], since_ns=begin_ns, until_ns=end_ns)
    assert {each.source for each in evidence.activity} == {Source.EMBEDDED}
    assert Datadog(settings, HOUR).source == "the intake: embedded agent, not Datadog's"


def test_no_sender_can_send_as_the_lab() -> None:
    """An Agent version `lab` is an Agent's; `check` and `embedded` are the substitutes'."""
    for version, source in (
        ("lab", Source.AGENT),
        ("log", Source.AGENT),
        ("7.71.0", Source.AGENT),
        ("embedded", Source.EMBEDDED),
        ("check", Source.CHECK),
    ):
        event = {"timestamp": 1.7e12, "ddagentversion": version, "postgres_activity": []}
        found = STREAMS["/api/v2/dbmactivity"].decode(msgspec.json.encode([event])).records
        assert [each.source for each in found if isinstance(each, ActivityRound)] == [source]
        assert (source in DATADOG_SOURCES) is True


def test_another_interval_than_the_agents_is_named(store: Store, settings: LabSettings) -> None:
    """By `status`, commands and pages, and in the column of `compare` by the interval that the data state."""
    fast = settings.model_copy(update={"embedded_agent_activity_seconds": 1})
    named = "embedded agent at 1 s, not the Agent's default 10 s; not Datadog's"
    assert label(Source.EMBEDDED, 1.0) == label_of_all([Source.EMBEDDED, Source.LAB], 1.0) == named
    versions = [commands.datadog(Launch(settings=s, services=())).version for s in (settings, fast)]
    assert [version.partition(" (")[2] for version in versions] == [
        "embedded agent, not Datadog's)",
        f"{named})",
    ]
    [note] = queries._source_note({Source.EMBEDDED}, 1.0)
    assert named in str(note)
    assert site._environment(fast).globals["embedded"] == named
    store.writer.commit([taken(3, Source.EMBEDDED, 1.0), deltas(Source.EMBEDDED)], timeout_s=60)
    assert Datadog(settings, HOUR).source == f"the intake: {named}"
