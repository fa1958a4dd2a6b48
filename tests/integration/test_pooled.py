"""Behind PgBouncer in each of its modes: whatever reads a database leaves its session as it was."""

import os
import subprocess
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from lab.clients.database import Connection, Role, connect, dsn, rows
from lab.compare.side import TruthSide
from lab.doctor import Status, examine
from lab.drilldown import sessions
from lab.foundation.errors import DatabaseError
from lab.foundation.settings import LabSettings
from lab.stack.native.binaries import postgres_bin
from lab.telemetry.embedded.collector import Collector
from tests.fix_pgbouncer import Pooled
from tests.fix_postgres import Database

STATE: Mapping[str, str] = {
    "backend": "SELECT pg_backend_pid()",
    "roles": "SELECT session_user, current_user",
    # PgBouncer itself hands the client's own name and encoding on.
    "settings": (
        "SELECT name, setting, source FROM pg_settings WHERE source = 'session'"
        " AND name NOT IN ('application_name', 'client_encoding') ORDER BY 1"
    ),
    "prepared statements": "SELECT name FROM pg_prepared_statements",
    "cursors": "SELECT name FROM pg_cursors WHERE name <> ''",
    "advisory locks": (
        "SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
    ),
    "temporary objects": "SELECT pg_my_temp_schema()",
    "transaction": "SELECT pg_current_xact_id_if_assigned()",
}


def state(connection: Connection) -> dict[str, Any]:
    return {name: rows(connection, sql) for name, sql in STATE.items()}


def doctor(settings: LabSettings) -> None:
    report = examine(dsn(settings, Role.SUPERUSER))
    assert [check.name for check in report.checks if check.status is not Status.OK] == []


def live_sessions(settings: LabSettings) -> None:
    assert sessions.live(settings).absent == {}


def truth(settings: LabSettings) -> None:
    side = TruthSide(settings)
    assert side.ask("SELECT current_user") == [("pg_monitor",)]


def agent(settings: LabSettings) -> None:
    collector = Collector(host="h", database=settings.postgres_db, put=lambda *_: None)
    with connect(dsn(settings, Role.DATADOG)) as connection:
        collector.metadata(connection)
        collector.sessions(connection)
        collector.statements(connection)


READERS = [
    (Role.SUPERUSER, doctor),
    (Role.LAB, live_sessions),
    (Role.LAB, truth),
    (Role.DATADOG, agent),
]


@pytest.mark.parametrize(("role", "reader"), READERS)
def test_the_next_client_of_the_session_finds_it_as_it_was(
    database: Database, pooled: Pooled, role: Role, reader: Callable[[LabSettings], None]
) -> None:
    """The pool has one session, so the next client has the very session that the reader had."""
    behind = pooled(database)
    with behind.connect(role) as client:
        before = state(client)
        reader(behind.settings)
        assert state(client) == before


def test_a_doctor_that_fails_midway_leaves_nothing_either(
    database: Database, pooled: Pooled
) -> None:
    """A statement that is cancelled inside its transaction: the transaction ends, and so do its settings."""
    behind = pooled(database)
    with database.connect(Role.SUPERUSER) as connection:
        rows(connection, "REVOKE SELECT ON pg_settings, pg_stat_activity FROM public")
        rows(connection, "GRANT SELECT ON pg_settings TO lab")
    with behind.connect(Role.LAB) as client:
        before = state(client)
        assert examine(behind.dsn(Role.LAB)).checks
        assert state(client) == before


@pytest.mark.parametrize(("role", "reader"), READERS)
def test_behind_a_pool_in_session_mode_everything_is_read(
    database: Database, pooled: Pooled, role: Role, reader: Callable[[LabSettings], None]
) -> None:
    """Each client has a session of its own, which the next one gets without a reset."""
    behind = pooled(database, mode="session", reset="SELECT 1")
    with behind.connect(role) as client:
        before = state(client)
    reader(behind.settings)
    with behind.connect(role) as client:
        assert state(client) == before


def test_a_pool_in_statement_mode_is_named_as_the_reason(
    database: Database, pooled: Pooled
) -> None:
    """PgBouncer closes the connection at BEGIN; the driver knows no more than that."""
    behind = pooled(database, mode="statement")
    with pytest.raises(DatabaseError, match=r"A pooler in statement mode refuses transactions"):
        examine(behind.dsn(Role.SUPERUSER))
    assert "statement mode" in sessions.live(behind.settings).absent["sessions"]


def test_the_date_style_that_the_driver_sets_is_not_the_next_clients(
    database: Database, pooled: Pooled
) -> None:
    """psycopg2 sets DateStyle to ISO in a session that begins otherwise; PgBouncer keeps that per client."""
    with database.connect(Role.SUPERUSER) as connection:
        rows(connection, f"ALTER DATABASE {database.name} SET datestyle = 'SQL, DMY'")
    behind = pooled(database)
    assert psql(behind, "SELECT current_setting('datestyle'), date '2026-12-31'") == (
        "SQL, DMY|31/12/2026"
    )
    doctor(behind.settings)
    assert psql(behind, "SELECT current_setting('datestyle'), date '2026-12-31'") == (
        "SQL, DMY|31/12/2026"
    )


def psql(database: Database, statement: str) -> str:
    """Execute a statement by a client that sets nothing, and return what it prints."""
    program = postgres_bin()
    done = subprocess.run(
        [program.beside("psql"), "-X", "-A", "-t", "-c", statement, database.dsn(Role.SUPERUSER)],
        env={**os.environ, **program.environment()},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()
