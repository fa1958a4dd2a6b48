"""`test`: runs the project's checks and tests, with the current clock and with a clock 400 days ahead."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, TextIO

import typer

from lab.cli import clock_shift
from lab.foundation.errors import LabError
from lab.foundation.settings import ROOT

# More than half of the tests' time is waiting. tests/conftest.py distributes them to the four processes.
COMPLETE = ("--numprocesses=4", "--no-loadscope-reorder", "--durations=10")
COLLECT = ("--collect-only", "--quiet")
CHECKS = (
    ("ruff", "check"),
    ("ruff", "format", "--check"),
    ("mypy",),
    ("lint-imports", "--no-cache", "--no-logo"),
)
# More than a year, and in a zone other than UTC: a test that depends on its date fails here.
AHEAD_DAYS = 400
SHIFTED = ("--shifted-clock", "--numprocesses=2", "--durations=10")
ZONE = "America/Sao_Paulo"
# The other pass has the tests that measure durations.
NICER = 15
NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"


def test(context: typer.Context) -> None:
    """Check style and types, then run the tests, twice; with arguments, only pytest with these."""
    if context.args:
        raise typer.Exit(_run("pytest", *context.args))
    with TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        # In parallel: tests wait for most of their time, and start when the checks have not ended.
        with ThreadPoolExecutor(max_workers=1) as beside:
            checks = beside.submit(_checked)
            _compile_tests()
            with _shifted(output) as shifted:
                status, closing = _followed("pytest", *COMPLETE)
                statuses = [*checks.result(), status, shifted.wait() if shifted else 0]
        for check, status in zip(CHECKS, statuses, strict=False):
            if status:
                typer.secho(f"{' '.join(check)} failed, see above", fg="red", err=True)
        output.seek(0)
        typer.secho(f"── the same with a clock {AHEAD_DAYS} days ahead", dim=True, err=True)
        shutil.copyfileobj(output, sys.stdout)
    # Again, so that the closing line of the complete suite is the last line.
    typer.echo(closing)
    raise typer.Exit(next((status for status in statuses if status), 0))


@contextmanager
def _shifted(output: TextIO) -> Iterator[subprocess.Popen[bytes] | None]:
    """Run the tests that use the clock with a shifted clock, in parallel; None if it cannot be shifted."""
    with ExitStack() as stack:
        try:
            variables = stack.enter_context(clock_shift.environment(AHEAD_DAYS, _say))
        except LabError as error:
            output.write(f"SKIPPED, this clock was not shifted: {error}\n")
            yield None
            return
        command = _command("pytest", *SHIFTED)
        command["env"] |= {**variables, "TZ": ZONE}
        process = subprocess.Popen(
            **{**command, "args": ["nice", f"-n{NICER}", *command["args"]]},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        stack.callback(process.wait)
        stack.callback(process.terminate)
        yield process


def _compile_tests() -> None:
    """Compile a fresh clone's tests once: each of six processes would compile all of them at its start."""
    if not any(path.is_dir() for path in (ROOT / "tests" / "unit").glob("__pycache__")):
        subprocess.run(
            **_command("pytest", *COLLECT),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )


def _checked() -> list[int]:
    """Run the checks, and show what each one printed when it has ended."""
    statuses = []
    for check in CHECKS:
        command = _command(*check)
        done = subprocess.run(
            **{**command, "args": ["nice", f"-n{NICER}", *command["args"]]},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        typer.echo(done.stdout, nl=False)
        statuses.append(done.returncode)
    return statuses


def _run(*command: str) -> int:
    return subprocess.run(**_command(*command), check=False).returncode


def _followed(*command: str) -> tuple[int, str]:
    """Run a command, show what it prints, and return its status and its last line."""
    last = ""
    with subprocess.Popen(
        **_command(*command), stdout=subprocess.PIPE, text=True, errors="replace"
    ) as process:
        assert process.stdout
        for line in process.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            last = line.rstrip() or last
    return process.returncode, last


def _command(*command: str) -> dict[str, Any]:
    """Announce a module of Python and return how to start it."""
    typer.secho(f"── {' '.join(command)}", dim=True, err=True)
    # Hundreds of processes import the lab: each would compile it again.
    variables = {name: value for name, value in os.environ.items() if name != NO_BYTECODE}
    start = [sys.executable, "-P", "-m", command[0]]
    if command[0] == "lint-imports":  # no module, but a program beside this Python
        start = [str(Path(sys.executable).with_name(command[0]))]
    return {"args": [*start, *command[1:]], "cwd": ROOT, "env": variables}


def _say(what: str) -> None:
    typer.secho(f"  {what}", dim=True, err=True)
