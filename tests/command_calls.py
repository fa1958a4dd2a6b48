"""Calls of every command: those of the command line itself, and those of README.md and docs/.

The command line gives each command without options, and with each of its options once; the options of a
command that lasts are given in one call. `HOW` has the values of options and the expected exit statuses.
"""

import shlex
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.command_lines import CommandLine, documented
from tests.commands import Command, all_commands
from tests.fix_lab import SCALE

INTERRUPTED = -signal.SIGINT
# Stands for the connection string of the lab, as in README.md.
DSN = "postgresql://..."


@dataclass(frozen=True, kw_only=True)
class How:
    """How a command is run here.

    Attributes:
        values: the values of its options; switches have none.
        statuses: the exit statuses that are right.
        begun: for a command that lasts: the file below the state directory that names its process.
        alone: whether no drill may run beside it.
        once: for a command that measures for minutes: whether it is run once, with all of its options.
        again: whether it may fail once: on a busy machine one component's answer may come late.
        elsewhere: for a command that is only parsed here: the tests that run it.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    statuses: frozenset[int] = frozenset({0})
    begun: str | None = None
    alone: bool = False
    once: bool = False
    again: bool = False
    elsewhere: str | None = None


REFUSED = frozenset({2})
RUNS = "drills/running.json"
LIFECYCLE = "tests/acceptance/test_lifecycle.py"
EXAMS = "tests/acceptance/test_exam.py: while an exam is running, no drill may run beside it"
BENCH = "tests/integration/test_bench_NAME.py: the command in its shortest form, on a server of the tests"
# As in the documents: Ctrl-C ends the run, not the time.
LASTS = {"--for": "10m", "--intensity": "0.5"}
HOW = {
    "up": How(
        values={
            "--scale": SCALE, "--load": "1",
            "--services": "proposals,underwriting,customers,servicing,risk",
        },
        alone=True,
    ),
    "down": How(elsewhere=f"{LIFECYCLE}; the last test of this file"),
    "restart": How(elsewhere=LIFECYCLE),
    "status": How(again=True),
    "logs": How(),
    # There may be no trace of this service, or with this id.
    "trace": How(values={"--service": "customers"}, statuses=frozenset({0, 2})),
    "queries": How(values={"--by": "calls"}),
    # A report that runs once in some minutes may not have run yet.
    "query": How(statuses=frozenset({0, 2})),
    "sessions": How(),
    "doctor": How(
        values={
            "--dsn": DSN, "--datadog-role": "datadog", "--exporter-role": "postgres_exporter",
        }
    ),
    "verify": How(alone=True),
    # Both observers need some minutes of data to answer everything.
    "compare": How(
        values={
            "--since": "5m", "--html": "compare.html", "--csv": "compare.csv", "--group": "sessions",
        },
        statuses=frozenset({0, 1, 2}),
    ),
    "tour": How(
        values={"--lang": "pt", "--step": "1", "--incident": "6"},
        elsewhere="tests/acceptance/test_first_minutes.py: one of its steps is a drill",
    ),
    # There may be no drill that was judged.
    "sheet": How(values={"--html": "sheet.html"}, statuses=frozenset({0, 2})),
    # There is no key, so that no account is asked.
    "datadog push": How(statuses=REFUSED),
    "datadog walkthrough": How(),
    "drill list": How(),
    "drill show": How(),
    "drill run": How(values=LASTS, begun=RUNS),
    "drill all": How(values={**LASTS, "--only": "idle-in-transaction", "--html": "m.html"}, begun=RUNS),
    "drill report": How(values={"--html": "report.html"}),
    "drill quiet": How(values={"--for": "10m"}, begun="drills/lock"),
    "drill random": How(values={"--seed": "15", "--every": "5m", "--intensity": "0.5"}, begun=RUNS),
    "drill stop": How(alone=True),
    "drill exercise": How(values={"--hints": "2"}),
    "drill booklet": How(),
    # There is no recording; with one: tests/integration/test_recording.py.
    "drill judge": How(values={"--recording": "recording", "--html": "j.html"}, statuses=REFUSED),
    # Nor is there a minute of this lab before a drill was judged.
    "drill tune": How(values={"--recording": "recording"}, statuses=frozenset({0, 2})),
    "exam start": How(
        values={"--seed": "15", "--item": "0", "--with": "log", "--minutes": "1"}, elsewhere=EXAMS
    ),
    "exam status": How(),
    "exam kinds": How(),
    # No exam is running, and none was taken.
    "exam hint": How(statuses=REFUSED),
    "exam answer": How(
        values={
            "--object": "customers", "--culprit": "risk", "--chain": "11,12",
            "--onset": "2026-11-28T19:03:26", "--also": "burst", "--also-object": "customers",
            "--also-culprit": "risk", "--confidence": "0.9", "--evidence": "sample:11",
            "--form": "answer.json",
        },
        statuses=REFUSED,
    ),
    "exam stop": How(),
    "exam list": How(),
    "exam report": How(values={"--html": "exam.html"}, statuses=REFUSED),
    "exam check": How(values={"--items": "0", "--seed": "15"}, elsewhere=EXAMS),
    "exam ablation": How(
        values={
            "--items": "0,",
            "--seed": "15",
            "--with": "log",
            "--player": "scripted",
            "--minutes": "1",
            "--html": "experiment.html",
        },
        elsewhere="tests/unit/test_exam_ablation.py; here each item would take three minutes",
    ),
    "mcp": How(
        values={"--with": "prometheus", "--port": "0"},
        elsewhere="tests/integration/test_mcp_transports.py; the last but one of test_drilldown.py",
    ),
    "psql": How(values={"--role": "datadog"}),
    "test": How(elsewhere=".ci/run is this command"),
    "bench seed": How(values={"--scale": "0.01"}, elsewhere=BENCH),
    "bench load": How(
        values={"--seconds": "1", "--rounds": "1", "--rate": "100", "--scale": "0.01"}, elsewhere=BENCH
    ),
    "bench overhead": How(
        values={"--seconds": "1", "--rounds": "1", "--minutes": "1", "--rate": "50", "--scale": "0.01"},
        elsewhere=BENCH,
    ),
    "bench tracing": How(
        values={"--seconds": "1", "--rounds": "1", "--minutes": "1", "--scale": "0.01"}, elsewhere=BENCH
    ),
    "bench propagation": How(
        values={"--rounds": "1", "--executions": "40", "--drivers": "psycopg2", "--routes": "direct"},
        elsewhere=BENCH,
    ),
    "bench scale": How(
        values={"--scales": "0.01", "--spans": "1000", "--times": "1", "--minutes": "5"}, elsewhere=BENCH
    ),
    "bench cost": How(values={"--seconds": "15"}, alone=True, once=True),
    "bench intake": How(values={"--spans": "1000", "--lines": "100"}, elsewhere=BENCH),
    "bench console": How(values={"--seconds": "1", "--rounds": "1", "--load": "1"}, elsewhere=BENCH),
    "bench memory": How(values={"--minutes": "0.1", "--samples": "samples.csv"}, alone=True, once=True),
    "bench start": How(
        values={"--times": "1", "--only": "status"}, elsewhere="tests/unit/test_bench_start.py"
    ),
    "bench up": How(values={"--times": "1", "--scale": "0.01"}, elsewhere=BENCH),
    "bench pages": How(values={"--spans": "1000", "--times": "1"}, elsewhere=BENCH),
}  # fmt: skip
GOES_ON = {("logs", "--follow"), ("logs", "-f")}
ELSEWHERE = {
    ("up", "--foreground"): LIFECYCLE,
    # It asks the engine when a tool is called.
    ("mcp", "--docker"): "tests/integration/test_mcp_transports.py",
}
TOGETHER = "all options"
COMMANDS = {command.name: command for command in all_commands()}


@dataclass(frozen=True, kw_only=True)
class Call:
    """One command line: its source, the command, its arguments, and its environment variables."""

    source: str
    command: Command
    arguments: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.command.name} {shlex.join(self.arguments)} ({self.source})"

    @property
    def how(self) -> How:
        return HOW[self.command.name]

    @property
    def key(self) -> tuple[object, ...]:
        """What makes two calls the same."""
        return self.command.name, self.arguments, tuple(self.variables.items())

    @property
    def is_run_here(self) -> bool:
        if {(self.command.name, word) for word in self.arguments} & set(ELSEWHERE):
            return False
        if "--docker" in self.arguments:
            return True  # no engine answers, so that it changes nothing
        return self.source == TOGETHER if self.how.once else not self.how.elsewhere

    @property
    def lasts(self) -> bool:
        named = {(self.command.name, word) for word in self.arguments}
        return self.how.begun is not None or bool(named & GOES_ON)

    @property
    def statuses(self) -> frozenset[int]:
        """The exit statuses that are right for this call."""
        if "--docker" in self.arguments or "..." in self.variables.values():
            return REFUSED  # no engine answers; no key is valid
        if self.variables.get("DATADOG_AGENT") == "check":
            return REFUSED  # there is no checkout of the check
        if self.lasts:
            return frozenset({INTERRUPTED})
        return self.how.statuses


def of_the_command_line() -> Iterator[Call]:
    """Yield each command without options and with each of its options; all at once for one that lasts."""
    for command in COMMANDS.values():
        needed = tuple(command.arguments)
        yield Call(source="no option", command=command, arguments=needed)
        how, together = HOW[command.name], needed
        for option, parameter in command.options:
            given = (option,) if parameter.is_flag else (option, how.values[option])
            if not how.begun and not how.once:
                yield Call(source=option, command=command, arguments=(*needed, *given))
            elif option not in parameter.secondary_opts:
                together = (*together, *given)
        if how.begun or how.once:
            yield Call(source=TOGETHER, command=command, arguments=together)


def of_the_documents() -> Iterator[Call]:
    """Yield each command line of the documents."""
    for line in documented():
        if line.words != ("bench",):
            yield _parsed(line)


def _parsed(line: CommandLine) -> Call:
    name = next((n for n in (" ".join(line.words[:2]), line.words[0]) if n in COMMANDS), None)
    assert name, f"{line}: there is no such command"
    arguments = list(line.words[len(name.split()) :])
    if "--scale" in arguments:
        # Documented: the data of a lab keep their scale.
        arguments[arguments.index("--scale") + 1] = SCALE
    return Call(
        source=line.document,
        command=COMMANDS[name],
        arguments=tuple(arguments),
        variables=line.variables,
    )
