"""Thresholds of signals and their errors on held-out minutes, rendered for a terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lab.judge.evidence import TITLES

if TYPE_CHECKING:
    from lab.judge.tuning import Errors, Stretch, Tuned

NOTE = (
    "base: highest level without a fault; fault: lowest level with it, both in the tuning half. FP and miss:"
    " false positives and missed faults of the other half, with the declared threshold, and with the tuned"
    " one. A hyphen: no such stretch."
)


def results(found: Sequence["Tuned"], stretches: Sequence["Stretch"]) -> RenderableType:
    """Return one line for each signal that a recorded stretch has, by drill."""
    lines = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    lines.add_column("signal", ratio=1)
    for heading in ("base", "fault", "above", "FP\nmiss", "tuned", "FP\nmiss"):
        lines.add_column(heading, justify="right")
    drill = ""
    for one in found:
        if one.quiet is None and one.fault is None:
            continue
        if one.drill != drill:
            drill = one.drill
            lines.add_row(Text(drill, style="bold"))
        lines.add_row(
            f"{TITLES[one.observer]}: {one.says}",
            _number(one.quiet),
            _number(one.fault),
            _number(one.current),
            _errors(one.with_current),
            _number(one.tuned),
            _errors(one.with_tuned),
        )
    quiet = sum(stretch.fault is None for stretch in stretches)
    judged = f"{quiet} minutes without a fault and {len(stretches) - quiet} faults were recorded."
    notes = Text(f"{judged} {NOTE}", style="dim")
    return Padding(Group(lines, notes), (1, 1))


def _errors(found: "Errors | None") -> Text:
    if found is None:
        return Text("-", style="dim")
    style = "red" if found.total else ""
    false = f"{found.false_positives}/{found.minutes}" if found.minutes else "-"
    missed = f"{found.misses}/{found.faults}" if found.faults else "-"
    return Text(f"{false} {missed}", style=style)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
