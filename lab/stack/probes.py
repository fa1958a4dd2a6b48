"""Readiness probes of the components: a query, a scrape, an HTTP request.

A probe returns None when the component works, else what it observed.
"""

from lab.clients import database, http
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
    failure, _ = _get(settings, port, path)
    return failure


def scrape(settings: LabSettings, port: int) -> str | None:
    """Probe the exporter: a scrape has pg_up 1."""
    failure, body = _get(settings, port, "/metrics")
    return failure or (None if "\npg_up 1\n" in body else "/metrics: pg_up is not 1")


def page(settings: LabSettings, port: int, path: str) -> str | None:
    """Return the body of a GET that is answered with 200; None for any other answer."""
    failure, body = _get(settings, port, path)
    return None if failure else body


def _get(settings: LabSettings, port: int, path: str) -> tuple[str | None, str]:
    """Return what is wrong with the answer, None when its status is 200, and its body."""
    try:
        response = http.send(
            "GET", reachable(settings.bind_address), port, path, timeout_s=TIMEOUT_S
        )
    except http.NoResponseError as error:
        return f"{path}: {error}", ""
    if response.is_ok:
        return None, response.text
    return f"{path}: {response.status} {response.text[:120].strip()}", response.text
