"""The command line: one file per command, and this one, which puts them together and words the errors.

A command's module is imported when it is called, so that every call starts in a fraction of a second.
"""

import errno
import signal
import sys
from typing import Any, NoReturn

from lab.foundation.errors import LabError
from lab.terminal.commands import PASS_ON, Commands, Later
from lab.terminal.streams import tolerate_any_encoding
from workload.errors import WorkloadError


class Interrupted(LabError):  # noqa: N818 - somebody's wish, not an error
    """Interrupted; what this call had started is stopped."""


class Root(Commands):
    """All commands; none of them lets typer end an interrupted call before it has had its say."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was named."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:
            raise Interrupted from interrupt


# A queryid may be negative, which is no option.
NEGATIVE_ID = {"ignore_unknown_options": True}
app = Root(
    "creditlab",
    "Credit Lab: a credit workload on PostgreSQL 15, watched by two observability stacks.",
    Later(
        "up",
        "lab.cli.up:up",
        "Start the lab, or what is missing of it: in containers where a Docker engine answers.",
    ),
    Later(
        "down",
        "lab.cli.down:down",
        "Stop the lab: what runs of it, unless --docker or --native says which.",
    ),
    Later(
        "restart",
        "lab.cli.restart:restart",
        "Stop the lab and start it as it was; changed settings take effect.",
    ),
    Later("status", "lab.cli.status:status", "Show each component."),
    Later("logs", "lab.cli.logs:logs", "Show the last lines of the logs."),
    Later(
        "trace",
        "lab.cli.trace:trace",
        "Show a trace's statements, with the plan that each was executed by.",
    ),
    Later(
        "queries", "lab.cli.queries:queries", "List the statements that did most in the last hour."
    ),
    Later(
        "query",
        "lab.cli.queries:query",
        "Show one statement: both observers, its plans over time, its slowest executions, its tables.",
        NEGATIVE_ID,
    ),
    Later(
        "sessions",
        "lab.cli.sessions:sessions",
        "Show live sessions and who blocks whom. Exit status 1 when PostgreSQL does not answer.",
    ),
    Later(
        "doctor",
        "lab.cli.doctor:doctor",
        "Check a PostgreSQL for all that Database Monitoring and the exporter need.",
    ),
    Later(
        "verify",
        "lab.cli.verify:verify",
        "Check every invariant, and the counters of the services against the database.",
    ),
    Later(
        "compare",
        "lab.cli.compare:compare",
        "Ask both observers the same, and show how far they are from the truth; and what they cost.",
    ),
    Later("datadog", "lab.cli.datadog:group", "Work with a Datadog account."),
    Later(
        "drill",
        "lab.cli.drill:group",
        "Make a fault on purpose, prove it in PostgreSQL, heal it, and see who noticed.",
    ),
    Later(
        "psql",
        "lab.cli.psql:psql",
        "Open psql in the lab's database; further arguments are psql's own.",
        PASS_ON,
    ),
    Later(
        "test",
        "lab.cli.test:test",
        "Check style and types, then run the tests, twice; with arguments, only pytest with these.",
        PASS_ON,
    ),
    Later("bench", "lab.bench:group", "Measure the lab beside pgbench, on the server that runs."),
)


def main() -> NoReturn:
    """Run one command; a mistake of the caller's ends in one message and exit status 2."""
    tolerate_any_encoding()
    try:
        app.main(prog_name="creditlab")
    except Interrupted as interrupt:
        _complain(str(interrupt))
        _end_by_interrupt()
    except (LabError, WorkloadError) as error:
        _complain(str(error))
        sys.exit(getattr(error, "exit_status", 2))
    except OSError as error:
        _complain(_explain(error))
        sys.exit(2)
    sys.exit(0)


def _end_by_interrupt() -> NoReturn:
    """End as a program without a handler does: a shell reports 130, and leaves the loop it is in.

    An exit status would not do. Python itself ends this way, whatever the status, when the interrupt
    happened to pass through `exec` of a string, as in the making of a dataclass.
    """
    sys.stdout.flush()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.raise_signal(signal.SIGINT)
    raise AssertionError("the signal ends the process")


def _complain(message: str) -> None:
    first, _, rest = message.partition("\n")
    bold, plain = ("\x1b[1;31m", "\x1b[0m") if sys.stderr.isatty() else ("", "")
    sys.stderr.write(f"{bold}creditlab: {first}{plain}\n{rest}{chr(10) if rest else ''}")


def _explain(error: OSError) -> str:
    where = f": {error.filename}" if error.filename else ""
    way_out = {
        errno.ENOSPC: "\nFree some space on that file system, then try again; nothing was lost.",
        errno.EACCES: "\nThe file belongs to somebody else, perhaps because an earlier call was made as"
        " root.\nCall it as that user, or set LAB_STATE_DIR to a directory of your own.",
        errno.EROFS: "\nSet LAB_STATE_DIR to a directory that can be written.",
    }
    return f"{error.strerror or error}{where}{way_out.get(error.errno or 0, '')}"
