"""Every command of the command line and of the documentation, as written, against one lab that runs.

What to run is read from the command line itself and from the documents: each command without options,
each with each of its options, and each command line of README.md and docs/. `HOW` says what is special about
a command; one that is not in it fails the test. Commands that go on for minutes are interrupted once they have begun.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lab.cli import main
from lab.settings import ROOT
from lab.stack.readiness import await_state
from tests.commands import Command, all_commands
from tests.fix_lab import COMMAND_SECONDS, SCALE, Lab

pytestmark = pytest.mark.acceptance

BEGINS_WITHIN_S = 120
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# A line of a code block, or a command between backticks.
LINES = re.compile(
    r"^ {4}((?:[A-Z_]+=\S+ )*\./creditlab [^\n]*)|`(\./creditlab [^`]+)`", re.MULTILINE
)
# What a document writes for something of the reader's own, and what stands for it here.
READERS_OWN = {
    "NAME": "lookup_customer", "SERVICE": "risk", "FILE": "matrix.html", "QUERYID|NAME": "lookup_customer",
    "[slowest|TRACE_ID|TRACEPARENT]": "slowest", "[--by": "--by", "time|calls|mean|rows|io]": "calls",
    "[--service": "--service", "S]": "customers",
}  # fmt: skip
INTERRUPTED = -signal.SIGINT


@dataclass(frozen=True, kw_only=True)
class How:
    """How a command is run here.

    Attributes:
        values: what its options are given; switches need none.
        statuses: how it may end.
        begun: for one that goes on: the file that shows that it has begun, below the state directory.
        elsewhere: for one that is only parsed here: the test that runs it.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    statuses: frozenset[int] = frozenset({0})
    begun: str | None = None
    elsewhere: str | None = None


KEYLESS = frozenset({2})  # there is no key, so that the account is asked for nothing
RUNS = "drills/running.json"
BENCH = "tests/integration/test_bench_*.py, and by hand: each measures for minutes"
# `--for 10m` and the like are as in the documents: the run is interrupted.
LASTS = {"--for": "10m", "--intensity": "0.5"}
HOW = {
    "up": How(
        values={
            "--scale": SCALE, "--load": "1",
            "--services": "proposals,underwriting,customers,servicing,risk",
        }
    ),
    "down": How(elsewhere="tests/acceptance/test_lifecycle.py; the last test of this file runs it"),
    "restart": How(elsewhere="tests/acceptance/test_lifecycle.py"),
    "status": How(),
    "logs": How(),
    "trace": How(values={"--service": "customers"}, statuses=frozenset({0, 2})),
    "queries": How(values={"--by": "calls"}),
    "query": How(),
    "sessions": How(),
    "doctor": How(values={"--dsn": "LAB"}),
    "verify": How(),
    # Both observers need some minutes of data to answer everything.
    "compare": How(values={"--since": "5m", "--html": "compare.html"}, statuses=frozenset({0, 1, 2})),
    "datadog push": How(statuses=KEYLESS),
    "drill list": How(),
    "drill show": How(),
    "drill run": How(values=LASTS, begun=RUNS),
    "drill all": How(values={**LASTS, "--only": "idle-in-transaction", "--html": "m.html"}, begun=RUNS),
    "drill report": How(values={"--html": "report.html"}),
    "drill quiet": How(values={"--for": "10m"}, begun="drills/lock"),
    "drill random": How(values={"--seed": "15", "--every": "5m", "--intensity": "0.5"}, begun=RUNS),
    "drill stop": How(),
    "psql": How(values={"--role": "datadog"}),
    "test": How(elsewhere=".ci/run is this command"),
    "bench seed": How(values={"--scale": "0.01"}, elsewhere=BENCH),
    "bench load": How(
        values={"--seconds": "1", "--rounds": "1", "--rate": "100", "--scale": "0.01"}, elsewhere=BENCH
    ),
    "bench overhead": How(values={"--seconds": "1", "--rounds": "1", "--scale": "0.01"}, elsewhere=BENCH),
    "bench cost": How(values={"--seconds": "180"}, elsewhere=BENCH),
    "bench intake": How(values={"--spans": "1000", "--lines": "100"}, elsewhere=BENCH),
    "bench console": How(values={"--seconds": "1", "--rounds": "1", "--load": "1"}, elsewhere=BENCH),
    "bench memory": How(values={"--minutes": "55", "--samples": "samples.csv"}, elsewhere=BENCH),
    "bench pages": How(values={"--spans": "1000", "--times": "1"}, elsewhere=BENCH),
}  # fmt: skip
# Options that make a command go on, stop the lab, or speak to an engine that is not there.
GOES_ON = {("logs", "--follow"), ("logs", "-f")}
ELSEWHERE = {("up", "--foreground")}
COMMANDS = {command.name: command for command in all_commands()}


@dataclass(frozen=True, kw_only=True)
class Call:
    """One command line: where it is from, the command, its words, and its variables."""

    source: str
    command: Command
    arguments: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.command.name} {shlex.join(self.arguments)} ({self.source})"

    @property
    def how(self) -> How:
        return HOW[self.command.name]


def of_the_command_line() -> Iterator[Call]:
    """Yield each command without options, and with each of its options, of which those that go on get all."""
    for command in COMMANDS.values():
        needed = tuple(command.arguments)
        yield Call(source="no option", command=command, arguments=needed)
        how, together = HOW[command.name], needed
        for option, parameter in command.options:
            given = (option,) if parameter.is_flag else (option, how.values[option])
            if not how.begun:
                yield Call(source=option, command=command, arguments=(*needed, *given))
            elif option not in parameter.secondary_opts:
                together = (*together, *given)
        if how.begun:
            # Each costs some seconds to begin and to heal.
            yield Call(source="all options", command=command, arguments=together)


def of_the_documents() -> Iterator[Call]:
    """Yield each command line of the documents; `a`, `b` in one sentence are two of them."""
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8").replace("\\|", "|")
        for block, inline in LINES.findall(text):
            line = (block or inline).partition(" #")[0].strip()
            # What goes on in the next line, as a statement of SQL does.
            while line.count('"') % 2:
                start = text.index(line) + len(line)
                line += text[start : text.index('"', start) + 1]
            yield parsed(line, source=document.relative_to(ROOT).as_posix())


def parsed(line: str, *, source: str) -> Call:
    """Return the call that a line of a document is."""
    words = [READERS_OWN.get(word, word) for word in shlex.split(line)]
    variables = {}
    while not words[0].endswith("creditlab"):
        name, _, variables[name] = words.pop(0).partition("=")
    words = words[1:]
    name = next(n for n in (" ".join(words[:2]), words[0]) if n in COMMANDS or n == words[0])
    assert name in COMMANDS or name == "bench", f"{source}: {line}: there is no such command"
    if name == "bench":
        return Call(source=source, command=COMMANDS["bench load"], arguments=())
    arguments = words[len(name.split()) :]
    if "--scale" in arguments:
        # Documented: the data of a lab keep their scale.
        arguments[arguments.index("--scale") + 1] = SCALE
    return Call(
        source=source, command=COMMANDS[name], arguments=tuple(arguments), variables=variables
    )


def test_every_command_and_every_option_is_run() -> None:
    """A new command or option has an entry, and no entry is without its command."""
    assert set(HOW) == set(COMMANDS)
    for command in COMMANDS.values():
        valued = {option for option, parameter in command.options if not parameter.is_flag}
        assert valued == set(HOW[command.name].values), command.name


def test_the_documents_have_command_lines() -> None:
    """The search finds what a person would, and everything that it finds can be parsed."""
    calls = list(of_the_documents())
    lines = {str(call).partition(" (")[0].strip() for call in calls}
    assert {"compare", "drill quiet --for 10m", "logs proposals -f", "up --load 5"} <= lines
    for call in calls:
        if call.command.name not in {"psql", "test"}:
            call.command.command.make_context(call.command.name, list(call.arguments))


class Caller:
    """Runs calls against a lab: in this process where they end by themselves, which saves a second each."""

    def __init__(self, lab: Lab, directory: Path, patch: pytest.MonkeyPatch) -> None:
        self._lab = lab
        self._directory = directory
        self._patch = patch

    def run(self, call: Call) -> str | None:
        """Run one call; return what was wrong with it."""
        own = ("LAB", f"postgresql://lab@127.0.0.1:{self._lab.settings.postgres_port}/creditdb")
        arguments = [
            own[1] if word in {own[0], "postgresql://..."} else word for word in call.arguments
        ]
        words = [*call.command.words, *arguments]
        if call.how.elsewhere or (call.command.name, call.source) in ELSEWHERE:
            return None
        goes_on = call.how.begun or any((call.command.name, word) in GOES_ON for word in arguments)
        if goes_on:
            status, wanted = self._interrupted(words, call), frozenset({INTERRUPTED})
        elif call.command.name == "psql":
            status, wanted = self._process(words), frozenset({0})
        else:
            status, wanted = self._here(words, call.variables), call.how.statuses
        if "--docker" in arguments or any("..." in value for value in call.variables.values()):
            wanted = frozenset({2})
        if call.command.name == "doctor" and own[1] in arguments:
            wanted = frozenset({0, 1, 2})  # without a password PostgreSQL lets nobody in
        return None if status in wanted else f"{call}: exit status {status}, not {sorted(wanted)}"

    def _here(self, words: list[str], variables: Mapping[str, str]) -> int:
        with self._patch.context() as patch:
            for name, value in {**self._lab.environment, **variables}.items():
                patch.setenv(name, value)
            patch.chdir(self._directory)
            patch.setattr(sys, "argv", ["creditlab", *words])
            with pytest.raises(SystemExit) as left:
                main()
        assert isinstance(left.value.code, int)
        return left.value.code

    def _process(self, words: list[str]) -> int:
        done = subprocess.run(
            [str(ROOT / "creditlab"), *words],
            env=self._lab.environment,
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
        """Start it, wait until it has begun, and press Ctrl-C."""
        process = subprocess.Popen(
            [str(ROOT / "creditlab"), *words],
            env=self._lab.environment,
            cwd=self._directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        await_state(
            f"`{shlex.join(words)}` has begun",
            self._not_begun(process, call.how.begun),
            within_s=BEGINS_WITHIN_S,
        )
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=COMMAND_SECONDS)
        assert "Traceback" not in told, told
        return process.returncode

    def _not_begun(
        self, process: "subprocess.Popen[str]", begun: str | None
    ) -> Callable[[], str | None]:
        def probe() -> str | None:
            assert process.poll() is None, process.communicate()[1]
            if begun is None:
                assert process.stdout
                return None if process.stdout.readline() else "nothing"
            file = self._lab.state / begun
            text = file.read_text() if file.exists() else ""
            mine = begun == RUNS or f"process {process.pid})" in text
            return None if text and mine else "it has not begun"

        return probe


def test_each_of_them_works_on_a_lab_that_runs(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None ends in a traceback, and each with the exit status that it should have."""
    os.environ.pop("COLUMNS", None)
    caller = Caller(lab, tmp_path, monkeypatch)
    calls = {
        (c.command.name, c.arguments): c for c in (*of_the_documents(), *of_the_command_line())
    }
    problems = []
    import time
    for call in calls.values():
        t0 = time.monotonic()
        problem = caller.run(call)
        with open("/tmp/calls.log", "a") as f: f.write(f"{time.monotonic()-t0:6.2f} {call} {problem or ''}\n")
        if problem: problems.append(problem)
    assert problems == []


def test_down_in_each_of_its_ways(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stops the lab, is content with one that is down, and wipes it; without an engine it says so."""
    caller = Caller(lab, tmp_path, monkeypatch)
    ways = [["down"], ["down", "--native"], ["down", "--docker"], ["down", "--wipe"]]
    assert [caller._here(words, {}) for words in ways] == [0, 0, 2, 0]
    assert not lab.state.exists()
