"""`psql`: opens psql in the lab's database."""

import os
from typing import Annotated

import typer

from lab.clients.database import Role, dsn, options_of
from lab.foundation.errors import LabError
from lab.foundation.settings import LabSettings
from lab.foundation.suggestions import unknown
from lab.stack.environment import inherited
from lab.stack.mode import running_settings
from lab.stack.native import binaries


def psql(
    context: typer.Context,
    role: Annotated[
        str,
        typer.Option(help="lab, credit_app, credit_owner, datadog, postgres_exporter, superuser."),
    ] = "lab",
) -> None:
    """Open psql in the lab's database; further arguments are psql's own."""
    if role not in list(Role):
        raise LabError(unknown("role", role, Role))
    program = binaries.postgres_bin()
    wanted = options_of(dsn(running_settings(LabSettings.load()), Role(role)))
    # In the environment: other users can read a command line.
    variables = {
        "PGHOST": wanted["host"],
        "PGPORT": wanted["port"],
        "PGDATABASE": wanted["dbname"],
        "PGUSER": wanted["user"],
        "PGPASSWORD": wanted["password"],
        "PGAPPNAME": "creditlab psql",
    }
    psql = str(program.beside("psql"))
    os.execve(  # noqa: S606
        psql, [psql, *context.args], {**inherited(), **program.environment(), **variables}
    )
