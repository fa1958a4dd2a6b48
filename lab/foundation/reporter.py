"""Progress events of `up` and `down`: the command line shows them, tests collect them."""

from typing import Protocol


class Reporter(Protocol):
    """Receives the progress of each step."""

    def begin(self, step: str, detail: str = "") -> None:
        """A step begins."""

    def wait(self, detail: str) -> None:
        """The step that began last waits for this."""

    def done(self, step: str, detail: str = "") -> None:
        """A step is done."""
