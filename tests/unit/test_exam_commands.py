"""Commands in an exam: those that show evidence have doors, and what they print is recorded."""

from pathlib import Path

import pytest

from lab.cli import app, doors
from lab.exam import requests
from lab.exam.doors import Door
from lab.exam.errors import ClosedError
from lab.foundation.settings import LabSettings
from lab.terminal.screen import out
from tests.exam_records import EXAM, begin


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabSettings:
    monkeypatch.setenv("LAB_STATE_DIR", str(tmp_path))
    return LabSettings.load()


# Commands that show nothing of a fault. `down` and `up` end an exam, `status` shows what runs.
OPEN = {"up", "down", "status", "doctor", "datadog", "mcp", "exam", "test"}


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
    doors.enter("drill", ["list"])
    doors.enter("status", [])


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
