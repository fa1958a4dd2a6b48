"""auto_explain of the benchmark's server, on and off."""

from functools import partial

from lab.clients.database import Connection, Role, connect, dsn, rows
from lab.foundation.readiness import await_state
from lab.foundation.settings import LabSettings

RELOAD_S = 10
OFF = "-1"


def set_auto_explain(settings: LabSettings, *, on: bool) -> None:
    """Turn auto_explain on or off for all sessions, open ones included; wait until it is effective.

    Raises:
        DatabaseError: when the server refuses.
        NotReadyError: when the server does not reload its configuration.
    """
    with connect(dsn(settings, Role.SUPERUSER)) as connection:
        value = "DEFAULT" if on else OFF
        rows(connection, f"ALTER SYSTEM SET auto_explain.log_min_duration = {value}")
        rows(connection, "SELECT pg_reload_conf()")
        what = f"auto_explain is {'on' if on else 'off'}"
        await_state(what, partial(_otherwise, connection, on), within_s=RELOAD_S)


def _otherwise(connection: Connection, on: bool) -> str | None:
    [[threshold]] = rows(connection, "SHOW auto_explain.log_min_duration")
    return None if (threshold != OFF) is on else f"its threshold is {threshold}"
