"""The lab's status, rendered for a terminal: a table of components, pages to open, next commands."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lab.stack.status import State, Status

MARKS = {
    State.RUNNING: ("●", "green"),
    State.PAUSED: ("‖", "yellow"),
    State.STARTING: ("◐", "yellow"),
    State.FAILING: ("✗", "bold red"),
    State.ORPHANED: ("✗", "bold red"),
    State.STOPPED: ("○", "red"),
    State.OFF: ("·", "dim"),
    State.UNKNOWN: ("?", "yellow"),
}


def table(status: Status, more: Sequence[Text] = ()) -> RenderableType:
    """Return one line for each component, and notes below them."""
    lines = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("", "component", "version", "address", "state"):
        lines.add_column(heading)
    lines.add_column("pid", justify="right")
    notes = []
    for component in status.components:
        mark, style = MARKS[component.state]
        style_of_name = "dim" if component.state is State.OFF else ""
        version, _, note = (component.version or "").partition(" (")
        if note:
            notes.append(Text(f"{component.name}: {note.removesuffix(')')}", style="dim"))
        lines.add_row(
            Text(mark, style=style),
            Text(component.name, style=style_of_name or "bold"),
            version,
            Text(component.address, style=style_of_name),
            Text(component.state.value, style=style),
            Text(str(component.pid or ""), style="dim"),
        )
    if status.intake:
        notes.append(Text(str(status.intake), style="dim"))
    if failures := str(status.collector_failures or ""):
        notes.append(Text(failures, style="yellow"))
    return Padding(Group(lines, *notes, *more), (0, 2), expand=False)


def next_steps(steps: Sequence[tuple[str, str]]) -> RenderableType:
    """Return commands to try, each with its purpose."""
    lines = Table(box=None, pad_edge=False, show_header=False)
    for command, purpose in steps:
        lines.add_row(Text(command, style="cyan"), Text(purpose, style="dim"))
    return Padding(Group(Text("Try next", style="bold"), lines), (1, 2), expand=False)
