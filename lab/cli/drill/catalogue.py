"""`drill list` and `drill show`: the catalogue of drills."""

import json

from lab.cli.drill.showing import DrillName
from lab.cli.views import drills as view
from lab.drills.catalogue import DRILLS, find
from lab.terminal.options import AsJson
from lab.terminal.screen import out


def list_all(as_json: AsJson = False) -> None:
    """Show every drill."""
    if as_json:
        rows = [
            {"name": d.name, "title": d.title, "aliases": d.aliases, "alerts": d.alerts}
            for d in DRILLS.values()
        ]
        out.print_json(json.dumps(rows))
    else:
        out.print(view.catalogue(DRILLS.values()))


def show(name: DrillName) -> None:
    """Show what a drill does, its roles, and the expected signals."""
    out.print(view.description(find(name)))
