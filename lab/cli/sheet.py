"""`sheet`: the decision sheet, from the measured matrix and costs of this lab."""

from pathlib import Path
from typing import Annotated

import typer
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lab.cli.views import figures
from lab.compare.costs import costs
from lab.compare.side import TruthSide
from lab.drills import matrix
from lab.foundation.errors import LabError
from lab.foundation.settings import LabSettings
from lab.judge.verdicts import Depth
from lab.learn.sheet import Sheet, html, sheet
from lab.stack.mode import running_settings
from lab.terminal.options import AsJson
from lab.terminal.screen import out


def decision_sheet(
    file: Annotated[
        Path | None, typer.Option("--html", help="Write it as a page to print.", metavar="FILE")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show which stack detected which incidents, how soon, in what detail, and at what cost."""
    settings = running_settings(LabSettings.load())
    found = matrix.latest(settings)
    if not found.rows:
        raise LabError(
            "No drill has been judged in this lab, so nothing is measured.\n"
            "Run all of them (about an hour): ./creditlab drill all"
            "\nOr run one: ./creditlab drill run row-lock-chain"
        )
    truth = TruthSide(settings)
    by_role, _ = costs(truth)
    made = sheet(found, by_role, (truth.trouble or "").partition("\n")[0])
    if file:
        file.write_text(html(made), encoding="utf-8")
    if as_json:
        out.print_json(data=made.to_json())
    else:
        out.print(
            Padding(Text(f"{made.drills} of {made.known} incidents, on {made.machine}"), (0, 2))
        )
        out.print(Padding(_table(made), (1, 2)))
        if made.no_costs:
            out.print(f"  Costs are absent: {made.no_costs}")


def _table(made: Sheet) -> Table:
    names = [stack.name for stack in made.stacks]
    table = figures.grid("", *names, right=tuple(names), wraps="")
    table.add_row(
        "detected, of those judged", *(f"{s.detected} of {s.judged}" for s in made.stacks)
    )
    table.add_row("unknown", *(str(s.unknown) for s in made.stacks))
    table.add_row("median time to detect", *(figures.seconds(s.median_s) for s in made.stacks))
    for depth in Depth:
        if depth is not Depth.DETECTED:
            table.add_row(depth.value, *(str(s.depths[depth]) for s in made.stacks))
    table.add_row("detected by no other", *(str(len(s.only)) for s in made.stacks))
    times = ("-" if s.ms_per_s is None else f"{s.ms_per_s:.2f} ms/s" for s in made.stacks)
    table.add_row("time in PostgreSQL", *times)
    sessions = ("-" if s.sessions is None else str(s.sessions) for s in made.stacks)
    table.add_row("connections", *sessions)
    return table
