"""A push as a person reads it: a line for each monitor and dashboard, beneath it what differs."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lab.datadog.account import Account
from lab.datadog.definitions import PROJECT, Kind
from lab.datadog.push import Action, Step

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
    """Return the table, and the totals."""
    words = WOULD if dry_run else DONE
    table = Table("", "", "", "", box=None, pad_edge=False, show_header=False)
    for step in steps:
        mark, style = MARKS[step.action]
        table.add_row(
            Text(mark, style=style),
            Text(words[step.action], style=style),
            Text(step.title),
            Text(step.key or "", style="dim"),
        )
        for change in step.changes:
            table.add_row(
                "", "", Text(f"  {change.field}", style="dim"), _arrow(change.stored, change.ours)
            )
        if step.action is Action.LEAVE:
            table.add_row("", "", Text("  no file of datadog/ is it any more", style="dim"), "")
    totals = Counter(words[step.action] for step in steps)
    return Group(table, Text(), Text(", ".join(f"{n} {word}" for word, n in totals.items())))


def links(account: Account, steps: Sequence[Step]) -> RenderableType:
    """Return where a browser finds it all."""
    lines = Table("", "", box=None, pad_edge=False, show_header=False)
    query = quote(f'tag:"{PROJECT}"')
    lines.add_row("Monitors", Text(f"{account.web_url}/monitors/manage?q={query}", overflow="fold"))
    for step in steps:
        if step.kind is Kind.DASHBOARD and step.key:
            lines.add_row(step.title, f"{account.web_url}/dashboard/{step.key}")
    return Group(Text(), lines)


def _arrow(stored: Any, ours: Any) -> Text:
    return Text.assemble((_short(stored), "red"), " → ", (_short(ours), "green"))


def _short(value: Any) -> str:
    text = "(absent)" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"
