"""`sessions`: the live sessions of PostgreSQL, and the blocking tree."""

import json

import msgspec
import typer

from lab.cli.drilldown import drilldown
from lab.cli.views.sessions import render
from lab.terminal.options import AsJson, Docker, Native
from lab.terminal.screen import out


def sessions(*, docker: Docker = False, native: Native = False, as_json: AsJson = False) -> None:
    """Show live sessions and the blocking tree. Exit status 1 when PostgreSQL does not answer."""
    found = drilldown(docker=docker, native=native).sessions()
    if as_json:
        out.print_json(json.dumps(msgspec.to_builtins(found)))
    else:
        out.print(render(found))
    raise typer.Exit(1 if "sessions" in found.absent else 0)
