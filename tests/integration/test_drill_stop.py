"""`drill stop` while a drill runs in another process: it returns when the fault is healed, and not before."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.drills.journal import Journal, Step
from lab.drills.running import DrillFiles
from lab.drills.stopping import stop
from lab.foundation.paths import Paths
from lab.foundation.readiness import NotReadyError, await_state
from lab.foundation.settings import ROOT, LabSettings
from tests.fix_postgres import Database
from tests.fix_reporter import RecordedReporter
from tests.fix_workload import environment_of

WITHIN_S = 150.0
# A drill whose heal lasts until a file is there: the real runner, and the signals of the command line.
PROGRAM = """
import sys, time
from pathlib import Path
from lab.terminal.interruption import interruptible
from lab.drills.drill import Drill, Proof
from lab.drills.runner import Options, run
from lab.foundation.settings import LabSettings
from tests.fix_reporter import RecordedReporter

folder = Path(sys.argv[1])

def heal(scene):
    (folder / "healing").touch()
    while not (folder / "may be healed").exists():
        time.sleep(0.05)

drill = Drill(
    name="deadlocks", title="a fault", hypothesis="", acts_as="", inject=lambda scene: None,
    prove=lambda scene: Proof(holds=True, says="it is there"), heal=heal, duration_s=600, runbook="",
)
with interruptible():
    run(drill, LabSettings.load(), options=Options(verify=False), reporter=RecordedReporter())
"""


@pytest.fixture
def settings(database: Database, tmp_path: Path) -> LabSettings:
    return database.settings.model_copy(update={"lab_state_dir": tmp_path / "state"})


@contextmanager
def running(settings: LabSettings, folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the drill until its fault is proven, and let it end when the block does."""
    place = DrillFiles(Paths.of(settings))
    environment = environment_of(settings, LAB_STATE_DIR=str(settings.lab_state_dir))
    command = [sys.executable, "-c", PROGRAM, str(folder)]
    with subprocess.Popen(command, cwd=ROOT, env=environment) as process:

        def not_proven() -> str | None:
            assert process.poll() is None, "the runner has ended"
            steps = [entry.step for entry in Journal(place.journal).entries()]
            return None if Step.PROVEN.value in steps else f"steps: {steps}"

        try:
            await_state("the fault is proven", not_proven, within_s=WITHIN_S)
            yield process
        finally:
            (folder / "may be healed").touch()
            process.terminate()


def test_stop_returns_when_the_runner_has_healed(settings: LabSettings, tmp_path: Path) -> None:
    """The runner gets the signal at once; until the heal is over `stop` waits, and keeps the record."""
    place, reporter = DrillFiles(Paths.of(settings)), RecordedReporter()
    ended: list[object] = []
    with running(settings, tmp_path) as process:
        stopping = threading.Thread(target=lambda: ended.append(stop(settings, reporter)))
        stopping.start()
        await_state(
            "the runner heals",
            lambda: None if (tmp_path / "healing").exists() else "it does not",
            within_s=WITHIN_S,
        )
        await_state(
            "stop reports its wait", lambda: None if reporter.waits else "it reports nothing",
            within_s=WITHIN_S,
        )  # fmt: skip
        assert (ended, stopping.is_alive()) == ([], True)
        assert place.read() is not None
        (tmp_path / "may be healed").touch()
        stopping.join(WITHIN_S)
        assert place.read() is None
        [found] = ended
        assert found is not None
        assert (found.drill, found.pid) == ("deadlocks", process.pid)  # type: ignore[attr-defined]
        assert reporter.ends == ["stop deadlocks is healed"]
    assert Step.HEALED.value in [entry.step for entry in Journal(place.journal).entries()]


def test_stop_gives_up_on_a_runner_that_does_not_end(
    settings: LabSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the drill; what it left stays remembered for the next try."""
    monkeypatch.setattr("lab.drills.stopping.HEALS_WITHIN_S", 1.0)
    with running(settings, tmp_path):
        with pytest.raises(NotReadyError, match="deadlocks is healed"):
            stop(settings, RecordedReporter())
        assert DrillFiles(Paths.of(settings)).read() is not None


def test_stop_of_nothing(settings: LabSettings) -> None:
    """Where no drill has run, there is nothing to stop, which is no error."""
    reporter = RecordedReporter()
    assert stop(settings, reporter) is None
    assert (reporter.waits, reporter.ends) == ([], [])
