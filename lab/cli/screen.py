"""What the life cycle looks like in a terminal. Steps go to standard error, results to standard output."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from rich.console import Console
from rich.status import Status as Spinner
from rich.text import Text

NAME_WIDTH = 18

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


class Screen:
    """A line for each step that is done, and a spinner for the one under way; see `Reporter`."""

    def __init__(self) -> None:
        self._spinner: Spinner | None = None
        self._step = ""
        self._begun = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def begin(self, step: str, detail: str = "") -> None:
        """A step begins."""
        self._step = step
        self._begun = time.monotonic()
        self._spin(detail)

    def wait(self, detail: str) -> None:
        """The step that began last waits for this."""
        self._spin(detail)

    def done(self, step: str, detail: str = "") -> None:
        """A step is done."""
        seconds = time.monotonic() - self._begun if step == self._step else 0.0
        line = Text.assemble(("  ✓ ", "green"), f"{step:<{NAME_WIDTH}} ", (detail, "dim"))
        if seconds >= 0.1:  # noqa: PLR2004
            line.append(f"  {seconds:.1f} s", "dim cyan")
        err.print(line, soft_wrap=True)

    @contextmanager
    def stepped_aside(self) -> Iterator[Console]:
        """Lend the terminal to another display, such as a progress bar."""
        self.close()
        yield err

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._spinner:
            self._spinner.stop()
            self._spinner = None

    def _spin(self, detail: str) -> None:
        first_line = detail.partition("\n")[0]
        width = max(err.width - NAME_WIDTH - 8, 10)
        text = Text.assemble(f"{self._step:<{NAME_WIDTH}} ", (first_line[:width], "dim"))
        if not err.is_terminal:
            return
        if self._spinner:
            self._spinner.update(text)
        else:
            self._spinner = err.status(text, spinner="dots", spinner_style="cyan")
            self._spinner.start()
