"""The command line: one file per command, and this one, which puts them together and words the errors.

A command imports what it needs when it is called, so that every call starts in a fraction of a second.
"""

import errno
import signal
import sys
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from lab.cli import (
    bench,
    compare,
    datadog,
    doctor,
    down,
    drill,
    logs,
    psql,
    queries,
    restart,
    sessions,
    status,
    test,
    trace,
    up,
    verify,
)
from lab.foundation.errors import LabError
from lab.terminal.streams import tolerate_any_encoding
from workload.errors import WorkloadError


class Interrupted(LabError):  # noqa: N818 - somebody's wish, not an error
    """Interrupted; what this call had started is stopped."""


class Commands(TyperGroup):
    """All commands; none of them lets typer end an interrupted call before it has had its say."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was named."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:
            raise Interrupted from interrupt


app = typer.Typer(
    name="creditlab",
    cls=Commands,
    help="Credit Lab: a credit workload on PostgreSQL 15, watched by two observability stacks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
PASS_ON = {"ignore_unknown_options": True, "allow_extra_args": True}

app.command()(up.up)
app.command()(down.down)
app.command()(restart.restart)
app.command()(status.status)
app.command()(logs.logs)
app.command()(trace.trace)
app.command()(queries.queries)
# A queryid may be negative, which is no option.
app.command(context_settings={"ignore_unknown_options": True})(queries.query)
app.command()(sessions.sessions)
app.command()(doctor.doctor)
app.command()(verify.verify)
app.command()(compare.compare)
app.add_typer(datadog.app, name="datadog")
app.add_typer(drill.app, name="drill")
app.command(context_settings=PASS_ON)(psql.psql)
app.command(context_settings=PASS_ON)(test.test)
app.command(context_settings={**PASS_ON, "help_option_names": []})(bench.bench)


def main() -> NoReturn:
    """Run one command; a mistake of the caller's ends in one message and exit status 2."""
    tolerate_any_encoding()
    try:
        app(prog_name="creditlab")
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
