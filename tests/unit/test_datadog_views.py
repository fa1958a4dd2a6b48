"""A push to Datadog in a terminal, line by line: what is done, and how each field differs."""

import io

import pytest
from rich.console import Console, RenderableType

from lab.cli.datadog.walkthrough import WALKTHROUGH, filled
from lab.cli.views import datadog as view
from lab.datadog.definitions import Kind
from lab.datadog.difference import Change
from lab.datadog.push import Action, Step


def lines(printed: RenderableType) -> list[str]:
    screen = Console(file=io.StringIO(), width=200)
    screen.print(printed)
    text: str = screen.file.getvalue()  # type: ignore[attr-defined]
    return [line.rstrip() for line in text.splitlines()]


def step(action: Action, *changes: Change, key: str | None = "7") -> Step:
    return Step(
        action=action,
        kind=Kind.MONITOR,
        identity="i",
        title=f"a {action.value}",
        key=key,
        changes=changes,
    )


def test_each_step_is_a_line_with_what_differs_below_it() -> None:
    """A dry run shows what would be done; totals are at the end."""
    steps = [
        step(Action.CREATE, key=None),
        step(Action.UPDATE, Change(field="options.x", stored=None, ours=[1, 2])),
        step(Action.NOTHING),
        step(Action.NOTHING),
        step(Action.LEAVE),
    ]
    titles = [each.title for each in steps]
    assert lines(view.render(steps, dry_run=False)) == [
        f"+ created      {titles[0]}",
        f"~ updated      {titles[1]}  7",
        "               options.x",
        "                 (absent) → [1, 2]",
        f"= unchanged    {titles[2]}  7",
        f"= unchanged    {titles[3]}  7",
        f"? left         {titles[4]}  7",
        "               no file in datadog/ defines it",
        "",
        "1 created, 1 updated, 2 unchanged, 1 left",
    ]
    planned = lines(view.render(steps, dry_run=True))
    assert planned[0] == f"+ would create {titles[0]}"
    assert planned[-1] == "1 would create, 1 would update, 2 unchanged, 1 would leave"


@pytest.mark.parametrize(
    ("stored", "ours", "shown"),
    [
        ("one", "two", "one → two"),
        ("the same begin, a", "the same begin, b", "…me begin, a → …me begin, b"),
        ("0123456789a", "0123456789b", "0123456789a → 0123456789b"),
        ("0123456789xa", "0123456789xb", "…123456789xa → …123456789xb"),
        ("a\n b", "c", "a b → c"),
        ("x" * 60, "y", f"{'x' * 60} → y"),
        ("x" * 61, "y", f"{'x' * 59}… → y"),
        (["x" * 56], 1, f'["{"x" * 56}"] → 1'),
        (["x" * 57], 1, "a list of 1 → 1"),
        ({"é": True}, None, '{"é": true} → (absent)'),
    ],
)
def test_both_values_are_cut_to_where_they_differ(stored: object, ours: object, shown: str) -> None:
    changed = step(Action.UPDATE, Change(field="f", stored=stored, ours=ours))
    assert lines(view.render([changed], dry_run=True))[2].strip() == shown


def test_the_walkthrough_has_the_links_of_the_site_and_the_trace() -> None:
    """Every page that it names is one that the lab links to, or one of Datadog's documentation."""
    text = WALKTHROUGH.read_text(encoding="utf-8")
    found = filled(text, "datadoghq.eu", "a" * 32)
    assert "app.datadoghq.com" not in found
    assert f"https://app.datadoghq.eu/apm/trace/{'a' * 32}" in found
    assert "TRACE_ID" in filled(text, "us5.datadoghq.com", None)
    assert "https://us5.datadoghq.com/databases/list" in filled(text, "us5.datadoghq.com", None)
