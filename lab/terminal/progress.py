"""Progress bars."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from lab.terminal.screen import Screen


class Reached(Protocol):
    """Progress of a step: `done` of `total`."""

    @property
    def step(self) -> str:
        """The step's description."""

    @property
    def done(self) -> int:
        """Number of units that are complete."""

    @property
    def total(self) -> int:
        """Number of units in all."""


@contextmanager
def bar(console: Console) -> Iterator[Callable[[Reached], None]]:
    """Show a progress bar for each step that is reported, while the block runs."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as shown:
        tasks: dict[str, TaskID] = {}

        def report(reached: Reached) -> None:
            if reached.step not in tasks:
                tasks[reached.step] = shown.add_task(str(reached.step), total=None)
            shown.update(tasks[reached.step], completed=reached.done, total=reached.total)

        yield report


@contextmanager
def turns(console: Console, name: str, total: int | None) -> Iterator[Callable[[str], None]]:
    """Show the current turn of a measurement; `total` is how many there are, None when time decides."""
    if not console.is_terminal:
        screen = Screen()
        screen.begin(name)
        yield screen.wait
        return
    columns = (
        TextColumn("{task.description:<40}"),
        *(() if total is None else (BarColumn(), MofNCompleteColumn())),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task("", total=total, completed=-1)
        yield lambda turn: shown.update(task, description=turn, advance=1)
