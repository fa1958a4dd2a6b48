"""`drill list` and `drill show`: the catalogue of drills."""

from lab.cli.drill.showing import DrillName
from lab.cli.views import drills as view
from lab.drills.catalogue import DRILLS, find
from lab.terminal.options import AsJson
from lab.terminal.screen import out, print_result


def list_all(as_json: AsJson = False) -> None:
    """Show every drill."""
    print_result(
        lambda: [
            {"name": d.name, "title": d.title, "aliases": d.aliases, "alerts": d.alerts}
            for d in DRILLS.values()
        ],
        lambda: view.catalogue(DRILLS.values()),
        as_json=as_json,
    )


def show(name: DrillName) -> None:
    """Show what a drill does, its roles, and the expected signals."""
    out.print(view.description(find(name)))
