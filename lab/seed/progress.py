"""How far the seed is: the fact that loading emits, and the bar that shows it to a person."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress


class Step(StrEnum):
    """What the seed does at a moment, in this order; the value is what a person reads."""

    ROWS = "seeding rows"
    INDEXES = "building indexes"
    STATISTICS = "gathering statistics"


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """`done` of `total` rows, indexes and constraints, or tables, by step; rows are an estimate."""

    step: Step
    done: int
    total: int


Report = Callable[[Progress], None]


@contextmanager
def bar(console: Console) -> Iterator[Report]:
    """Show a progress bar while the block runs; gives what `ensure` takes as `progress`."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with RichProgress(*columns, console=console, transient=True) as shown:
        tasks = {step: shown.add_task(step.value, total=None, visible=False) for step in Step}

        def report(progress: Progress) -> None:
            shown.update(
                tasks[progress.step], completed=progress.done, total=progress.total, visible=True
            )

        yield report
