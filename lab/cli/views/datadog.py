"""A push, rendered for a terminal: a line for each monitor and dashboard, and below it the differences."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from lab.cli.views import figures
from lab.datadog.definitions import PROJECT, Kind
from lab.datadog.push import Action, Step

if TYPE_CHECKING:
    from lab.datadog.account import Account

WIDTH = 60
MARKS = {
    Action.CREATE: ("+", "green"),
    Action.UPDATE: ("~", "yellow"),
    Action.NOTHING: ("=", "dim"),
    Action.LEAVE: ("?", "magenta"),
}
WOULD = {
    Action.CREATE: "would create",
    Action.UPDATE: "would update",
    Action.NOTHING: "unchanged",
    Action.LEAVE: "would leave",
}
DONE = {
    Action.CREATE: "created",
    Action.UPDATE: "updated",
    Action.NOTHING: "unchanged",
    Action.LEAVE: "left",
}


def render(steps: Sequence[Step], *, dry_run: bool) -> RenderableType:
    """Return the lines, and the totals."""
    words = WOULD if dry_run else DONE
    totals = Counter(words[step.action] for step in steps)
    lines = [line for step in steps for line in _lines(step, words[step.action])]
    return Group(*lines, Text(), Text(", ".join(f"{n} {word}" for word, n in totals.items())))


def links(account: "Account", steps: Sequence[Step]) -> RenderableType:
    """Return the addresses of the monitors and dashboards in the web UI."""
    query = quote(f'tag:"{PROJECT}"')
    monitors = f"{account.web_url}/monitors/manage?q={query}"
    dashboards = [
        f"Dashboard  {account.web_url}/dashboard/{step.key}"
        for step in steps
        if step.kind is Kind.DASHBOARD and step.key
    ]
    return Text("\n".join(["", f"Monitors   {monitors}", *dashboards]))


def _lines(step: Step, word: str) -> Iterator[RenderableType]:
    mark, style = MARKS[step.action]
    yield Text.assemble(
        (f"{mark} {word:<13}", style), step.title, (f"  {step.key or ''}".rstrip(), "dim")
    )
    for change in step.changes:
        stored, ours = _side_by_side(change.stored, change.ours)
        yield Padding(Text(change.field, style="dim"), (0, 0, 0, 15))
        yield Padding(Text.assemble((stored, "red"), " → ", (ours, "green")), (0, 0, 0, 17))
    if step.action is Action.LEAVE:
        yield Padding(Text("no file in datadog/ defines it", style="dim"), (0, 0, 0, 15))


def _side_by_side(stored: Any, ours: Any) -> tuple[str, str]:
    """Return both, truncated; two long texts are truncated to the first difference."""
    if isinstance(stored, str) and isinstance(ours, str):
        same = next((i for i, (a, b) in enumerate(zip(stored, ours, strict=False)) if a != b), 0)
        start = max(same - 10, 0)
        before = "…" if start else ""
        return (
            figures.shortened(before + stored[start:], WIDTH),
            figures.shortened(before + ours[start:], WIDTH),
        )
    return _short(stored), _short(ours)


def _short(value: Any) -> str:
    if value is None:
        return "(absent)"
    text = json.dumps(value, ensure_ascii=False)
    if isinstance(value, list) and len(text) > WIDTH:
        return f"a list of {len(value)}"
    return figures.shortened(text, WIDTH)
