"""`bench start`: how long each command takes to start, beside the libraries without which none starts.

CPU time, not wall time: on a busy machine a process waits longer, and its CPU time hardly changes.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer
from rich.table import Table

from lab.bench.grid import grid
from lab.bench.machine import publish, watched
from lab.foundation.settings import ROOT
from lab.terminal.interruption import interruptible
from lab.terminal.options import AsJson, chosen
from lab.terminal.screen import Screen

CLAIM = 0.1
# `--help` prints with rich, settings are pydantic's.
SETTINGS = "from pydantic import BaseModel, Field, SecretStr, ValidationError"
FLOOR = f"import dotenv, rich.console, typer._adapters, typer.rich_utils; {SETTINGS}"
MCP_FLOOR = f"import dotenv, mcp.server.mcpserver, rich.console, typer._adapters; {SETTINGS}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """CPU seconds of a start: of the command, and of Python with the libraries that it needs in any case."""

    command: str
    cpu_s: float
    floor_s: float

    @property
    def ratio(self) -> float:
        """The command's CPU time divided by that of its libraries."""
        return self.cpu_s / self.floor_s


def start(
    context: typer.Context,
    times: Annotated[
        int, typer.Option(help="Starts of each; the fastest counts.", min=1, max=100, metavar="N")
    ] = 5,
    only: Annotated[str | None, typer.Option(help="Only these commands.", metavar="A,B")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure the CPU time in which each command starts, beside that of its libraries."""
    every = list(_words(context.find_root().command))
    commands = chosen(only, "--only", "command", every)
    with interruptible(), watched(CLAIM) as watch, Screen() as screen:
        screen.begin("start")
        found = list(measure(commands, times, screen))
    document = {"starts": [{**asdict(each), "ratio": round(each.ratio, 2)} for each in found]}
    publish(watch, document, lambda: _table(found), as_json=as_json)


def measure(commands: Sequence[str], times: int, screen: Screen) -> Iterator[Start]:
    """Yield the start of each command by `--help`; that of `mcp` also with its server and an empty input."""
    python = [sys.executable, "-P"]
    floor_s = _fastest([*python, "-c", FLOOR], times)
    for command in commands:
        screen.wait(command)
        words = [*python, "-m", "lab", *command.split()]
        yield Start(command=command, cpu_s=_fastest([*words, "--help"], times), floor_s=floor_s)
        if command == "mcp":
            mcp_s = _fastest([*python, "-c", MCP_FLOOR], times)
            yield Start(command="mcp, serving", cpu_s=_fastest(words, times), floor_s=mcp_s)


def _words(group: Any, before: str = "") -> Iterator[str]:
    for name, command in group.commands.items():
        loaded = command.load() if command.target.endswith(":group") else None
        if loaded is None:
            yield f"{before}{name}"
        else:
            yield from _words(loaded, f"{before}{name} ")


def _fastest(arguments: Sequence[str], times: int) -> float:
    return min(cpu_s(arguments) for _ in range(times))


def cpu_s(arguments: Sequence[str]) -> float:
    """Return the CPU time of a process with an empty input, user and system, in seconds."""
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(arguments, cwd=ROOT, stdin=quiet, stdout=quiet, stderr=quiet)
    _, _, used = os.wait4(process.pid, 0)
    process.returncode = 0
    return used.ru_utime + used.ru_stime


def _table(found: Sequence[Start]) -> Table:
    table = grid("CPU time of a start, s", "command", "libraries", "ratio")
    for each in found:
        table.add_row(each.command, f"{each.cpu_s:.2f}", f"{each.floor_s:.2f}", f"{each.ratio:.2f}")
    return table
