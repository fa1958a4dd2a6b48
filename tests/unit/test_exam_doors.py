"""Doors of an exam: what is open, what is refused, and what is recorded of a request."""

from pathlib import Path

import pytest

from lab.exam import doors, requests
from lab.exam.doors import Door
from lab.exam.errors import ClosedError, ExamError
from lab.exam.place import Place, State
from lab.foundation.settings import LabSettings
from tests.exam_records import EXAM, begin

TRACE = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabSettings:
    monkeypatch.setenv("LAB_STATE_DIR", str(tmp_path))
    return LabSettings.load()


def test_without_an_exam_everything_is_open_and_nothing_is_recorded(
    settings: LabSettings, tmp_path: Path
) -> None:
    """No exam has ever run: no file is written."""
    found = doors.doors(settings)
    found.require(*Door)
    found.require_none("drill run")
    found.record(Door.LOG, "/", "content")
    assert list(tmp_path.iterdir()) == []


def test_only_the_open_door_answers(settings: LabSettings) -> None:
    """The message names the open doors."""
    begin(settings, Door.PROMETHEUS)
    found = doors.doors(settings)
    found.require(Door.PROMETHEUS)
    with pytest.raises(ClosedError, match=r"Closed in this exam \(open: prometheus\)"):
        found.require(Door.PROMETHEUS, Door.LOG)
    with pytest.raises(ClosedError, match="exam 0123456789ab is running"):
        found.require_none("drill run")


def test_an_exam_that_is_over_closes_nothing(settings: LabSettings) -> None:
    """The record of the last exam stays on disk."""
    begin(settings, Door.PROMETHEUS, state=State.OVER)
    doors.doors(settings).require(*Door)


def test_a_request_is_recorded_with_its_size_and_what_it_showed(settings: LabSettings) -> None:
    """Its references are those that an answer may name."""
    place = begin(settings, *Door)
    found = doors.doors(settings)
    found.record(Door.APM, "/traces", f'<a href="/traces/{TRACE}">é</a>')
    found.record(Door.DATADOG, "/sessions", b'{"pid": 4711, "queryid": -1234567890123456789}')
    found.record(Door.PROMETHEUS, 'rate(pg_locks_count{mode="x"}[1m])', '[{"value": 1}]')
    found.record(Door.LOG, "/log", "2026-11-28 19:03:26.123 UTC [77] deadlock detected")
    apm, datadog, prometheus, log = requests.read(place.files(EXAM).requests)
    assert apm.shown == (f"trace:{TRACE}",)
    assert apm.size == len(f'<a href="/traces/{TRACE}">é</a>'.encode())
    assert datadog.shown == ("plan:-1234567890123456789", "sample:4711")
    assert prometheus.shown == ("series:pg_locks_count",)
    assert log.shown == ("log:2026-11-28T19:03:26",)


def test_doors_are_parsed() -> None:
    """`all`, a list in any order, an unknown name."""
    assert doors.parse("all") == tuple(Door)
    assert doors.parse(" log, APM ") == (Door.APM, Door.LOG)
    with pytest.raises(ExamError, match="did you mean datadog"):
        doors.parse("datadogg")


@pytest.mark.parametrize("name", ["", "../x", "0123456789a", "0123456789AB"])
def test_a_malformed_name_of_an_exam_is_refused(settings: LabSettings, name: str) -> None:
    """Names become directories."""
    with pytest.raises(ExamError, match="twelve hexadecimal digits"):
        Place(settings).files(name)
