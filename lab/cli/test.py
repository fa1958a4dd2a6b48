"""`test`: the project's own tests."""

import subprocess
import sys

import typer


def test(context: typer.Context) -> None:
    """Check style and types, then run the tests; with arguments, only pytest with these."""
    from lab.settings import ROOT

    python = [sys.executable, "-P", "-m"]
    checks = [] if context.args else [["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]]
    failed = False
    for check in checks:
        typer.secho(f"── {' '.join(check)}", dim=True, err=True)
        failed |= subprocess.run([*python, *check], cwd=ROOT, check=False).returncode != 0
    typer.secho(f"── pytest {' '.join(context.args)}", dim=True, err=True)
    tests = subprocess.run([*python, "pytest", *context.args], cwd=ROOT, check=False)
    raise typer.Exit(tests.returncode or int(failed))
