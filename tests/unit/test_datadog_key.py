"""DD_API_KEY is asked about at its site; no answer is "unknown", and the key is in no text."""

import json
from pathlib import Path

import pytest
import typer
from pydantic import SecretStr

from lab.cli import account
from lab.cli.status import status
from lab.datadog import key
from lab.datadog.key import KeyState
from lab.foundation.settings import DatadogSettings
from lab.stack.status import ComponentStatus, State, Status
from tests.fix_datadog import API_KEY, DatadogAccount
from tests.fix_postgres import free_port


def settings(api_key: str | None, site: str = "datadoghq.com") -> DatadogSettings:
    return DatadogSettings(dd_api_key=SecretStr(api_key) if api_key else None, dd_site=site)


def test_without_a_key_nothing_is_asked() -> None:
    assert key.check(settings(None)) is None


def test_a_key_of_the_account_is_valid_and_another_is_refused(
    datadog: DatadogAccount,  # noqa: ARG001 - what answers
) -> None:
    known = key.check(settings(API_KEY))
    assert known is not None
    assert known.state is KeyState.VALID
    revoked = key.check(settings("f" * 32))
    assert revoked is not None
    assert revoked.state is KeyState.REFUSED
    assert "Organization Settings" in revoked.detail
    assert "f" * 32 not in repr(revoked)


def test_what_cannot_be_a_key_or_a_site_is_refused_without_asking(
    datadog: DatadogAccount,
) -> None:
    for wrong in (settings("tooshort"), settings("F" * 32), settings(API_KEY, "app.datadoghq.com")):
        found = key.check(wrong)
        assert found is not None
        assert found.state is KeyState.REFUSED
    assert datadog.requests == []


@pytest.mark.parametrize(
    "answer",
    [
        (500, {}, {}),
        (200, "<html>portal</html>", {}),
        (200, [], {}),
        (200, {"valid": False}, {}),
        (200, {}, {}),
    ],
    ids=["status 500", "no JSON", "a list", "not valid", "no word of it"],
)
def test_an_answer_that_is_none_of_datadogs_leaves_it_unknown(
    datadog: DatadogAccount, answer: tuple[int, object, dict[str, str]]
) -> None:
    datadog.instead[("GET", key.PATH)] = [answer]
    found = key.check(settings(API_KEY))
    assert found is not None
    assert found.state is KeyState.UNKNOWN


def test_a_machine_without_a_network_leaves_it_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key, "api_url", lambda _: f"http://127.0.0.1:{free_port()}")
    found = key.check(settings(API_KEY))
    assert found is not None
    assert found.state is KeyState.UNKNOWN
    assert "did not answer" in found.detail


@pytest.mark.parametrize(
    ("version", "lines"),
    [("0.2.0 (embedded agent, not Datadog's)", 2), ("7.85.4 (account mode)", 1)],
)
def test_a_key_without_an_agent_is_reported_with_the_command_that_installs_one(
    datadog: DatadogAccount,  # noqa: ARG001 - what answers
    version: str,
    lines: int,
) -> None:
    """The second line is the only hint that an account stays empty; it never shows the key."""
    agent = ComponentStatus(
        name="datadog", state=State.RUNNING, version=version, address="", pid=None
    )
    found = Status(mode="native", components=(agent,))
    check = account.checked_key()
    notes = [note.plain for note in account.notes(check, found)]
    command = account.install_command(check, found)
    assert notes[0] == "DD_API_KEY at datadoghq.com: valid (Datadog accepts it)"
    assert len(notes) == lines
    assert ("no data reaches your account" in notes[-1]) is (command is not None) is (lines == 2)
    # In a line of its own, so that it can be copied from a narrow terminal.
    assert command is None or "install_script_agent7.sh" in command
    assert API_KEY not in repr((notes, command))


def test_without_a_key_status_says_nothing_of_an_account() -> None:
    assert account.notes(None) == []
    assert account.as_json(None) == {"datadog_key": None}


def test_status_shows_the_state_of_the_key(
    datadog: DatadogAccount,  # noqa: ARG001 - what answers
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A lab that is down, asked as a program does; another key is refused."""
    monkeypatch.setenv("LAB_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("DD_API_KEY", "f" * 32)
    with pytest.raises(typer.Exit):
        status(native=True, as_json=True)
    found = json.loads(capsys.readouterr().out)["datadog_key"]
    assert (found["state"], found["site"]) == ("refused", "datadoghq.com")
