"""What surrounds a drill: the journal, the memory of the one that runs, the matrix and its report."""

import os
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from prometheus_client import CollectorRegistry

from lab.datadog.account import Account
from lab.drills import matrix, quiet, report
from lab.drills.assessment import Assessment
from lab.drills.catalogue import DRILLS
from lab.drills.healing import heal_abandoned
from lab.drills.history import History, latest
from lab.drills.journal import KEPT_LINES, MAX_BYTES, Journal, Step
from lab.drills.mark import Mark
from lab.drills.runner import Run
from lab.drills.running import DrillFiles, Memo, Running
from lab.drills.runs import announce
from lab.drills.stopping import stop
from lab.drills.summary import SummaryFile
from lab.foundation.errors import LabError
from lab.foundation.lock import LockedError
from lab.foundation.paths import Paths
from lab.foundation.settings import DatadogSettings
from lab.foundation.statefile import DamagedError
from lab.judge.evidence import Observer
from lab.judge.readings import Seen
from lab.judge.verdicts import AlertTimes, Depth, Verdict
from lab.stack.native.records import Record
from tests.fix_datadog import DatadogAccount
from tests.fix_postgres import settings_for
from tests.fix_reporter import RecordedReporter

RUNNING = Running(run="abc", drill="deadlocks", intensity=1.0, pid=1, began_ns=5)


def assessment(drill: str = "deadlocks", *, injected_ns: int = 0, fired: bool = True) -> Assessment:
    """Return a run that every observer saw after two and a half seconds."""
    times = tuple(
        AlertTimes(name=name, pending_s=1.0, firing_s=9.0 if fired else None)
        for name in DRILLS[drill].alerts
    )
    verdicts = tuple(
        Verdict(
            observer=observer,
            seen=Seen.SEEN,
            after_s=2.5,
            depths=(Depth.DETECTED, Depth.PLAN),
            alerts=times if observer is Observer.ALERTS else (),
        )
        for observer in Observer
    )
    run = Run(
        run=f"{drill}{injected_ns}",
        drill=drill,
        intensity=1.0,
        injected_ns=injected_ns,
        proven_ns=injected_ns + 1,
        proof="2 deadlocks <ended>",
        pids=(7,),
        held=True,
        healed_ns=injected_ns + 2,
    )
    return Assessment(run=run, verdicts=verdicts, other_alerts=())


def test_the_journal_gives_back_what_was_written_and_leaves_out_a_torn_line(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.write("abc", "deadlocks", Step.INJECT, intensity=2.0)
    with (tmp_path / "journal.jsonl").open("ab") as file:
        file.write(b'{"at_ns": 12, "ru\n')
    journal.write("abc", "deadlocks", Step.HEALED)
    written = [(entry.step, entry.detail) for entry in journal.entries()]
    assert written == [("inject", '{"intensity":2.0}'), ("healed", "{}")]


def test_the_history_tells_runs_apart_and_knows_which_are_not_over(tmp_path: Path) -> None:
    """The latest run comes first; one that was not healed is in every later window."""
    place = DrillFiles(Paths(state=tmp_path))
    history = History(place)
    assert (history.is_there, history.runs()) == (False, [])
    journal = Journal(place.journal)
    begun = journal.write("first", "deadlocks", Step.INJECT, intensity=1.0)
    healed = journal.write("first", "deadlocks", Step.HEALED)
    journal.write("second", "deadlocks", Step.INJECT, intensity=1.0)
    last = journal.write("second", "deadlocks", Step.PROVEN, says="2 deadlocks")
    second, first = history.runs()
    assert (first.run, first.began_ns, first.healed_ns) == ("first", begun, healed)
    assert (second.run, second.healed_ns) == ("second", None)
    assert [past.run for past in history.between(begun - 9, begun + 1)] == ["first"]
    assert [past.run for past in history.between(healed + 1, last + 10**12)] == ["second"]
    assert latest([second, first]) == [second]
    assert (history.run("first"), history.run("third")) == (first, None)
    assert history.judged(first) is None
    place.runs.mkdir()
    (place.runs / "first.json").write_bytes(assessment().encoded())
    judged = history.judged(first)
    assert judged is not None
    assert judged.verdicts == assessment().verdicts


def test_the_journal_stays_bounded(tmp_path: Path) -> None:
    """Past its limit the oldest lines go."""
    journal = Journal(tmp_path / "journal.jsonl")
    line = b'{"at_ns":1,"run":"old","drill":"d","step":"inject","detail":"{}"' + b" " * 500 + b"}\n"
    (tmp_path / "journal.jsonl").write_bytes(line * (MAX_BYTES // len(line) + 2))
    journal.write("new", "deadlocks", Step.INJECT)
    entries = list(journal.entries())
    assert len(entries) == KEPT_LINES + 1
    assert entries[-1].run == "new"


def test_a_memo_is_on_disk_before_it_returns(tmp_path: Path) -> None:
    """Another process reads what healing needs, until the drill is forgotten."""
    place = DrillFiles(Paths(state=tmp_path))
    memo = Memo(place, RUNNING)
    memo["definition"] = "CREATE INDEX"
    assert DrillFiles(Paths(state=tmp_path)).read() == replace(
        RUNNING, memo={"definition": "CREATE INDEX"}
    )
    del memo["definition"]
    assert DrillFiles(Paths(state=tmp_path)).read() == replace(RUNNING, memo={})
    place.forget()
    assert place.read() is None


def test_the_drill_that_runs_is_a_series_for_grafana(tmp_path: Path) -> None:
    """The mark is there while the drill is remembered, under its name."""
    registry, place = CollectorRegistry(), DrillFiles(Paths(state=tmp_path))
    registry.register(Mark(SummaryFile(Paths(state=tmp_path))))
    labels = {"drill": "deadlocks"}
    assert registry.get_sample_value("lab_drill_running", labels) is None
    place.write(RUNNING)
    assert registry.get_sample_value("lab_drill_running", labels) == 1
    place.forget()
    assert registry.get_sample_value("lab_drill_running", labels) is None


def test_a_damaged_memory_is_not_taken_for_none(tmp_path: Path) -> None:
    """A reader gets the error; tests/integration/test_drill_killed.py tests the heal."""
    place = DrillFiles(Paths(state=tmp_path))
    place.write(RUNNING)
    (tmp_path / "drills" / "running.json").write_text("{")
    with pytest.raises(DamagedError, match="is damaged"):
        place.read()


def test_one_runner_at_a_time(tmp_path: Path) -> None:
    place = DrillFiles(Paths(state=tmp_path))
    with place.locked(), pytest.raises(LockedError), DrillFiles(Paths(state=tmp_path)).locked():
        pass
    with place.locked():
        pass


def test_whether_a_drill_runs_is_read_without_a_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader must not keep a runner that begins at that moment from its lock."""
    settings = settings_for(port=1, database="none").model_copy(update={"lab_state_dir": tmp_path})
    place = DrillFiles(Paths.of(settings))
    created = psutil.Process().create_time()
    place.write(replace(RUNNING, pid=os.getpid(), created=created))

    def locked(_: DrillFiles) -> None:
        raise AssertionError("it takes the lock")

    monkeypatch.setattr(DrillFiles, "locked", locked)
    heal_abandoned(settings, RecordedReporter())
    place.forget()
    heal_abandoned(settings, RecordedReporter())
    assert stop(settings, RecordedReporter()) is None
    assert not (tmp_path / "drills" / "lock").exists()


def test_the_matrix_takes_the_latest_run_of_each_drill(tmp_path: Path) -> None:
    """Runs are read back from their files; the order is the catalogue's."""
    settings = settings_for(port=1, database="none").model_copy(update={"lab_state_dir": tmp_path})
    runs = DrillFiles(Paths.of(settings)).runs
    runs.mkdir(parents=True)
    for one in (assessment("burst"), assessment(injected_ns=10), assessment(injected_ns=5)):
        (runs / f"{one.run.run}.json").write_bytes(one.encoded())
    (runs / "old.json").write_text('{"run": "of another version"}')
    found = matrix.latest(settings)
    assert [(row.run.drill, row.run.injected_ns) for row in found.rows] == [
        ("deadlocks", 10),
        ("burst", 0),
    ]
    assert found.count(Seen.SEEN) == 2 * len(Observer)


def test_what_must_be_and_was_not_is_told() -> None:
    """A fault that did not last, and an alert that did not fire."""
    silent = assessment(fired=False)
    gone = assessment("burst")
    gone = replace(gone, run=replace(gone.run, held=False))
    assert matrix.unmet([assessment()]) == []
    assert matrix.unmet([silent, gone]) == [
        "deadlocks: Deadlock did not fire",
        "burst: 2 deadlocks <ended>",
    ]


def test_an_account_is_told_of_a_drill_by_an_event(datadog: DatadogAccount) -> None:
    """One event, at the moment of the injection; a refusal is worded."""
    reported = Account.of(DatadogSettings(_env_file=None))
    answers: list[tuple[int, object, dict[str, str]]] = [
        (202, {"status": "ok"}, {}),
        (400, {"errors": ["too old"]}, {}),
    ]
    datadog.instead["POST", "/api/v1/events"] = answers
    announce(reported, DRILLS["deadlocks"], assessment().run)
    assert datadog.requests == [("POST", "/api/v1/events")]
    with pytest.raises(LabError, match="too old"):
        announce(reported, DRILLS["deadlocks"], assessment().run)


def test_the_matrix_is_a_table_of_markdown() -> None:
    """Seconds and letters of the depths where it was seen."""
    head, _, row = report.markdown(matrix.of_runs([assessment()])).splitlines()
    assert head.startswith("| drill | Prometheus metrics |")
    assert row == "| `deadlocks` |" + " **2 s** P |" * len(Observer)


def test_the_report_is_one_file_with_a_dot_for_each_first_evidence() -> None:
    """No script, nothing from elsewhere, and no text of a database as markup."""
    page = report.html(matrix.of_runs([assessment()]))
    assert page.count("<circle") == len(Observer)
    assert "deadlocks: Datadog DBM after 2.5 s" in page
    assert "2 deadlocks &lt;ended&gt;" in page
    assert "<script" not in page
    assert "http" not in page


def test_a_lab_that_has_just_come_up_is_not_quiet_yet(tmp_path: Path) -> None:
    """The watch begins after the last start of any component, as after a drill."""
    paths = Paths(state=tmp_path)
    assert quiet._last_start_ns(paths) == 0
    paths.run.mkdir(parents=True)
    for component, created in (("postgres", 100.0), ("console", 160.5), ("risk", 101.0)):
        Record(component=component, pid=1, created=created, version="", address="").write(paths.run)
    assert quiet._last_start_ns(paths) == 160_500_000_000


def test_no_rule_knows_the_name_of_the_drill() -> None:
    """The injection is known only to the judge, and to no observer."""
    rules = [
        rule
        for drill in DRILLS.values()
        for signal in drill.signals
        for rule in (getattr(signal, "like", None), getattr(signal, "measure", None))
        if rule is not None
    ]
    expressions = [getattr(s, "expr", "") for d in DRILLS.values() for s in d.signals]
    assert rules
    assert any(expressions)
    assert not any("credit-drill" in repr(rule.__code__.co_consts) for rule in rules)
    assert not any("credit-drill" in expr for expr in expressions)
