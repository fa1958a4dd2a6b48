"""Examine one database: from a connection string to a report, without changing the database."""

from lab.clients.database import connect
from lab.doctor.check import Report
from lab.doctor.read import read
from lab.doctor.rules import judge

# By which PostgreSQL's log names the session; the console's incidents leave its expected errors out.
APPLICATION = "credit-lab doctor"


def examine(
    dsn: str, *, datadog_role: str = "datadog", exporter_role: str = "postgres_exporter"
) -> Report:
    """Check one database, PostgreSQL 10 or newer.

    Args:
        dsn: libpq connection string or URI. A superuser, or a member of the two roles, gets the most complete
            report; any other role gets one with unknown checks.
        datadog_role: the role that the Datadog Agent connects as.
        exporter_role: the role that postgres_exporter connects as.

    Raises:
        DatabaseError: when the connection fails or is lost.
    """
    with connect(dsn, application_name=APPLICATION) as connection:
        facts = read(connection, datadog_role=datadog_role, exporter_role=exporter_role)
    return Report(
        server_version=facts.server_version,
        database=facts.database,
        role=facts.role,
        is_standby=facts.is_standby,
        checks=judge(facts),
    )
