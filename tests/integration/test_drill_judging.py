"""Evidence and verdicts of a drill, from a real Prometheus and a real store: whose evidence, and of when."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from lab.drills import assessment, quiet
from lab.drills.assessment import Assessment, judge_again
from lab.drills.catalogue import DRILLS
from lab.drills.journal import Journal, Step
from lab.drills.runner import Run
from lab.drills.running import DrillFiles
from lab.foundation import clock
from lab.foundation.lock import LockedError
from lab.foundation.outcome import Outcome
from lab.foundation.paths import Paths
from lab.foundation.readiness import await_state
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import NS_PER_S as NS
from lab.judge.collect import collect
from lab.judge.evidence import Observer
from lab.judge.readings import Seen
from lab.judge.signals import Metric
from lab.judge.verdicts import Verdict
from lab.telemetry.store import ActivitySample, Bounds, LogPosition, Record, Source, Writer
from tests import evidence
from tests.fix_postgres import Database, free_port
from tests.fix_prometheus import exporter_command, running_exporter, running_prometheus
from tests.fix_reporter import RecordedReporter
from tests.fix_store import HOUR_NS, Tally

IDLE = DRILLS["idle-in-transaction"]
SCRAPED_WITHIN_S = 150.0
WRITTEN_WITHIN_S = 150.0
ATTEMPTS = 4
# Prometheus is asked in milliseconds.
ROUNDED_NS = NS // 1_000
SCRAPES = "count_over_time(up[1m]) >= 3"


class Kept:
    """A lab's state: a store with a writer; `settings` reach nothing else unless a test says so."""

    def __init__(self, settings: LabSettings, writer: Writer) -> None:
        self.settings = settings
        self._writer = writer

    def add(self, *records: Record) -> None:
        self._writer.commit(list(records), timeout_s=WRITTEN_WITHIN_S)


@pytest.fixture
def kept(database: Database, tmp_path: Path) -> Iterator[Kept]:
    """A store of the test's own beside a real PostgreSQL; no Prometheus answers."""
    update = {
        "lab_state_dir": tmp_path,
        "prometheus_port": free_port(),
        "exporter_port": free_port(),
    }
    settings = database.settings.model_copy(update=update)
    bounds = Bounds(age_ns=24 * HOUR_NS, size_bytes=10**9)
    with Writer(Paths.of(settings).store, bounds, Tally()) as writer:
        yield Kept(settings, writer)


@pytest.fixture
def scraped(kept: Kept) -> Iterator[Kept]:
    """The same with an exporter, and a Prometheus that has scraped it and evaluated its rules."""
    with (
        running_exporter(kept.settings, exporter_command(kept.settings)),
        running_prometheus(kept.settings, interval_s=3) as prometheus,
    ):
        kept.settings = kept.settings.model_copy(update={"prometheus_port": prometheus.port})

        def missing() -> str | None:
            known = {
                name: prometheus.query(name)
                for name in ("pg_up", "prometheus_rule_group_last_evaluation_timestamp_seconds")
            }
            silent = [name for name, found in known.items() if not found]
            # Targets that a test has none of are down: before a watch begins already, and so no fault.
            if len(running := prometheus.query(SCRAPES)) < len(
                prometheus.api("targets")["activeTargets"]
            ):
                silent.append(f"more scrapes than {running}")
            return f"no {' nor '.join(silent)}" if silent else None

        await_state("Prometheus has scraped all", missing, within_s=SCRAPED_WITHIN_S)
        yield kept


def idle_session(at_ns: int, *, for_s: float = 10.0, **fields: Any) -> ActivitySample:
    """A session that a sample finds idle in a transaction that began so many seconds before."""
    began = {"state": "idle in transaction", "xact_start_ns": at_ns - round(for_s * NS)}
    return evidence.sample(None, at_ns=at_ns, **{**began, **fields})


def log_read(at_ns: int) -> LogPosition:
    """PostgreSQL's log had been read to its end then."""
    return LogPosition(file="a.json", head="", head_bytes=0, position=1, at_ns=at_ns)


def run_of(injected_ns: int, *, proven: bool = True) -> Run:
    """A run of a minute: proven after one second."""
    return Run(
        run="0123456789ab",
        drill=IDLE.name,
        intensity=1.0,
        injected_ns=injected_ns,
        proven_ns=injected_ns + NS if proven else None,
        proof="1 session is idle in a transaction",
        pids=(42,),
        held=True,
        healed_ns=injected_ns + 60 * NS,
    )


def by_dbm(found: Assessment) -> Verdict:
    return of(Observer.DBM, found)


def of(observer: Observer, found: Assessment) -> Verdict:
    [verdict] = [verdict for verdict in found.verdicts if verdict.observer is observer]
    return verdict


def looks(begin_ns: int, *seconds: float) -> list[ActivitySample]:
    """Sessions that are like no fault, one every few seconds: the observer was there."""
    return [evidence.sample(None, at_ns=begin_ns + round(at * NS), pid=7) for at in (*seconds, 0.0)]


@pytest.mark.parametrize(
    ("at_s", "seen", "says"),
    [
        (-21.0, Seen.MISSED, "did not rise"),
        (-1.0, Seen.MISSED, "did not rise"),
        (0.0, Seen.SEEN, ": 1"),
        (59.0, Seen.SEEN, ": 1"),
        (80.0, Seen.SEEN, ": 1"),
        (81.0, Seen.MISSED, "only 21 s after the heal"),
        (85.0, Seen.MISSED, "only 25 s after the heal"),
        (126.0, Seen.MISSED, "did not rise"),
    ],
)
def test_what_a_sample_shows_counts_by_its_moment(
    kept: Kept, at_s: float, seen: Seen, says: str
) -> None:
    """From the injection to 20 s after the heal it counts; later it is late, and at last ignored."""
    begin_ns = clock.now_ns() - 200 * NS
    kept.add(*looks(begin_ns, *range(5, 90, 10)), idle_session(begin_ns + round(at_s * NS)))
    verdict = by_dbm(judge_again(IDLE, run_of(begin_ns), kept.settings))
    assert (verdict.seen, verdict.says[0].endswith(says)) == (seen, True), verdict


@pytest.mark.parametrize(("at_s", "seen"), [(-19.0, Seen.UNKNOWN), (-21.0, Seen.SEEN)])
def test_what_was_so_twenty_seconds_before_the_fault_is_no_evidence(
    kept: Kept, at_s: float, seen: Seen
) -> None:
    begin_ns = clock.now_ns() - 200 * NS
    kept.add(
        *looks(begin_ns, *range(5, 90, 10)),
        idle_session(begin_ns + round(at_s * NS)),
        idle_session(begin_ns + 30 * NS),
    )
    assert by_dbm(judge_again(IDLE, run_of(begin_ns), kept.settings)).seen is seen


def test_a_prometheus_that_does_not_answer_is_unknown_and_the_others_are_judged(kept: Kept) -> None:
    """Neither metrics nor alerts are missed then; the reason names the address."""
    begin_ns = clock.now_ns() - 200 * NS
    kept.add(*looks(begin_ns, *range(5, 90, 10)), idle_session(begin_ns + 30 * NS))
    found = judge_again(IDLE, run_of(begin_ns), kept.settings)
    for observer in (Observer.METRICS, Observer.ALERTS):
        verdict = of(observer, found)
        assert verdict.seen is Seen.UNKNOWN
        assert "Prometheus does not answer" in verdict.says[0]
        assert str(kept.settings.prometheus_port) in verdict.says[0]
    assert by_dbm(found).seen is Seen.SEEN
    assert of(Observer.APM, found).seen is Seen.UNKNOWN


def test_a_fault_that_was_not_proven_is_not_judged(kept: Kept) -> None:
    begin_ns = clock.now_ns() - 200 * NS
    kept.add(*looks(begin_ns, 1, 30), idle_session(begin_ns + 30 * NS))
    found = judge_again(IDLE, run_of(begin_ns, proven=False), kept.settings)
    assert {verdict.seen for verdict in found.verdicts} == {Seen.UNKNOWN}


def test_without_a_store_its_observers_are_unavailable_with_the_reason(
    database: Database, tmp_path: Path
) -> None:
    update = {"lab_state_dir": tmp_path, "prometheus_port": free_port()}
    settings = database.settings.model_copy(update=update)
    found = collect(settings, (), since_ns=0, until_ns=NS)
    assert set(found.unavailable) == set(Observer)
    assert "There is no store" in found.unavailable[Observer.LOG]
    assert (found.last_data_ns, found.gaps) == ({}, {})


METRIC = Metric(says="the exporter is up", expr="pg_up", above=0)


@pytest.mark.real_clock
def test_what_prometheus_held_in_a_window_is_collected(scraped: Kept) -> None:
    """Its series at every two seconds, the alerts, and when it was last heard; not of after the window."""
    until_ns = clock.now_ns()
    found = collect(scraped.settings, [METRIC], since_ns=until_ns - 10 * NS, until_ns=until_ns)
    [series] = found.series["pg_up"]
    assert 1.0 in {value for _, value in series.points}
    times = [at for at, _ in series.points]
    assert all(abs(until_ns - 5 * NS - at) <= 5 * NS + ROUNDED_NS for at in times)
    # A scrape that failed on a busy machine leaves a gap.
    assert {(b - a) % (2 * NS) for a, b in pairwise(times)} == {0}
    for observer in (Observer.METRICS, Observer.ALERTS):
        assert until_ns - 60 * NS < found.last_data_ns[observer] <= until_ns
        assert observer in found.gaps
    assert not {Observer.METRICS, Observer.ALERTS} & found.unavailable.keys()
    nothing = collect(scraped.settings, [METRIC], since_ns=NS, until_ns=11 * NS)
    assert nothing.series == {"pg_up": ()}
    assert Observer.METRICS not in nothing.last_data_ns


@pytest.mark.real_clock
def test_a_malformed_expression_makes_prometheus_unknown(scraped: Kept) -> None:
    """It refuses it; its alerts are not known then either, and the reason has the expression."""
    broken = Metric(says="nonsense", expr="pg_up(", above=0)
    found = collect(scraped.settings, [broken], since_ns=NS, until_ns=11 * NS)
    assert {Observer.METRICS, Observer.ALERTS} <= found.unavailable.keys()
    assert "refuses pg_up(" in found.unavailable[Observer.METRICS]


def test_each_record_is_evidence_of_the_observer_that_held_it(kept: Kept) -> None:
    """What the Agent or its stand-in sent is DBM's, what the log reported is the log's, spans are APM's."""
    at_ns = clock.now_ns() - 100 * NS
    root = replace(evidence.root(1), start_ns=at_ns, duration_ns=3 * NS)
    kept.add(
        root,
        evidence.plan(root, executed=True, ms=5, at_ns=at_ns + 5 * NS),
        evidence.plan(root, executed=False, at_ns=at_ns + 5 * NS),
        replace(evidence.logged(root, ms=5), at_ns=at_ns + 6 * NS),
        replace(evidence.failed(root, "no", "42P01"), at_ns=at_ns + 7 * NS),
        evidence.sample(None, at_ns=at_ns + 8 * NS),
        replace(evidence.deltas(1), at_ns=at_ns + 9 * NS, source=Source.AGENT),
        log_read(at_ns + 4 * NS),
    )
    found = collect(kept.settings, (), since_ns=at_ns, until_ns=at_ns + 9 * NS)
    assert [plan.executed for plan in found.estimated] == [False]
    assert [plan.executed for plan in found.executed] == [True]
    assert (len(found.spans), len(found.events), len(found.executions)) == (1, 1, 1)
    assert (len(found.activity), len(found.deltas)) == (1, 1)
    assert found.last_data_ns == {
        Observer.DBM: at_ns + 9 * NS,
        Observer.APM: at_ns + 3 * NS,
        Observer.MONITORS: at_ns + 9 * NS,
        Observer.LOG: at_ns + 4 * NS,
    }
    assert found.gaps.keys() == {Observer.DBM, Observer.APM, Observer.CHECK}
    later = collect(kept.settings, (), since_ns=at_ns + 10 * NS, until_ns=at_ns + 20 * NS)
    assert (later.spans, later.events, later.activity, later.last_data_ns) == ((), (), (), {})


def test_an_assessment_waits_for_late_evidence_and_is_kept(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is put together only when nothing can come any more, written as JSON, and noted in the journal."""
    monkeypatch.setattr(assessment, "SETTLES_NS", 2 * NS)
    monkeypatch.setattr(assessment, "EVALUATED_EVERY_NS", NS)
    monkeypatch.setattr(assessment, "ARRIVES_NS", NS)
    begin_ns = clock.now_ns() - 60 * NS
    kept.add(*looks(begin_ns, *range(5, 90, 10)), idle_session(begin_ns + 30 * NS))
    reporter = RecordedReporter()
    run = run_of(begin_ns)
    found = assessment.assess(IDLE, run, kept.settings, reporter)
    assert clock.now_ns() >= run.healed_ns + 2 * NS
    assert reporter.ends == ["verdicts 1 of 7 observers saw it"]
    place = DrillFiles(Paths.of(kept.settings))
    assert (place.runs / f"{run.run}.json").read_bytes() == found.encoded()
    assert [path.name for path in place.runs.iterdir()] == [f"{run.run}.json"]
    [entry] = Journal(place.journal).entries()
    assert (entry.run, entry.step) == (run.run, Step.VERDICT.value)
    assert '"datadog_dbm":"seen"' in entry.detail


class Lively:
    """Observers of the store that are there: DBM looks each half second, spans end, the log is read."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept

    def __call__(self, seen: str) -> None:
        """Deliver, whenever the watch says what it waits for."""
        del seen
        now_ns = clock.now_ns()
        root = replace(
            evidence.root(now_ns % 10**9), start_ns=now_ns - NS // 100, duration_ns=NS // 1000
        )
        self._kept.add(
            root,
            evidence.sample(None, at_ns=now_ns, pid=7, state="idle"),
            *evidence.metric("postgresql.uptime", (now_ns, 1_000.0)),
            log_read(now_ns),
            *self.more(now_ns),
        )

    def more(self, now_ns: int) -> Sequence[Record]:
        """Nothing is wrong."""
        del now_ns
        return ()


class Idling(Lively):
    """One session idles in its transaction."""

    def more(self, now_ns: int) -> Sequence[Record]:
        return [idle_session(now_ns, pid=8)]


class Watching(RecordedReporter):
    """Feeds the store while a watch waits."""

    def __init__(self, feed: Callable[[str], None]) -> None:
        super().__init__()
        self._feed = feed

    def wait(self, detail: str) -> None:
        super().wait(detail)
        self._feed(detail)


def watched(
    kept: Kept, feed: Callable[[str], None], expected: Outcome
) -> tuple[quiet.Watch, RecordedReporter]:
    """Watch for two stretches; again when a stalled machine left a gap in what an observer delivered."""
    for _ in range(ATTEMPTS):
        reporter = Watching(feed)
        found = quiet.watch(kept.settings, for_s=8.0, reporter=reporter)
        if found.outcome is expected:
            break
    return found, reporter


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stretches of four seconds instead of a minute, and evidence that comes within one."""
    monkeypatch.setattr(quiet, "STRETCH_NS", 4 * NS)
    monkeypatch.setattr(quiet, "SETTLES_NS", NS)
    monkeypatch.setattr(quiet, "FORGOTTEN_NS", 3 * NS)


@pytest.mark.real_clock
@pytest.mark.usefixtures("short")
def test_a_watch_of_a_lab_in_which_nothing_is_broken(scraped: Kept) -> None:
    """Two stretches are judged for every drill; all observers were there, and none showed a fault."""
    found, reporter = watched(scraped, Lively(scraped), Outcome.OK)
    assert (found.unheard, found.alarms, found.outcome) == ({}, (), Outcome.OK)
    assert (found.stretches, found.drills) == (2, len(DRILLS))
    assert found.until_ns == found.since_ns + 8 * NS
    assert clock.now_ns() >= found.until_ns + NS
    assert [end.split(" ")[0:2] for end in reporter.ends] == [["minute", "1"], ["minute", "2"]]
    assert 0.0 <= found.stolen <= 1.0
    assert found.to_json()["ok"] is True


@pytest.mark.real_clock
@pytest.mark.usefixtures("short")
def test_a_watch_counts_a_false_alarm_in_each_stretch(scraped: Kept) -> None:
    """A session idles in its transaction all the time: one alarm of DBM's, in both stretches; not ok."""
    found, _ = watched(scraped, Idling(scraped), Outcome.FAILED)
    alarms = {(alarm.observer, alarm.what): alarm.stretches for alarm in found.alarms}
    assert alarms[Observer.DBM, IDLE.name] >= 1
    assert found.outcome is Outcome.FAILED
    assert found.to_json()["ok"] is False


@pytest.mark.usefixtures("short")
def test_a_watch_waits_until_the_last_drill_is_forgotten(kept: Kept) -> None:
    """Less than half a stretch is watched for one; who did not deliver is named, with the reason."""
    healed_ns = Journal(DrillFiles(Paths.of(kept.settings)).journal).write(
        "abc", IDLE.name, Step.HEALED
    )
    found = quiet.watch(kept.settings, for_s=1.0, reporter=RecordedReporter())
    assert found.since_ns >= healed_ns + 3 * NS
    assert (found.stretches, found.outcome) == (1, Outcome.UNKNOWN)
    assert found.unheard.keys() == set(Observer)
    assert "Prometheus does not answer" in found.unheard[Observer.METRICS]


def test_no_watch_while_a_drill_runs(kept: Kept) -> None:
    with (
        DrillFiles(Paths.of(kept.settings)).locked(),
        pytest.raises(LockedError),
    ):
        quiet.watch(kept.settings, for_s=60.0, reporter=RecordedReporter())
