"""Terminal output of the commands: steps go to standard error, results to standard output."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.spinner import Spinner
from rich.text import Text

NAME_WIDTH = 18
# Without a terminal long work writes a line so often, because otherwise it seems to hang.
SAY_EVERY_S = 60.0


class _Output(Console):
    """rich's console; JSON is ASCII when the stream's encoding is not UTF-8."""

    def print_json(self, json: str | None = None, **options: Any) -> None:
        """Print a JSON document."""
        options.setdefault("ensure_ascii", not self.encoding.startswith("utf"))
        super().print_json(json, **options)


out = _Output(highlight=False)
err = Console(stderr=True, highlight=False)


def print_result(
    document: Callable[[], object], view: Callable[[], RenderableType], *, as_json: bool
) -> None:
    """Print a result: the document as JSON, or the view."""
    if as_json:
        out.print_json(data=document())
    else:
        out.print(view())


def warn(message: str) -> None:
    """Print a warning."""
    err.print(Text(f"  ! {message}", style="yellow"), soft_wrap=True)


class Screen:
    """Prints a line for each completed step, and a spinner for the current one; see `Reporter`."""

    def __init__(self) -> None:
        self._spinner = Spinner("dots", style="cyan")
        self._live: Live | None = None
        self._step = ""
        self._begun = self._said = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_live(self) -> bool:
        """Whether standard error is a terminal: progress is shown there, else steps and long waits."""
        return err.is_terminal

    def begin(self, step: str, detail: str = "") -> None:
        """A step begins."""
        self._step = step
        self._begun = self._said = time.monotonic()
        self._spin(detail)

    def wait(self, detail: str) -> None:
        """The step that began last waits for this; without a terminal it is written once a minute."""
        self._spin(detail)
        now = time.monotonic()
        if not self.is_live and now >= self._said + SAY_EVERY_S:
            self._said = now
            err.print(
                f"  · {self._step:<{NAME_WIDTH}} {detail}  {now - self._begun:.0f} s",
                soft_wrap=True,
            )

    def done(self, step: str, detail: str = "") -> None:
        """A step is done."""
        seconds = time.monotonic() - self._begun if step == self._step else 0.0
        line = Text.assemble(("  ✓ ", "green"), f"{step:<{NAME_WIDTH}} ", (detail, "dim"))
        if seconds >= 0.1:  # noqa: PLR2004
            line.append(f"  {seconds:.1f} s", "dim cyan")
        err.print(line, soft_wrap=True)

    @contextmanager
    def suspended(self) -> Iterator[Console]:
        """Remove the spinner while another display, such as a progress bar, uses the terminal."""
        self.close()
        yield err

    def close(self) -> None:
        """Remove the spinner."""
        if self._live:
            self._live.stop()
            self._live = None

    def _spin(self, detail: str) -> None:
        if not self.is_live:
            return
        width = max(err.width - NAME_WIDTH - 8, 10)
        first_line = detail.partition("\n")[0][:width]
        self._spinner.update(
            text=Text.assemble(f"{self._step:<{NAME_WIDTH}} ", (first_line, "dim"))
        )
        if not self._live:
            line = Padding(self._spinner, (0, 0, 0, 2))
            self._live = Live(line, console=err, transient=True, refresh_per_second=12.5)
            self._live.start()
