"""Every command of the command line and of the documents, as written, against one native lab.

The calls are read from the command line itself (each command without options, and with each of its options
once) and from README.md and docs/. `HOW` has the values of options and the expected exit statuses; a
command or an option without an entry fails the test. Commands that end by themselves are called in this
process, with the environment, the arguments and the directory of a process of their own; those that last
(drills, `logs -f`) are processes, which receive Ctrl-C once they have begun. The options of a command that
lasts are given in one call: each such call costs the start and the heal of a fault. Values that an option
refuses: tests/unit/test_cli_values.py.
"""

import re
import select
import shlex
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab.cli import main
from lab.clients import database
from lab.foundation.readiness import NotReadyError, await_state
from lab.foundation.settings import ROOT
from tests.command_calls import (
    COMMANDS,
    DSN,
    ELSEWHERE,
    GOES_ON,
    HOW,
    Call,
    of_the_command_line,
    of_the_documents,
)
from tests.fix_lab import COMMAND_SECONDS, Lab

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]

BEGINS_WITHIN_S = 120


def test_every_command_and_every_option_has_an_entry() -> None:
    """A new command or option fails without one, and so does an entry without its command."""
    assert set(HOW) == set(COMMANDS)
    for command in COMMANDS.values():
        valued = {option for option, parameter in command.options if not parameter.is_flag}
        assert valued == set(HOW[command.name].values), command.name
    assert {name for name, _ in [*GOES_ON, *ELSEWHERE]} <= set(COMMANDS)


class Caller:
    """Runs calls against a lab and returns what was wrong with each."""

    def __init__(
        self,
        lab: Lab,
        directory: Path,
        patch: pytest.MonkeyPatch,
        captured: pytest.CaptureFixture[str],
    ) -> None:
        self._lab = lab
        self._directory = directory
        self._patch = patch
        self._captured = captured
        self._dsn = database.dsn(lab.settings, database.Role.SUPERUSER)

    def run_all(self, calls: Iterable[Call]) -> list[str]:
        """Run calls one after the other."""
        return [problem for call in calls if (problem := self._tried(call))]

    def _tried(self, call: Call) -> str | None:
        problem = self._run(call)
        return self._run(call) if problem and call.how.again else problem

    def _run(self, call: Call) -> str | None:
        arguments = [self._dsn if word == DSN else word for word in call.arguments]
        words = [*call.command.words, *arguments]
        output = ""
        try:
            if call.lasts and "--docker" not in arguments:
                status = self._interrupted(words, call)
            elif call.command.name == "psql":  # replaces the process
                status = self._process(words, call.variables)
            else:
                status = self.here(words, call.variables)
                output = "".join(self._captured.readouterr())[-2000:]
        except (AssertionError, NotReadyError) as error:
            return f"{call}: {error}"
        except Exception as error:  # noqa: BLE001 - a traceback of the product's is one call's problem
            return f"{call}: {''.join(traceback.format_exception(error))[-2000:]}"
        right = sorted(call.statuses)
        return None if status in right else f"{call}: exit status {status}, not {right}\n{output}"

    def here(self, words: list[str], variables: Mapping[str, str]) -> int:
        """Run a command in this process, which saves the start of an interpreter; return its exit status."""
        with self._patch.context() as patch:
            for name, value in {**self._lab.environment, **variables}.items():
                patch.setenv(name, value)
            patch.chdir(self._directory)
            patch.setattr(sys, "argv", ["creditlab", *words])
            with pytest.raises(SystemExit) as left:
                main()
        assert isinstance(left.value.code, int)
        return left.value.code

    def _process(self, words: list[str], variables: Mapping[str, str]) -> int:
        done = subprocess.run(
            [str(ROOT / "creditlab"), *words],
            env={**self._lab.environment, **variables},
            cwd=self._directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
            timeout=COMMAND_SECONDS,
        )
        assert b"Traceback" not in done.stderr, done.stderr
        return done.returncode

    def _interrupted(self, words: list[str], call: Call) -> int:
        """Start it, wait until it has begun, and press Ctrl-C; return its exit status."""
        with subprocess.Popen(
            [str(ROOT / "creditlab"), *words],
            env={**self._lab.environment, **call.variables},
            cwd=self._directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                await_state(
                    f"`{shlex.join(words)}` has begun",
                    self._not_begun(process, call.how.begun),
                    within_s=BEGINS_WITHIN_S,
                )
                process.send_signal(signal.SIGINT)
                _, errors = process.communicate(timeout=COMMAND_SECONDS)
            finally:
                process.kill()
        assert "Traceback" not in errors, errors
        return process.returncode

    def _not_begun(
        self, process: "subprocess.Popen[str]", begun: str | None
    ) -> Callable[[], str | None]:
        def probe() -> str | None:
            if process.poll() is not None:
                raise AssertionError(f"it ended by itself: {process.communicate()[1]}")
            if begun is None:
                assert process.stdout
                return None if select.select([process.stdout], [], [], 0)[0] else "no output"
            file = self._lab.state / begun
            text = file.read_text(encoding="utf-8") if file.exists() else ""
            own = re.search(rf'"pid": ?{process.pid}\b|process {process.pid}\)', text)
            return None if own else f"{begun} has {text!r}"

        return probe


def test_each_of_them_works_on_a_lab_that_runs(
    lab: Lab,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each ends with its exit status, none in a traceback; drills run beside the commands that only read."""
    monkeypatch.delenv("COLUMNS", raising=False)
    caller = Caller(lab, tmp_path, monkeypatch, capsys)
    every = {call.key: call for call in (*of_the_documents(), *of_the_command_line())}
    calls = [call for call in every.values() if call.is_run_here]
    with ThreadPoolExecutor(max_workers=1) as beside:
        lasting = beside.submit(caller.run_all, [call for call in calls if call.lasts])
        problems = caller.run_all(c for c in calls if not c.lasts and not c.how.alone)
        problems += lasting.result()
    problems += caller.run_all(c for c in calls if not c.lasts and c.how.alone)
    assert problems == []


def test_down_in_each_of_its_ways(
    lab: Lab,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It stops the lab, accepts one that is down, and wipes it; `--docker` without an engine is refused."""
    caller = Caller(lab, tmp_path, monkeypatch, capsys)
    ways = [["down"], ["down", "--native"], ["down", "--docker"], ["down", "--wipe"]]
    assert [caller.here(words, {}) for words in ways] == [0, 0, 2, 0]
    assert not lab.state.exists()
