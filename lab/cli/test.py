"""`test`: the project's own tests."""

import subprocess
import sys

import typer

# More than half of what the tests take is waiting. Which of the three gets what: tests/conftest.py.
IN_PARALLEL = ("--numprocesses=3", "--no-loadscope-reorder")
CHECKS = (("ruff", "check"), ("ruff", "format", "--check"), ("mypy",))


def test(context: typer.Context) -> None:
    """Check style and types, then run the tests; with arguments, only pytest with these."""
    failed = [] if context.args else [check for check in CHECKS if _run(*check)]
    for check in failed:
        typer.secho(f"{' '.join(check)} failed, see above", fg="red", err=True)
    # Last, so that pytest's closing line is the last line.
    status = _run("pytest", *(context.args or IN_PARALLEL))
    raise typer.Exit(status or int(bool(failed)))


def _run(*command: str) -> int:
    from lab.settings import ROOT

    typer.secho(f"── {' '.join(command)}", dim=True, err=True)
    return subprocess.run([sys.executable, "-P", "-m", *command], cwd=ROOT, check=False).returncode
