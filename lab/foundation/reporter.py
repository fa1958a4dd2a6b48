"""What the life cycle tells while it works; the command line shows it, tests collect it."""

from typing import Protocol


class Reporter(Protocol):
    """Hears of each step as it begins, while it waits, and when it is done."""

    def begin(self, step: str, detail: str = "") -> None:
        """A step begins."""

    def wait(self, detail: str) -> None:
        """The step that began last waits for this."""

    def done(self, step: str, detail: str = "") -> None:
        """A step is done."""
