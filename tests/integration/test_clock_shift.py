"""The second pass of `./creditlab test`: a clock that is really shifted, and a result that counts."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import typer

from lab.cli import clock_shift
from lab.cli import test as command
from lab.foundation import clock, debian
from lab.foundation.debian import machine_archives

DAYS = 400
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


def test_a_pass_that_cannot_be_shifted_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without an archive to fetch from, the run goes on, and its summary says what was skipped and why."""
    monkeypatch.setattr(debian, "machine_archives", lambda: iter(()))
    monkeypatch.setattr(clock_shift, "PACKAGES", tmp_path)
    status, report = command._shifted()
    assert status == 0
    assert report.startswith("SKIPPED, this clock was not shifted: This machine lacks datefudge")
    assert report in capsys.readouterr().err


@pytest.mark.parametrize(
    ("complete", "shifted", "expected"), [(0, 0, 0), (1, 0, 1), (0, 1, 1), (2, 1, 2)]
)
def test_the_status_is_that_of_both_passes(
    monkeypatch: pytest.MonkeyPatch, complete: int, shifted: int, expected: int
) -> None:
    """One failed pass fails the command; the complete suite comes last and is given the other's last line."""
    ran: list[tuple[str, Mapping[str, str] | None]] = []

    def run(*arguments: str, variables: Mapping[str, str] | None = None) -> int:
        ran.append((arguments[0], variables))
        return complete if arguments[0] == "pytest" else 0

    monkeypatch.setattr(command, "_run", run)
    monkeypatch.setattr(command, "_shifted", lambda: (shifted, "9 passed in 1s"))
    with pytest.raises(typer.Exit) as end:
        command.test(typer.Context(typer.main.get_command(typer.Typer(callback=print))))
    assert end.value.exit_code == expected
    assert ran[-1] == ("pytest", {command.REPORT: "9 passed in 1s"})
