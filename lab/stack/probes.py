"""Readiness probes of the components: a query, a scrape, an HTTP request.

A probe returns None when the component works, else what it observed.
"""

import http.client

from lab.clients import database
from lab.foundation.addresses import reachable
from lab.foundation.errors import DatabaseError
from lab.foundation.settings import LabSettings

TIMEOUT_S = 3.0


def query(settings: LabSettings) -> str | None:
    """Probe PostgreSQL: the lab's role executes a query in the lab's database."""
    try:
        with database.connect(
            database.dsn(settings, database.Role.LAB), application_name="credit-lab probe"
        ) as connection:
            database.rows(connection, "SELECT 1")
    except DatabaseError as error:
        return str(error).splitlines()[0]
    return None


def answers(settings: LabSettings, port: int, path: str) -> str | None:
    """Probe an HTTP endpoint: a GET is answered with 200."""
    status, body = _get(settings, port, path)
    return None if status == http.client.OK else f"{path}: {status or ''} {body[:120].strip()}"


def scrape(settings: LabSettings, port: int) -> str | None:
    """Probe the exporter: a scrape has pg_up 1."""
    status, body = _get(settings, port, "/metrics")
    if status != http.client.OK:
        return f"/metrics: {status or ''} {body[:120].strip()}"
    return None if "\npg_up 1\n" in body else "/metrics: pg_up is not 1"


def page(settings: LabSettings, port: int, path: str) -> str | None:
    """Return the body of a GET that is answered with 200; None for any other answer."""
    status, body = _get(settings, port, path)
    return body if status == http.client.OK else None


def _get(settings: LabSettings, port: int, path: str) -> tuple[int | None, str]:
    connection = http.client.HTTPConnection(
        reachable(settings.bind_address), port, timeout=TIMEOUT_S
    )
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return None, str(error) or type(error).__name__
    finally:
        connection.close()
