"""A bar for each step of something long."""

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
    TimeRemainingColumn,
)


class Reached(Protocol):
    """How far a step is: `done` of `total`."""

    @property
    def step(self) -> str:
        """What is done, in words."""

    @property
    def done(self) -> int:
        """So many are done."""

    @property
    def total(self) -> int:
        """Of so many."""


@contextmanager
def bar(console: Console) -> Iterator[Callable[[Reached], None]]:
    """Show a bar for each step that is reported, while the block runs."""
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
