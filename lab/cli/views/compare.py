"""A comparison, rendered for a terminal of 80 columns or more."""

import re

from rich.console import Group as Stack
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lab.compare.answers import CLOSE_PERCENT, Answer, Compared, Group
from lab.compare.comparison import EXACT_PERCENT, Comparison
from lab.compare.wording import LEGEND, error_text, number

SIDES = ("prometheus", "datadog")
# Three values, two errors of up to 7 characters and a question fit into 80 columns, with a space between two.
WIDEST, NARROWEST_QUESTION = 14, 19
# A name is divided after these, and not within a word.
SEPARATORS = re.compile(r"[^-_]*[-_]|[^-_]+")


def render(comparison: Comparison, *, only: Group | None = None) -> RenderableType:
    """Return the summary, the questions by group, the cost of each role, and the observers' other costs.

    With `only`, the summary and the questions of that group.
    """
    notes: dict[str, int] = {}
    parts: list[RenderableType] = [_head(comparison), _summary(comparison)]
    parts.append(Text(f"\n{LEGEND}. [n]: cannot answer, see below.", style="dim"))
    for group, rows in comparison.groups().items():
        if only not in (None, group):
            continue
        parts += [Text(f"\n{group.value}", style="bold"), _questions(rows, notes)]
    if notes:
        parts.append(Text("\ncannot answer", style="bold"))
        parts += [_note(number_, why_not) for why_not, number_ in notes.items()]
    if only is not None:
        return Padding(Stack(*parts), (1, 0))
    title = f"\nCost of each role in PostgreSQL, over {comparison.costs_since_s / 60:.0f} min"
    parts += [Text(title, style="bold"), _costs(comparison)]
    title = "\nCost of the observers outside the database (bytes: before compression)"
    parts += [Text(title, style="bold"), _spent(comparison)]
    return Padding(Stack(*parts), (1, 0))


def _table(*columns: str, left: int = 1) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index < left else "right", overflow="fold")
    return table


def _head(comparison: Comparison) -> Text:
    head = Text(f"The last {comparison.since_s:.0f} s", style="dim")
    if comparison.since_s < comparison.asked_s - 1:
        head.append(
            f" (of {comparison.asked_s:.0f} s: the window that both stacks and the truth have)"
        )
    head.append(f". Datadog: {comparison.datadog}.")
    for trouble in comparison.absent:
        head.append(f"\n{trouble}", style="red")
    return head


def _summary(comparison: Comparison) -> Table:
    table = _table("\nstack", "\nanswered", f"error\n<= {EXACT_PERCENT:g} %", "\ncannot",
                   "wrong at own\nmoments", "median\nage", "median\nresolution",
                   "ms/s in\nPostgreSQL")  # fmt: skip
    for one in comparison.summaries():
        table.add_row(
            one.stack,
            f"{one.answered} of {one.questions}",
            str(one.exact),
            f"{one.cannot_percent:g} %",
            str(one.observer_errors),
            _seconds(one.age_s),
            _seconds(one.resolution_s),
            "-" if one.ms_per_s is None else f"{one.ms_per_s:.2f}",
        )
    return table


def _questions(rows: list[Compared], notes: dict[str, int]) -> Table:
    table = _table("question", "truth", "Prometheus", "%", "Datadog", "%")
    table.columns[0].min_width = NARROWEST_QUESTION
    for column in (1, 2, 4):
        table.columns[column].max_width = WIDEST
    for row in rows:
        cells: list[Text] = [Text(row.question)]
        cells.append(Text(_value(row.truth, row, notes), style="" if row.truth.value else "dim"))
        for side in SIDES:
            answer: Answer = getattr(row, side)
            cells.append(
                Text(_value(answer, row, notes), style="dim" if answer.value is None else "")
            )
            cells.append(Text(error_text(row, answer), style=_style(row, answer)))
        table.add_row(*cells)
    for column in (3, 5):
        table.columns[column].no_wrap = True
    return table


def _value(answer: Answer, row: Compared, notes: dict[str, int]) -> str:
    if answer.value is None:
        return f"[{notes.setdefault(answer.why_not, len(notes) + 1)}]"
    return number(answer, row) if isinstance(answer.value, float) else _divided(number(answer, row))


def _divided(text: str) -> str:
    """Divide names that are longer than the column after a separator, so that no word is cut."""
    return " ".join(_lines(word) for word in text.split(" "))


def _lines(word: str) -> str:
    lines = [""]
    for part in SEPARATORS.findall(word):
        if lines[-1] and len(lines[-1]) + len(part) > WIDEST:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def _style(row: Compared, answer: Answer) -> str:
    error = row.error_percent(answer)
    return "" if error is None else "green" if abs(error) < CLOSE_PERCENT else "yellow"


def _note(index: int, why_not: str) -> Padding:
    return Padding(Text(f"[{index}] {why_not}", style="dim"), 0)


def _costs(comparison: Comparison) -> Table:
    table = _table("role", "calls/s", "ms/s", "share", "blocks/s", "sessions")
    for cost in comparison.costs:
        table.add_row(
            cost.role,
            f"{cost.calls_per_s:.2f}",
            f"{cost.ms_per_s:.2f}",
            f"{cost.share_percent:.1f} %",
            f"{cost.blocks_per_s:,.0f}",
            str(cost.sessions),
        )
    return table


def _spent(comparison: Comparison) -> Table:
    table = _table("observer", "", "figure", left=2)
    for spent in comparison.spent:
        figure = Text(str(spent), style="dim" if spent.value is None else "")
        table.add_row(spent.observer, spent.what, figure)
    return table


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"
