"""An exam whose console has a state directory of its own, as in a container: a real console, over HTTP."""

import http.client
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import msgspec
import pytest

from lab.exam import ending, form, session
from lab.exam.doors import Door
from lab.exam.place import SILENT_S, Place, Record, State
from lab.exam.relay import PATH, Relay, Update
from lab.foundation import clock
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import NS_PER_S
from tests.exam_records import EXAM, begin
from tests.fix_console import RunningConsole, start_console

TOKEN = "a-token-of-the-console"
READER = {"Authorization": f"Bearer {TOKEN}", "Accept": "text/html"}
ANSWER = {"kind": "burst", "object": "customers", "confidence": "90"}


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    """A console as docker-compose.yml starts it."""
    state = tmp_path_factory.mktemp("volume")
    running = start_console(state, SERVICES_BY_NAME="true", LAB_CONSOLE_TOKEN=TOKEN)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def settings(
    inside: RunningConsole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> LabSettings:
    """Those of the exam process, on the machine of the containers."""
    monkeypatch.setenv("LAB_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("CONSOLE_PORT", str(inside.port))
    monkeypatch.setenv("LAB_CONSOLE_TOKEN", TOKEN)
    return LabSettings.load()


@pytest.fixture
def place(settings: LabSettings) -> Place:
    return begin(settings, Door.LOG, left_ns=900_000_000_000)


@pytest.fixture
def relay(settings: LabSettings, place: Place, inside: RunningConsole) -> Iterator[Relay]:
    """All tests have one console, and exams of the same name."""
    shutil.rmtree(inside.state / "exam", ignore_errors=True)
    relay = Relay(settings, place, EXAM, is_needed=True)
    yield relay
    assert relay.exchange(replace(record(place), state=State.OVER))


def record(place: Place) -> Record:
    found = place.current()
    assert found is not None
    return found


def post(inside: RunningConsole, path: str, **fields: str) -> str:
    headers = READER | {"Content-Type": "application/x-www-form-urlencoded", "Origin": inside.url}
    answer = inside.send("POST", path, urlencode(fields).encode(), headers)
    assert answer.status == http.client.SEE_OTHER
    return answer.body.decode()


def status(inside: RunningConsole, path: str, **headers: str) -> int:
    return inside.send("GET", path, headers=READER | headers).status


def test_doors_close_and_requests_hints_and_the_answer_come_back(
    inside: RunningConsole, settings: LabSettings, place: Place, relay: Relay
) -> None:
    assert status(inside, "/sessions") == http.client.OK
    assert relay.exchange(record(place))
    # A page leads to the exam, an API refuses.
    assert status(inside, "/sessions") == http.client.SEE_OTHER
    assert status(inside, "/api/drilldown/sessions", Accept="*/*") == http.client.FORBIDDEN
    for _ in range(60):
        assert status(inside, "/exam/evidence/log") == http.client.OK
    session.hint(settings)
    assert relay.exchange(record(place))
    # The second hint: the console knows that of the command.
    post(inside, "/exam/hint")
    post(inside, "/exam/answer", **ANSWER)
    assert relay.exchange(record(place))
    files = place.files(EXAM)
    log = ending.log_of(record(place), files, ended_ns=clock.now_ns())
    assert [each.what for each in log.requests] == ["/exam/evidence/log"] * 60
    assert [each.text for each in ending.hints(files)] == list(session.HINTS[:2])
    assert log.answer is not None
    assert [finding.kind for finding in log.answer.findings] == ["burst"]
    # The same again adds nothing, also for a process that has no memory of it.
    assert Relay(settings, place, EXAM, is_needed=True).exchange(record(place))
    assert ending.log_of(record(place), files, ended_ns=log.ended_ns) == log


def test_the_first_answer_counts_wherever_it_was_given(
    inside: RunningConsole, settings: LabSettings, place: Place, relay: Relay
) -> None:
    assert relay.exchange(record(place))
    session.submit(settings, form.decode(b'{"findings": [{"kind": "nothing"}], "confidence": 0.5}'))
    post(inside, "/exam/answer", **ANSWER)
    assert relay.exchange(record(place))
    found = ending.submitted(place.files(EXAM))
    assert found is not None
    assert [finding.kind for finding in found.answer.findings] == ["nothing"]


def test_a_stop_in_the_console_ends_it_and_the_result_is_shown_there(
    inside: RunningConsole, place: Place, relay: Relay
) -> None:
    assert relay.exchange(record(place))
    post(inside, "/exam/stop")
    assert relay.exchange(record(place))
    files = place.files(EXAM)
    assert files.is_ended()
    log = ending.log_of(record(place), files, ended_ns=clock.now_ns())
    relay.end(ending.keep(place, record(place), log, "ok: nothing to compare"))
    assert status(inside, "/sessions") == http.client.OK
    debrief = inside.send("GET", f"/exam/{EXAM}", headers=READER)
    assert b"no answer" in debrief.body


def test_a_silent_exam_process_closes_no_door_for_ever(
    inside: RunningConsole, place: Place, relay: Relay
) -> None:
    assert relay.exchange(record(place))
    silent_since_ns = clock.now_ns() - int((SILENT_S + 60) * NS_PER_S)
    (inside.state / "exam" / "heard").write_text(str(silent_since_ns))
    assert status(inside, "/sessions") == http.client.OK
    assert relay.exchange(record(place))
    assert status(inside, "/sessions") == http.client.SEE_OTHER


def test_only_the_lab_itself_may_send_an_exam(inside: RunningConsole, place: Place) -> None:
    refused = {
        http.client.UNAUTHORIZED: ({}, b"{}"),
        http.client.BAD_REQUEST: (READER, b'{"record": 1}'),
    }
    for expected, (headers, body) in refused.items():
        assert inside.send("PUT", PATH, body, headers).status == expected
    elsewhere = msgspec.json.encode(Update(record=replace(record(place), exam="../../x")))
    assert inside.send("PUT", PATH, elsewhere, READER).status == http.client.BAD_REQUEST
    assert not list(inside.state.rglob("x"))


def test_a_console_that_does_not_answer_is_noticed(settings: LabSettings, place: Place) -> None:
    elsewhere = settings.model_copy(update={"console_port": 1})
    assert not Relay(elsewhere, place, EXAM, is_needed=True).exchange(record(place))
    assert Relay(elsewhere, place, EXAM, is_needed=False).exchange(record(place))
