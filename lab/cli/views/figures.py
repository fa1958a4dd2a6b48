"""Formats of figures: with their unit, and with significant digits only."""

from copy import copy

from rich.console import Console, ConsoleOptions, JustifyMethod, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

SECOND_MS = 1_000
BAR_WIDTH = 20
# A ratio that one decimal of its percentage would round to 0 or to 100.
SMALL = 0.0005
# The width of a bar.
WIDEST = 10_000


def ms(value: float | None) -> str:
    """Format milliseconds.

    >>> ms(0.04), ms(7.25), ms(394.18), ms(12_345.6), ms(None)
    ('0.04 ms', '7.2 ms', '394 ms', '12.3 s', '-')
    """
    if value is None:
        return "-"
    if value >= 10 * SECOND_MS:
        return f"{value / SECOND_MS:.1f} s"
    return f"{value:.2g} ms" if value < 10 else f"{value:.0f} ms"  # noqa: PLR2004


def count(value: float | None) -> str:
    """Format a count.

    >>> count(12_345.0), count(None)
    ('12,345', '-')
    """
    return "-" if value is None else f"{value:,.0f}"


def seconds(value: float | None) -> str:
    """Format an age.

    >>> seconds(0.04), seconds(75)
    ('0.0 s', '1 min 15 s')
    """
    if value is None:
        return "-"
    minutes, rest = divmod(value, 60)
    return f"{minutes:.0f} min {rest:.0f} s" if minutes else f"{value:.1f} s"


def share(value: float | None) -> str:
    """Format a ratio of 0 to 1; one just below 1 is not 100 %, and one just above 0 is not 0 %.

    >>> share(0.0), share(0.0004), share(0.256), share(0.9999), share(1.0)
    ('0.0 %', '<0.1 %', '25.6 %', '>99.9 %', '100.0 %')
    """
    if value is None:
        return "-"
    if 0 < value < SMALL or 1 - SMALL < value < 1:
        return "<0.1 %" if value < SMALL else ">99.9 %"
    return f"{100 * value:.1f} %"


def signed(value: float, form: str, unit: str = "") -> str:
    """Format a difference with its sign; none where it is rounded to 0.

    >>> signed(-0.02, ".1f", " %"), signed(-2.0, ",.0f"), signed(0.5, ".3f", " ms")
    ('0 %', '-2', '+0.500 ms')
    """
    text = f"{value:+{form}}"
    return f"{text if float(text.replace(',', '')) else '0'}{unit}"


def shortened(text: str, width: int) -> str:
    """Put a text on one line, of at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 1]}…"


def bar(start: float, length: float, whole: float, *, width: int = BAR_WIDTH) -> Text:
    """Draw a part of a whole to scale; a part above zero has at least one cell.

    >>> bar(25, 50, 100, width=8).plain
    '  ████  '
    """
    scale = width / whole if whole else 0.0
    begin = min(round(start * scale), width - 1)
    cells = max(min(round(length * scale), width - begin), 1)
    return Text(" " * begin + "█" * cells + " " * (width - begin - cells), style="cyan")


def grid(*columns: str, right: tuple[str, ...] = (), wraps: str | None = None) -> Table:
    """Return a table with dim headings and without lines.

    Args:
        columns: their headings.
        right: the columns with numbers.
        wraps: the column that wraps in a narrow terminal; the others do not.
    """
    table = Table(box=None, pad_edge=False, header_style="dim", collapse_padding=True)
    for column in columns:
        justify: JustifyMethod = "right" if column in right else "left"
        table.add_column(column, justify=justify, no_wrap=column != wraps)
    return table


class OneLine:
    """A text on one line; its last part is left out where it does not fit, and the rest is shortened."""

    def __init__(self, text: Text, last: Text) -> None:
        self._text, self._last = text, last

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the line."""
        whole = self._text + self._last
        shown = whole if whole.cell_len <= options.max_width else self._text
        shown.no_wrap, shown.overflow = True, "ellipsis"
        yield shown


class Fitting:
    """A table that drops its last columns in a narrow terminal."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the table."""
        endless = options.update(width=WIDEST)
        fitting = copy(self._table)
        while (
            len(fitting.columns) > 1
            and Measurement.get(console, endless, fitting).maximum > options.max_width
        ):
            fitting.columns = fitting.columns[:-1]
        yield fitting
