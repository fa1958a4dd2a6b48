"""`drill exercise` and `drill booklet`: each drill as a lesson."""

from pathlib import Path
from typing import Annotated

import typer
from rich.padding import Padding
from rich.text import Text

from lab.foundation.plural import plural
from lab.learn import exercises
from lab.terminal.screen import out

MOST_HINTS = 20


def exercise(
    key: Annotated[str, typer.Argument(metavar="NUMBER|DRILL", help="1 to 22, or a drill's name.")],
    hints: Annotated[
        int, typer.Option(help="Show so many hints.", min=0, max=MOST_HINTS, metavar="N")
    ] = 0,
    answer: Annotated[bool, typer.Option("--answer", help="Show the answer.")] = False,
) -> None:
    """Show a drill as a lesson: symptom, where to look, hints one by one, the answer on request."""
    found = exercises.exercise(key)
    parts = [Text(f"Exercise {found.number}", style="bold"), Text(found.symptom), Text()]
    parts += [Text.assemble((f"{name}: ", "bold"), place) for name, place in found.places]
    shown = found.hints[:hints]
    parts += [Text(), *(Text(f"Hint {n}: {hint}") for n, hint in enumerate(shown, 1))]
    if rest := len(found.hints) - len(shown):
        parts.append(Text(f"{plural(rest, 'more hint')}: --hints {len(shown) + 1}", style="dim"))
    if answer:
        parts += [Text(), Text(f"Answer: {found.drill}", style="bold"), *map(Text, found.answer)]
        parts += [Text(f"Next: {found.next}"), Text(f"Runbook: docs/alerts.md, {found.runbook}")]
        parts.append(Text(f"Start: {found.command}", style="cyan"))
    else:
        parts.append(
            Text("The answer, and the command that starts the fault: --answer", style="dim")
        )
        alone = (
            "To search for a fault without its name: ./creditlab exam start selects one at random."
        )
        parts.append(Text(alone, style="dim"))
    for part in parts:
        out.print(Padding(part, (0, 2)))


def booklet(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The HTML file to write.")],
) -> None:
    """Write all exercises as an HTML page to print for a class: answers at the end."""
    file.write_text(exercises.booklet(exercises.exercises()), encoding="utf-8")
    out.print(f"  {file}: {len(exercises.exercises())} exercises", soft_wrap=True)
