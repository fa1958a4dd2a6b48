"""`queries` and `query`: the top statements of the database, and one statement in detail."""

from typing import Annotated

import msgspec
import typer

from lab.cli.drilldown import drilldown
from lab.cli.views.queries import render, render_one
from lab.drilldown import By
from lab.exam.doors import Door, doors
from lab.foundation.errors import LabError
from lab.foundation.settings import LabSettings
from lab.foundation.suggestions import unknown
from lab.stack.mode import running_settings
from lab.terminal.options import AsJson, Docker, Native
from lab.terminal.screen import print_result


def queries(
    *,
    by: Annotated[
        str, typer.Option(help="Sort by time, calls, mean, rows or io.", metavar="FIGURE")
    ] = "time",
    docker: Docker = False,
    native: Native = False,
    as_json: AsJson = False,
) -> None:
    """List the top statements of the last hour."""
    if by not in list(By):
        raise LabError(unknown("figure", by, By))
    found = drilldown(docker=docker, native=native).queries(By(by))
    print_result(
        lambda: msgspec.to_builtins(found),
        lambda: render(found, By(by), activity_s=_activity_s()),
        as_json=as_json,
    )


def _activity_s() -> float:
    """Return the activity interval of the embedded agent of the running lab, in seconds."""
    return running_settings(LabSettings.load()).embedded_agent_activity_seconds


def query(
    key: Annotated[str, typer.Argument(metavar="QUERYID|NAME", help="A queryid, or a name.")],
    *,
    docker: Docker = False,
    native: Native = False,
    as_json: AsJson = False,
) -> None:
    """Show one statement: both observers, its plans over time, its slowest executions, its tables."""
    # PostgreSQL's plans are evidence that an exam may close.
    may_plan = doors(running_settings(LabSettings.load())).is_open(Door.SQL)
    found = drilldown(docker=docker, native=native).query(key, advise=may_plan)
    print_result(
        lambda: msgspec.to_builtins(found),
        lambda: render_one(found, activity_s=_activity_s()),
        as_json=as_json,
    )
