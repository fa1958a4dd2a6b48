"""The drills as series: from the state directory, and as a runner elsewhere reports them."""

from pathlib import Path

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from lab.drills import reporting
from lab.drills.assessment import Assessment
from lab.drills.journal import Journal, Step
from lab.drills.mark import Mark
from lab.drills.reporting import Detection, DrillReport
from lab.drills.runner import Run
from lab.drills.running import DrillFiles
from lab.drills.summary import Summary, SummaryFile
from lab.foundation import statefile
from lab.foundation.errors import LabError
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.judge.evidence import Observer
from lab.judge.readings import Seen
from lab.judge.verdicts import Verdict
from lab.stack import mode
from lab.stack.docker.backend import DockerBackend
from tests.fix_postgres import free_port

SEEN = Detection(drill="row-lock", observer="datadog_dbm", seen="seen", after_s=4.5)
MISSED = Detection(drill="row-lock", observer="postgres_log", seen="missed")
FIGURES = {"drill": "row-lock", "observer": "datadog_dbm"}


def judged(place: DrillFiles, run: str, seen: Seen, after_s: float | None) -> None:
    """Write a run with one verdict, as lab/drills/assessment.py does."""
    journal = Journal(place.journal)
    journal.write(run, "row-lock", Step.INJECT)
    done = Run(
        run=run, drill="row-lock", intensity=1.0, injected_ns=1, proven_ns=2, proof="", pids=(),
        held=True, healed_ns=3,
    )  # fmt: skip
    verdict = Verdict(observer=Observer.DBM, seen=seen, after_s=after_s)
    assessment = Assessment(run=done, verdicts=(verdict,), other_alerts=())
    statefile.write(place.runs / f"{run}.json", assessment.encoded())
    journal.write(run, "row-lock", Step.VERDICT)


def test_the_latest_judged_run_of_a_drill_is_the_series(tmp_path: Path) -> None:
    """A run that is not judged yet does not hide the verdict of the one before."""
    paths = Paths(state=tmp_path)
    place, registry = DrillFiles(paths), CollectorRegistry()
    registry.register(Mark(SummaryFile(paths)))
    judged(place, "0" * 12, Seen.MISSED, None)
    value = registry.get_sample_value
    assert value("lab_drill_detection_seconds", FIGURES) is None
    assert value("lab_drill_verdict", {**FIGURES, "verdict": "missed"}) == 1
    judged(place, "1" * 12, Seen.SEEN, 4.5)
    Journal(place.journal).write("2" * 12, "row-lock", Step.INJECT)
    assert value("lab_drill_detection_seconds", FIGURES) == 4.5
    assert value("lab_drill_verdict", {**FIGURES, "verdict": "seen"}) == 1
    assert value("lab_drill_verdict", {**FIGURES, "verdict": "missed"}) is None


def test_a_console_that_does_not_answer_does_not_fail_the_drill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = LabSettings(_env_file=None, lab_state_dir=tmp_path, console_port=free_port())
    monkeypatch.setattr(mode, "running", lambda _: iter([DockerBackend(settings=settings)]))
    monkeypatch.setattr(DockerBackend, "running_settings", lambda _: settings)
    reporting.send(settings, DrillReport(running="row-lock"))


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{",
        b'{"running": "a\\nb"}',
        b'{"detections": [{"drill": "d", "observer": "o", "seen": "x", "after_s": -1}]}',
    ],
)
def test_a_body_that_is_no_report_is_refused(tmp_path: Path, body: bytes) -> None:
    file = SummaryFile(Paths(state=tmp_path))
    with pytest.raises(LabError, match="no report of drills"):
        file.update(body)
    assert file.read() == Summary()


def test_a_report_changes_the_part_that_it_names(tmp_path: Path) -> None:
    """The state directory has no journal; a runner elsewhere reports each change."""
    file = SummaryFile(Paths(state=tmp_path))
    file.update(msgspec.json.encode(DrillReport(running="row-lock")))
    file.update(msgspec.json.encode(DrillReport(detections=(SEEN, MISSED))))
    assert file.read() == Summary(running="row-lock", detections=(SEEN, MISSED))
    file.update(msgspec.json.encode(DrillReport(running=None)))
    assert file.read() == Summary(detections=(SEEN, MISSED))
