"""`trace`: one trace, with the plan of each statement."""

from typing import Annotated

import msgspec
import typer

from lab.cli.drilldown import drilldown
from lab.cli.views.trace import render
from lab.terminal.options import AsJson, Docker, Native
from lab.terminal.screen import print_result


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
    print_result(lambda: msgspec.to_builtins(report), lambda: render(report), as_json=as_json)
