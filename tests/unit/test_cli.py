"""The command line without a lab: what it offers, how it words a mistake, how quickly it starts."""

import errno
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lab.cli import app, dotenv, main
from lab.foundation.settings import ROOT

COMMANDS = {"up", "down", "restart", "status", "logs", "doctor", "verify", "psql", "test", "bench"}
HEAVY = {"pydantic", "psycopg2", "ddtrace", "psutil", "faker", "supervisor", "workload.services"}


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test of this file touches a lab that may be running here."""
    monkeypatch.setenv("LAB_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-engine")


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the command line, and return its exit status."""
    monkeypatch.setattr(sys, "argv", ["creditlab", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    assert isinstance(left.value.code, int)
    return left.value.code


def test_every_command_is_there() -> None:
    """The commands are those of the documentation."""
    assert app.commands.keys() >= COMMANDS


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["stauts"], "status"),
        (["up", "--laod", "2"], "--load"),
        (["up", "--services", "risk,custmers"], "did you mean customers?"),
        (["logs", "promtheus"], "did you mean prometheus?"),
        (["psql", "--role", "datadgo"], "did you mean datadog?"),
        (["up", "--docker"], "./creditlab up --native"),
        (["status", "--docker"], "docker"),
        (["up", "--docker", "--native"], "mutually exclusive"),
        (["up", "--scale", "0"], "--scale"),
        (["up", "--load", "much"], "--load"),
    ],
)
def test_a_mistake_gets_one_message_and_status_2(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    """Whatever is mistyped, the message names what was probably meant."""
    assert call(monkeypatch, *arguments) == 2
    reported = capsys.readouterr().err
    assert said in reported
    assert "Traceback" not in reported


def test_a_malformed_setting_is_named_with_what_was_expected(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message names the variable, not our field, and where to correct it."""
    monkeypatch.setenv("EXPORTER_PORT", "ninety")
    assert call(monkeypatch, "status") == 2
    reported = capsys.readouterr().err
    assert "EXPORTER_PORT: input should be a valid integer" in reported
    assert ".env" in reported


def test_a_state_directory_that_cannot_be_made_is_explained(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Where the operating system refuses, its reason and the path are shown."""
    (tmp_path / "a file").touch()
    monkeypatch.setenv("LAB_STATE_DIR", str(tmp_path / "a file" / "state"))
    assert call(monkeypatch, "up") == 2
    reported = capsys.readouterr().err
    assert "Not a directory" in reported
    assert "a file" in reported


def test_a_full_disk_is_explained(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message names what to do on a full disk."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/some/file")

    monkeypatch.setattr(Path, "mkdir", full)
    assert call(monkeypatch, "up") == 2
    assert "No space left on device: /some/file\nFree space" in capsys.readouterr().err


def test_status_of_a_lab_that_is_down(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 1 says not ready; the table shows every component and how to start."""
    assert call(monkeypatch, "status") == 1
    shown = capsys.readouterr().out
    assert "postgres_exporter" in shown
    assert "./creditlab up" in shown


def test_a_lab_without_logs_has_a_next_step(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the first start `logs` prints a sentence, of one component with its name."""
    assert call(monkeypatch, "logs") == 0
    assert "There is no log line yet. `./creditlab status`" in capsys.readouterr().out
    assert call(monkeypatch, "logs", "risk") == 0
    assert "There is no log line of risk yet." in capsys.readouterr().out


def test_down_of_a_lab_that_is_down_is_fine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is nothing to stop, and nothing is made."""
    assert call(monkeypatch, "down") == 0
    assert "was not running" in capsys.readouterr().err


def test_a_misspelt_variable_is_pointed_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A name in .env that nothing reads is shown with the one that was meant; others' names are not."""
    (tmp_path / ".env").write_text("POSTGRES_PROT=1\nDD_API_KEY=x\nPOSTGRES_PORT=5432\n")
    monkeypatch.setattr(dotenv, "ROOT", tmp_path)
    dotenv.warn_of_unknown()
    [line] = capsys.readouterr().err.splitlines()
    assert "POSTGRES_PROT, which nothing reads; did you mean POSTGRES_PORT?" in line


def test_every_knob_of_the_example_is_known(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """No knob is called unknown once its `#` is taken away, those that only Compose reads included."""
    example = (ROOT / ".env.example").read_text()
    knobs = re.findall(r"^(?:# )?([A-Z_]+=.*)$", example, re.MULTILINE)
    assert "DATADOG_HOST=app.datadoghq.com" in knobs
    (tmp_path / ".env").write_text("\n".join([*knobs, "DATADOG_HOTS=x"]))
    (tmp_path / ".env.example").write_text(example)
    monkeypatch.setattr(dotenv, "ROOT", tmp_path)
    dotenv.warn_of_unknown()
    [line] = capsys.readouterr().err.splitlines()
    assert "DATADOG_HOTS, which nothing reads; did you mean DATADOG_HOST?" in line


def test_the_command_line_starts_light() -> None:
    """Help, and whatever a command does not need, costs no heavy import."""
    listing = subprocess.run(
        [sys.executable, "-c", "import sys, lab.cli; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert HEAVY.isdisjoint(listing.stdout.split())
