"""`trace`: one trace, with the plan of each statement."""

import json
from typing import Annotated

import msgspec
import typer

from lab.cli.drilldown import drilldown
from lab.cli.views.trace import render
from lab.terminal.options import AsJson, Docker, Native
from lab.terminal.screen import out


def trace(
    asked: Annotated[
        str,
        typer.Argument(
            metavar="slowest|TRACE_ID|TRACEPARENT", help="The trace; slowest: of the last hour."
        ),
    ] = "slowest",
    *,
    service: Annotated[
        str | None, typer.Option(help="The service of the slowest trace's root span.")
    ] = None,
    docker: Docker = False,
    native: Native = False,
    as_json: AsJson = False,
) -> None:
    """Show the statements of a trace, each with its executed plan."""
    report = drilldown(docker=docker, native=native).report(asked, service)
    if as_json:
        out.print_json(json.dumps(msgspec.to_builtins(report)))
    else:
        out.print(render(report))
