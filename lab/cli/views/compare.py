"""A comparison, rendered for a terminal."""

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lab.compare.answers import CLOSE_PERCENT, Answer, Compared, Comparison, number


def render(comparison: Comparison) -> RenderableType:
    """Return the questions, the cost of each role in PostgreSQL, and the observers' other costs."""
    lines = Table(box=None, pad_edge=False, header_style="dim")
    lines.add_column("question")
    lines.add_column("truth", justify="right")
    lines.add_column("Prometheus", justify="right")
    lines.add_column("Datadog", justify="right")
    for row in comparison.rows:
        lines.add_row(
            row.question,
            number(row.truth, row),
            _answer(row.prometheus, row),
            _answer(row.datadog, row),
        )
    costs = Table(box=None, pad_edge=False, header_style="dim", title_justify="left")
    costs.add_column("role")
    for heading in ("calls/s", "ms/s", "share", "blocks/s", "sessions"):
        costs.add_column(heading, justify="right")
    for cost in comparison.costs:
        costs.add_row(
            cost.role,
            f"{cost.calls_per_s:.2f}",
            f"{cost.ms_per_s:.2f}",
            f"{cost.share_percent:.1f} %",
            f"{cost.blocks_per_s:,.0f}",
            str(cost.sessions),
        )
    head = Text(f"The last {comparison.since_s:.0f} s. Datadog: {comparison.datadog}.", style="dim")
    for trouble in comparison.absent:
        head.append(f"\n{trouble}", style="red")
    takes = Table(box=None, pad_edge=False, header_style="dim")
    takes.add_column("observer")
    takes.add_column("")
    takes.add_column("figure", justify="right")
    for spent in comparison.spent:
        takes.add_row(
            spent.observer,
            spent.what,
            Text(str(spent), style="dim" if spent.value is None else ""),
        )
    asked = f"Cost of each role in PostgreSQL, over {comparison.costs_since_s / 60:.0f} min"
    besides = Text(
        "Cost of the observers outside the database (bytes: before compression)", style="bold"
    )
    parts = (head, lines, Text(""), Text(asked, style="bold"), costs, Text(""), besides, takes)
    return Padding(Group(*parts), (1, 2))


def _answer(answer: Answer, row: Compared) -> Text:
    if answer.value is None:
        return Text(f"cannot: {answer.why_not}", style="dim")
    text = Text(number(answer, row))
    error = row.error_percent(answer)
    if error is not None:
        text.append(f" {error:+.1f} %", style="green" if abs(error) < CLOSE_PERCENT else "yellow")
    if answer.age_s is not None:
        text.append(f" {answer.age_s:.0f} s old", style="dim")
    return text
