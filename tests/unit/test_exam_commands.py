"""Commands in an exam: those that show evidence have doors, and what they print is recorded."""

from pathlib import Path

import pytest

from lab.cli import app, doors
from lab.cli.exam import experiments
from lab.exam import ablation as ablating
from lab.exam import requests
from lab.exam.doors import Door
from lab.exam.errors import ClosedError, ExamError
from lab.foundation.settings import LabSettings
from lab.stack.docker.backend import DockerBackend
from lab.stack.native.backend import NativeBackend
from lab.terminal.screen import out
from tests.exam_records import EXAM, begin


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabSettings:
    monkeypatch.setenv("LAB_STATE_DIR", str(tmp_path))
    return LabSettings.load()


# Commands that show nothing of a fault; `down` ends an exam.
OPEN = {"down", "datadog", "mcp", "exam", "test"}


def test_every_command_has_doors_or_is_listed_as_open() -> None:
    assert set(app.commands) == OPEN | set(doors.NEEDS), (
        "a new one: NEEDS of lab/cli/doors.py, or OPEN"
    )


def test_a_closed_command_names_the_open_doors(settings: LabSettings) -> None:
    begin(settings, Door.LOG)
    with pytest.raises(ClosedError, match=r"open: log"):
        doors.enter("sessions", [])
    with pytest.raises(ClosedError, match="creditlab drill is closed"):
        doors.enter("drill", ["run", "deadlocks"])
    with pytest.raises(ClosedError, match="creditlab up is closed"):
        doors.enter("up", [])
    doors.enter("drill", ["list"])


def test_up_after_a_crash_is_open(settings: LabSettings) -> None:
    """The machine stopped during an exam: `up` starts PostgreSQL, and heals then."""
    begin(settings, Door.LOG, alive=False)
    doors.enter("up", [])


@pytest.mark.parametrize("command", ["status", "doctor", "compare"])
def test_what_shows_stopped_components_needs_every_door(
    settings: LabSettings, command: str
) -> None:
    """`status` would name the stopped service, exporter or Agent."""
    begin(settings, Door.LOG, Door.APM)
    with pytest.raises(ClosedError, match=r"open: log, apm"):
        doors.enter(command, [])
    begin(settings, *Door)
    doors.enter(command, [])
    out.record = False


def test_what_a_command_prints_is_recorded(settings: LabSettings) -> None:
    place = begin(settings, *Door)
    done = doors.enter("sessions", ["--native"])
    try:
        out.print("  └── 19224  partner-sync  idle in transaction")
        done()
    finally:
        out.record = False
    doors.enter("psql", ["-c", "SELECT 1"])()
    shown, psql = requests.read(place.files(EXAM).requests)
    assert (shown.door, shown.what) == ("sql", "sessions --native")
    assert "sample:19224" in shown.shown
    assert psql.what == "psql -c SELECT 1"


def test_without_an_exam_nothing_is_recorded(settings: LabSettings, tmp_path: Path) -> None:
    assert settings.lab_state_dir == tmp_path
    doors.enter("sessions", [])()
    assert list(tmp_path.iterdir()) == []


def test_a_scripted_player_is_refused_for_a_lab_in_containers(
    settings: LabSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the store every table would be empty, and each answer "the Agent is stopped"."""
    assert settings.lab_state_dir
    monkeypatch.setattr(experiments, "current", lambda _: DockerBackend(settings=settings))
    with pytest.raises(ExamError, match="in containers"):
        experiments.ablation(items="0,")


@pytest.mark.parametrize(
    ("backend", "player"), [(NativeBackend, "scripted"), (DockerBackend, "true")]
)
def test_other_players_and_other_labs_are_not_refused(
    backend: type[NativeBackend | DockerBackend],
    player: str,
    settings: LabSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A scripted player reads the store of a native lab; a command asks the console."""
    begun: list[str] = []
    monkeypatch.setattr(experiments, "current", lambda _: backend(settings=settings))

    def run(design: ablating.Design, *_: object) -> list[object]:
        begun.append(design.player)
        return []

    monkeypatch.setattr(ablating, "run", run)
    experiments.ablation(items="0,", player=player)
    assert begun == [player]
