"""`test`: the project's own tests, today and in 400 days."""

import os
import subprocess
import sys
from collections.abc import Mapping

import typer

# More than half of what the tests take is waiting. Which of the three gets what: tests/conftest.py.
IN_PARALLEL = ("--numprocesses=3", "--no-loadscope-reorder", "--durations=10")
CHECKS = (("ruff", "check"), ("ruff", "format", "--check"), ("mypy",))
# More than a year, and in a zone that is not UTC's: what holds only on the day it was written fails here.
AHEAD_DAYS = 400
SHIFTED = ("--shifted-clock", "--numprocesses=3", "--durations=10")
ZONE = "America/Sao_Paulo"
# The last line of the shifted pass, for the summary of the other one.
REPORT = "CREDITLAB_SHIFTED_PASS"


def test(context: typer.Context) -> None:
    """Check style and types, then run the tests, twice; with arguments, only pytest with these."""
    if context.args:
        raise typer.Exit(_run("pytest", *context.args))
    failed = [check for check in CHECKS if _run(*check)]
    for check in failed:
        typer.secho(f"{' '.join(check)} failed, see above", fg="red", err=True)
    shifted, report = _shifted()
    # Last, so that the closing line of the complete suite is the last line.
    status = _run("pytest", *IN_PARALLEL, variables={REPORT: report})
    raise typer.Exit(status or shifted or int(bool(failed)))


def _shifted() -> tuple[int, str]:
    """Run what meets now with a shifted clock; return pytest's status, and the line that sums it up."""
    from lab.cli import clock_shift
    from lab.foundation.errors import LabError

    try:
        with clock_shift.environment(AHEAD_DAYS, _say) as variables:
            return _followed("pytest", *SHIFTED, variables={**variables, "TZ": ZONE})
    except LabError as error:
        report = f"SKIPPED, this clock was not shifted: {error}"
        typer.secho(report, fg="yellow", err=True)
        return 0, report


def _say(what: str) -> None:
    typer.secho(f"  {what}", dim=True, err=True)


def _run(*command: str, variables: Mapping[str, str] | None = None) -> int:
    arguments = _announced(command)
    return subprocess.run(
        arguments, cwd=_root(), env={**os.environ, **(variables or {})}, check=False
    ).returncode


def _followed(*command: str, variables: Mapping[str, str]) -> tuple[int, str]:
    """Run a command, show what it prints, and return its status and its last line."""
    last = ""
    with subprocess.Popen(
        _announced(command),
        cwd=_root(),
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout
        for line in process.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            last = line.strip() or last
    return process.returncode, last.strip("= ")


def _announced(command: tuple[str, ...]) -> list[str]:
    typer.secho(f"── {' '.join(command)}", dim=True, err=True)
    return [sys.executable, "-P", "-m", *command]


def _root() -> str:
    from lab.foundation.settings import ROOT

    return str(ROOT)
