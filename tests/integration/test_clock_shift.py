"""The second pass of `./creditlab test`: a clock that is really shifted, and a result that counts."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from lab.cli import clock_shift
from lab.cli import test as command
from lab.foundation import clock, debian
from lab.foundation.debian import machine_archives

DAYS = 400
YEAR_AHEAD_S = round(clock.now_s()) + 365 * clock_shift.DAY_S
WITHOUT = ("-p", "no:cacheprovider", "-p", "no:ddtrace", "-p", "no:faker")
Passes = Callable[[str, str], None]
pytestmark = pytest.mark.real_clock
WALL_AND_MONOTONIC = """
import threading, time
begun = time.monotonic()
time.sleep(0.01)
threading.Event().wait(0.01)
assert 0.02 <= time.monotonic() - begun
print(time.time())
"""


@pytest.mark.skipif(not list(machine_archives()), reason="needs a Debian")
def test_a_program_and_its_children_run_ahead() -> None:
    """Time of day is 400 days ahead, waits and the monotonic clock are as ever."""
    with clock_shift.environment(DAYS, print) as variables:
        ask = [sys.executable, "-c", WALL_AND_MONOTONIC]
        done = subprocess.run(
            ["/bin/sh", "-c", '"$@"', "sh", *ask],
            env={**os.environ, **variables}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        now_s = clock.now_s()
    assert abs(float(done.stdout) - now_s - DAYS * clock_shift.DAY_S) < clock_shift.TOLERANCE_S


@pytest.fixture
def passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Passes:
    """The command with two passes that have a file of one test each, and no checks."""

    def set_up(complete: str, shifted: str) -> None:
        for name, body in {"COMPLETE": complete, "SHIFTED": shifted}.items():
            file = tmp_path / f"test_{name.lower()}.py"
            file.write_text(f"import time\ndef test_it():\n    {body}\n")
            monkeypatch.setattr(command, name, (str(file), *WITHOUT))
        monkeypatch.setattr(command, "CHECKS", ())

    return set_up


def run() -> int:
    """Run the command; return its exit status."""
    with pytest.raises(typer.Exit) as end:
        command.test(typer.Context(typer.main.get_command(typer.Typer(callback=print))))
    return end.value.exit_code


def test_a_pass_that_cannot_be_shifted_is_reported(
    passes: Passes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Without an archive to fetch from, the other pass runs, and what was skipped and why is printed."""
    passes("pass", "pass")
    monkeypatch.setattr(debian, "machine_archives", lambda: iter(()))
    monkeypatch.setattr(clock_shift, "PACKAGES", tmp_path)
    assert run() == 0
    assert (
        "SKIPPED, this clock was not shifted: This machine lacks datefudge"
        in capfd.readouterr().out
    )


def test_a_failed_check_fails_the_command(
    passes: Passes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """It runs beside the tests; what it printed is shown, and its name again at the end."""
    passes("pass", "pass")
    monkeypatch.setattr(clock_shift, "PACKAGES", tmp_path)
    monkeypatch.setattr(debian, "machine_archives", lambda: iter(()))
    monkeypatch.setattr(command, "CHECKS", (("absent_check", "--all"),))
    assert run() == 1
    printed = capfd.readouterr()
    assert "No module named absent_check" in printed.out
    assert "absent_check --all failed, see above" in printed.err
    assert "1 passed" in printed.out.splitlines()[-1]


@pytest.mark.skipif(not list(machine_archives()), reason="needs a Debian")
@pytest.mark.parametrize(
    ("bodies", "closing"),
    [
        ((f"assert time.time() > {YEAR_AHEAD_S}", "pass"), "1 failed"),
        (("pass", f"assert time.time() < {YEAR_AHEAD_S}"), "1 passed"),
    ],
    ids=["complete", "shifted"],
)
def test_one_failed_pass_fails_the_command(
    passes: Passes, capfd: pytest.CaptureFixture[str], bodies: tuple[str, str], closing: str
) -> None:
    """One of them is a year ahead; both are printed, the complete suite's closing line at the end."""
    passes(*bodies)
    assert run() == 1
    printed = capfd.readouterr().out
    assert "test_complete.py" in printed
    assert "test_shifted.py" in printed
    assert closing in printed.splitlines()[-1]
