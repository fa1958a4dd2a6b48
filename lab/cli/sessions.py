"""`sessions`: the live sessions of PostgreSQL, and the blocking tree."""

import msgspec
import typer

from lab.cli.drilldown import drilldown
from lab.cli.views.sessions import render
from lab.terminal.options import AsJson, Docker, Native
from lab.terminal.screen import print_result


def sessions(*, docker: Docker = False, native: Native = False, as_json: AsJson = False) -> None:
    """Show live sessions and the blocking tree. Exit status 1 when PostgreSQL does not answer."""
    found = drilldown(docker=docker, native=native).sessions()
    print_result(lambda: msgspec.to_builtins(found), lambda: render(found), as_json=as_json)
    raise typer.Exit(1 if "sessions" in found.absent else 0)
