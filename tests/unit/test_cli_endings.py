"""How commands end: exit statuses, the last line, arguments of other programs, one message for an error."""

import errno
import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
import typer
from rich.console import Console

import lab.cli
from lab.cli import clock_shift, logs, psql
from lab.cli import test as command
from lab.foundation.errors import LabError
from lab.foundation.settings import ROOT
from lab.stack.backend import ComponentLine
from lab.stack.native import binaries
from lab.stack.native.binaries import Program
from tests.fix_postgres import settings_for


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What the commands of this file print."""
    text = io.StringIO()
    console = Console(file=text, width=60, highlight=False)
    monkeypatch.setattr(logs, "out", console)
    return text


class Suite:
    """The programs that `test` runs: what each prints, and its exit status."""

    def __init__(self) -> None:
        self.called: list[tuple[str, ...]] = []
        self.statuses: dict[str, int] = {}
        self.nice: list[int] = []

    def command(self, *words: str) -> dict[str, Any]:
        self.called.append(words)
        status = next((s for name, s in self.statuses.items() if name in " ".join(words)), 0)
        script = (
            f"echo {words[0]} {words[-1]}; echo; echo the last line of {words[0]}; exit {status}"
        )
        return {"args": ["sh", "-c", f"{script}"], "cwd": ROOT, "env": dict(os.environ)}


@pytest.fixture
def suite(monkeypatch: pytest.MonkeyPatch) -> Suite:
    suite = Suite()
    monkeypatch.setattr(command, "_command", suite.command)
    monkeypatch.setattr(command, "_compile_tests", lambda: None)

    @contextmanager
    def shifted(days: int, _: object) -> Iterator[dict[str, str]]:
        assert days == 400
        yield {"DATEFUDGE": "-34560000"}

    monkeypatch.setattr(clock_shift, "environment", shifted)
    return suite


def status_of_test(*arguments: str) -> int:
    with pytest.raises(typer.Exit) as ended:
        command.test(SimpleNamespace(args=list(arguments)))  # type: ignore[arg-type]
    return ended.value.exit_code


def test_the_suite_ends_with_the_closing_line_of_its_complete_pass(
    suite: Suite, capfd: pytest.CaptureFixture[str]
) -> None:
    """Four checks and two passes; the second pass is shown after the first, and the line again at the end."""
    assert status_of_test() == 0
    names = [words[0] for words in suite.called]
    assert sorted(names) == ["lint-imports", "mypy", "pytest", "pytest", "ruff", "ruff"]
    assert {words[1] for words in suite.called if words[0] == "pytest"} == {
        "--numprocesses=4", "--shifted-clock"
    }  # fmt: skip
    shown = capfd.readouterr()
    assert shown.out.splitlines()[-1] == "the last line of pytest"
    assert shown.out.count("pytest --durations=10") == 2
    assert "a clock 400 days ahead" in shown.err
    assert "failed, see above" not in shown.err


@pytest.mark.parametrize(
    ("failing", "reported"), [("mypy", "mypy failed"), ("format", "ruff format --check failed")]
)
def test_a_failed_check_is_named_and_the_tests_run(
    suite: Suite, capfd: pytest.CaptureFixture[str], failing: str, reported: str
) -> None:
    suite.statuses[failing] = 3
    assert status_of_test() == 3
    assert f"{reported}, see above" in capfd.readouterr().err
    assert [words[0] for words in suite.called].count("pytest") == 2


@pytest.mark.parametrize("failing", ["--numprocesses=4", "--shifted-clock"])
def test_either_pass_may_fail(suite: Suite, failing: str) -> None:
    suite.statuses[failing] = 5
    assert status_of_test() == 5


def test_without_a_shifted_clock_the_second_pass_is_skipped(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> NoReturn:
        raise LabError("no datefudge")

    monkeypatch.setattr(clock_shift, "environment", refuse)
    assert status_of_test() == 0
    assert "SKIPPED, this clock was not shifted: no datefudge" in capfd.readouterr().out
    assert [words[0] for words in suite.called].count("pytest") == 1


def test_with_arguments_only_pytest_runs(suite: Suite) -> None:
    suite.statuses["pytest"] = 4
    assert status_of_test("-k", "x") == 4
    assert suite.called == [("pytest", "-k", "x")]


def test_modules_of_python_are_run_in_the_clone(monkeypatch: pytest.MonkeyPatch) -> None:
    """With bytecode, and without a directory of the caller's on the path."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    found = command._command("mypy", "--strict")
    assert found["args"] == [sys.executable, "-P", "-m", "mypy", "--strict"]
    assert found["cwd"] == ROOT
    assert "PYTHONDONTWRITEBYTECODE" not in found["env"]
    [program, *options] = command._command("lint-imports", "--no-logo")["args"]
    assert (Path(program).name, Path(program).parent) == (
        "lint-imports",
        Path(sys.executable).parent,
    )
    assert options == ["--no-logo"]


def test_psql_gets_its_connection_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The password is in no command line."""
    executed: list[Any] = []
    settings = settings_for(port=15432, database="a database")
    monkeypatch.setattr(psql, "running_settings", lambda _: settings)
    program = Program(path=Path("/bin/postgres"), version="15.8")
    monkeypatch.setattr(binaries, "postgres_bin", lambda: program)
    monkeypatch.setattr(os, "execve", lambda *arguments: executed.extend(arguments))
    psql.psql(SimpleNamespace(args=["-c", "SELECT 1"]), role="credit_app")  # type: ignore[arg-type]
    path, arguments, environment = executed
    assert (path, arguments) == ("/bin/psql", ["/bin/psql", "-c", "SELECT 1"])
    assert {name: value for name, value in environment.items() if name.startswith("PG")} == {
        "PGHOST": "127.0.0.1", "PGPORT": "15432", "PGDATABASE": "a database", "PGUSER": "credit_app",
        "PGPASSWORD": settings.credit_app_password.get_secret_value(), "PGAPPNAME": "creditlab psql",
    }  # fmt: skip
    with pytest.raises(LabError, match=r"did you mean lab\?"):
        psql.psql(SimpleNamespace(args=[]), role="lob")  # type: ignore[arg-type]


def test_a_line_of_all_logs_begins_with_its_component(printed: io.StringIO) -> None:
    """Of one component, or of containers, it is the text alone; long lines are not wrapped."""
    logs.show(ComponentLine(component="risk", text="x" * 70))
    logs.show(ComponentLine(component="risk", text="alone"), alone=True)
    logs.show(ComponentLine(component=None, text="risk-1  | text"))
    assert printed.getvalue().splitlines() == [
        f"{'risk':<17} {'x' * 70}", "alone", "risk-1  | text"
    ]  # fmt: skip


ENDS = {
    "an error": (LabError("first line\nand the next step"), 2, "first line\nand the next step\n"),
    "an error of one line": (LabError("only this"), 2, "only this\n"),
    "a foreign file": (
        PermissionError(errno.EACCES, "Permission denied", "/x"), 2,
        ("Permission denied: /x\nThe file belongs to another user, for example because an earlier call ran as"
        " root.\nRun the command as that user, or set LAB_STATE_DIR to a directory that you own.\n"),
    ),
    "a read-only disk": (
        OSError(errno.EROFS, "Read-only file system", "/x"), 2,
        "Read-only file system: /x\nSet LAB_STATE_DIR to a writable directory.\n",
    ),
    "any other error of the system": (OSError(errno.EIO, "Input/output error"), 2, "Input/output error\n"),
}  # fmt: skip


@pytest.mark.parametrize("end", ENDS)
def test_an_error_is_one_message_and_exit_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], end: str
) -> None:
    error, status, shown = ENDS[end]

    def fail(**_: object) -> NoReturn:
        raise error

    monkeypatch.setattr(lab.cli.app, "main", fail)
    with pytest.raises(SystemExit) as ended:
        lab.cli.main()
    assert ended.value.code == status
    assert capsys.readouterr().err == f"creditlab: {shown}"


def test_an_error_may_have_an_exit_status_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    error = LabError("closed")
    error.exit_status = 3

    def fail(**_: object) -> NoReturn:
        raise error

    monkeypatch.setattr(lab.cli.app, "main", fail)
    with pytest.raises(SystemExit) as ended:
        lab.cli.main()
    assert ended.value.code == 3


def test_ctrl_c_ends_the_command_by_the_signal() -> None:
    """As a shell expects it of a program without a handler, after one message."""
    program = (
        "import lab.cli, signal\n"
        "def interrupt(ctx): signal.raise_signal(signal.SIGINT)\n"
        "lab.cli.CommandGroup.invoke = lambda self, ctx: interrupt(ctx)\n"
        "lab.cli.main()"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, "status"],
        capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == -signal.SIGINT
    assert done.stderr.startswith("creditlab: Interrupted; processes that this call started")
    assert "Traceback" not in done.stderr
