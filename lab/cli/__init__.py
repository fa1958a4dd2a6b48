"""The command line: one file per command; this one registers the commands and prints errors.

A command's module is imported when the command is called, to keep the start time low.
"""

import errno
import signal
import sys
from io import TextIOWrapper
from typing import Any, NoReturn

from lab.foundation.errors import LabError
from lab.terminal.commands import PASS_ON, CommandGroup, LazyCommand
from workload.errors import WorkloadError


class Interrupted(LabError):  # noqa: N818 - a request of the user, not an error
    """Interrupted; processes that this call started are stopped."""


HELP = frozenset({"--help", "-h"})


class Root(CommandGroup):
    """All commands; an interrupt raises `Interrupted` instead of typer's own exit."""

    def invoke(self, ctx: Any) -> Any:
        """Run the named command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:
            raise Interrupted from interrupt

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command of these arguments; in an exam only when its doors are open."""
        name, command, rest = super().resolve_command(ctx, args)
        if name in self.commands and not HELP & set(rest):
            # Imported here: the help of the group needs neither settings nor exams.
            from lab.cli import doors  # noqa: PLC0415

            ctx.call_on_close(doors.enter(name, rest))
        return name, command, rest


# A queryid may be negative, and must not be parsed as an option.
NEGATIVE_ID = {"ignore_unknown_options": True}
app = Root(
    "creditlab",
    "Credit Lab: a credit workload on PostgreSQL 15, watched by two observability stacks.",
    LazyCommand(
        "up",
        "lab.cli.up:up",
        "Start the lab, or its missing components: in containers if a Docker engine is available.",
    ),
    LazyCommand(
        "down",
        "lab.cli.down:down",
        "Stop the running lab; --docker or --native selects one.",
    ),
    LazyCommand(
        "restart",
        "lab.cli.restart:restart",
        "Stop the lab and start it with the same options; changed settings take effect.",
    ),
    LazyCommand("status", "lab.cli.status:status", "Show each component."),
    LazyCommand("logs", "lab.cli.logs:logs", "Show the last lines of the logs."),
    LazyCommand(
        "trace",
        "lab.cli.trace:trace",
        "Show the statements of a trace, each with its executed plan.",
    ),
    LazyCommand("queries", "lab.cli.queries:queries", "List the top statements of the last hour."),
    LazyCommand(
        "query",
        "lab.cli.queries:query",
        "Show one statement: both observers, its plans over time, its slowest executions, its tables.",
        NEGATIVE_ID,
    ),
    LazyCommand(
        "sessions",
        "lab.cli.sessions:sessions",
        "Show live sessions and the blocking tree. Exit status 1 when PostgreSQL does not answer.",
    ),
    LazyCommand(
        "doctor",
        "lab.cli.doctor:doctor",
        "Check a PostgreSQL server for the requirements of Database Monitoring and of the exporter.",
    ),
    LazyCommand(
        "verify",
        "lab.cli.verify:verify",
        "Check every invariant, and the counters of the services against the database.",
    ),
    LazyCommand(
        "compare",
        "lab.cli.compare:compare",
        "Compare the answers of both observers with the ground truth, and show what observing costs.",
    ),
    LazyCommand(
        "tour",
        "lab.cli.tour:tour",
        "Show the lab in five steps: load, slow request, incident, two observers, cost.",
    ),
    LazyCommand(
        "sheet",
        "lab.cli.sheet:decision_sheet",
        "Show which stack detected which incidents, how soon, in what detail, and at what cost.",
    ),
    LazyCommand("datadog", "lab.cli.datadog:group", "Work with a Datadog account."),
    LazyCommand(
        "drill",
        "lab.cli.drill:group",
        "Inject a fault, prove it in PostgreSQL, heal it, and show which observers detected it.",
    ),
    LazyCommand(
        "mcp",
        "lab.mcp.command:mcp",
        "Serve the lab's evidence to AI agents and scripts: a Model Context Protocol server, read-only.",
    ),
    LazyCommand(
        "exam",
        "lab.cli.exam:group",
        "Take an exam: find an unknown fault with the evidence of selected observers.",
    ),
    LazyCommand(
        "psql",
        "lab.cli.psql:psql",
        "Open psql in the lab's database; further arguments are psql's own.",
        PASS_ON,
    ),
    LazyCommand(
        "test",
        "lab.cli.test:test",
        "Check style and types, then run the tests, twice; with arguments, only pytest with these.",
        PASS_ON,
    ),
    LazyCommand(
        "bench",
        "lab.bench:group",
        "Measure the lab and compare it with pgbench, on the running server.",
    ),
)


def main() -> NoReturn:
    """Run one command; an error ends in one message and exit status 2."""
    _tolerate_any_encoding()
    try:
        app.main(prog_name="creditlab")
    except Interrupted as interrupt:
        _print_error(str(interrupt))
        _end_by_interrupt()
    except (LabError, WorkloadError) as error:
        _print_error(str(error))
        sys.exit(getattr(error, "exit_status", 2))
    except OSError as error:
        _print_error(_explain(error))
        sys.exit(2)
    sys.exit(0)


def _tolerate_any_encoding() -> None:
    """Write `?` for characters that a stream's encoding lacks, such as the marks of `status` in Latin-1."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def _end_by_interrupt() -> NoReturn:
    """End by SIGINT, like a program without a handler: a shell reports 130 and ends its loop.

    An exit status is not enough. Python itself ends this way, with any status, when the interrupt passed
    through `exec` of a string, as when a dataclass is created.
    """
    sys.stdout.flush()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.raise_signal(signal.SIGINT)
    raise AssertionError("the signal ends the process")


def _print_error(message: str) -> None:
    first, _, rest = message.partition("\n")
    bold, plain = ("\x1b[1;31m", "\x1b[0m") if sys.stderr.isatty() else ("", "")
    sys.stderr.write(f"{bold}creditlab: {first}{plain}\n{rest}{chr(10) if rest else ''}")


def _explain(error: OSError) -> str:
    where = f": {error.filename}" if error.filename else ""
    way_out = {
        errno.ENOSPC: "\nFree space on that file system, then retry; no data was lost.",
        errno.EACCES: "\nThe file belongs to another user, for example because an earlier call ran as"
        " root.\nRun the command as that user, or set LAB_STATE_DIR to a directory that you own.",
        errno.EROFS: "\nSet LAB_STATE_DIR to a writable directory.",
    }
    return f"{error.strerror or error}{where}{way_out.get(error.errno or 0, '')}"
