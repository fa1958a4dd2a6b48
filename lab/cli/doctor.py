"""`doctor`: checks a PostgreSQL server for the observers' requirements."""

from typing import Annotated

import typer

from lab.cli import account
from lab.cli.views.doctor import render
from lab.clients import database, refusals
from lab.clients.database import Role
from lab.doctor import examine
from lab.foundation.errors import DatabaseError
from lab.foundation.settings import LabSettings
from lab.stack.mode import running_settings
from lab.terminal.options import AsJson
from lab.terminal.screen import out


def doctor(
    dsn: Annotated[
        str | None,
        typer.Option(help="Any PostgreSQL: URI or libpq string; default: the lab's own."),
    ] = None,
    datadog_role: Annotated[
        str, typer.Option(help="The role that the Datadog Agent connects as.")
    ] = "datadog",
    exporter_role: Annotated[
        str, typer.Option(help="The role that postgres_exporter connects as.")
    ] = "postgres_exporter",
    as_json: AsJson = False,
) -> None:
    """Check a PostgreSQL server for the requirements of Database Monitoring and of the exporter.

    Exit status 1 when a requirement is missing, 2 when none is, but one could not be checked.
    """
    # The key belongs to the lab: the Agent of another database has its own.
    key = account.checked_key() if dsn is None else None
    is_own = dsn is None
    if dsn is None:
        dsn = database.dsn(running_settings(LabSettings.load()), Role.SUPERUSER)
    try:
        report = examine(dsn, datadog_role=datadog_role, exporter_role=exporter_role)
    except DatabaseError as error:
        if not is_own:
            error.args = (refusals.of_another_server(str(error)),)
        raise
    if as_json:
        out.print_json(data={**report.to_json(), **account.as_json(key)})
    else:
        out.print(render(report))
        for note in account.notes(key):
            out.print(note)
    raise typer.Exit(report.outcome.exit_status)
