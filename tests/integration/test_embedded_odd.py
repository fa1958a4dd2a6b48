"""One odd row, or one collector that fails, costs the embedded agent nothing else."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from lab.clients.database import Connection, Role, connect, dsn, rows
from lab.foundation.errors import DatabaseError
from lab.stack.native.binaries import postgres_bin
from lab.stack.native.cluster import Cluster
from lab.telemetry.embedded import events
from lab.telemetry.embedded.__main__ import Agent
from lab.telemetry.embedded.collector import Collector
from tests.embedded import deliver
from tests.fix_console import RunningConsole
from tests.fix_postgres import Database

# What an identifier in a statement is in the bytes of each database, and as the agent reports it.
NAMES = {
    "UTF8": ("situação".encode(), "situação"),
    "LATIN1": ("situação".encode("latin-1"), "situa\ufffd\ufffdo"),
    "SQL_ASCII": (b"situa\xe7\xe3o", "situa\ufffd\ufffdo"),
}
TEXTS = "data/pg_stat_tmp/pgss_query_texts.stat"
METRICS = "/api/v2/dbmmetrics"


class Sent:
    """A collector whose events are kept, by path."""

    def __init__(self, database: Database) -> None:
        self.events: dict[str, list[Any]] = {}
        self.skipped: list[str] = []
        self.collector = Collector(host="h", database=database.name, put=self._put, activity_s=0)
        self.collector.skipped = self.skipped.append

    def _put(self, path: str, events: list[Any]) -> None:
        self.events.setdefault(path, []).extend(events)

    def texts(self) -> list[str]:
        """Return the text of each row of query metrics."""
        return [row["query"] for event in self.events[METRICS] for row in event["postgres_rows"]]


@contextmanager
def database_in(database: Database, encoding: str) -> Iterator[str]:
    """Create a database of an encoding in the test's cluster; its connection string."""
    name = f"{database.name}_{encoding.lower()}"
    with database.connect(Role.SUPERUSER) as admin:
        rows(admin, f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LOCALE 'C'")
        try:
            yield dsn(database.settings, Role.SUPERUSER, database=name)
        finally:
            rows(admin, f"DROP DATABASE {name} WITH (FORCE)")


def run(connection: Connection, statement: bytes) -> None:
    """Execute bytes as they are."""
    with connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize("encoding", ["UTF8", "LATIN1"])
def test_a_statement_of_any_encoding_is_reported_beside_all_others(
    encoding: str, database: Database
) -> None:
    """pg_stat_statements converts texts, pg_stat_activity does not: there bytes become U+FFFD."""
    name, seen = NAMES[encoding]
    sent = Sent(database)
    with database.connect(Role.DATADOG) as connection:
        sent.collector.statements(connection)
        with database_in(database, encoding) as target, connect(target, autocommit=False) as odd:
            run(odd, b"SELECT 1.0, text '' AS " + name)
            with database.connect(Role.APP) as plain:
                rows(plain, "SELECT 2, 3 AS even")
            sent.collector.statements(connection)
            sent.collector.sessions(connection)
    assert [text for text in sent.texts() if NAMES["UTF8"][1] in text]
    assert [text for text in sent.texts() if "even" in text]
    [activity] = sent.events["/api/v2/dbmactivity"]
    assert [s for s in activity["postgres_activity"] if seen in s["statement"]]
    assert sent.skipped == []


def test_a_text_that_pg_stat_statements_cannot_convert_costs_no_counters(
    database: Database,
) -> None:
    """It fails the reading of every text; statements that a sample has seen have theirs all the same."""
    name, seen = NAMES["SQL_ASCII"]
    sent = Sent(database)
    with (
        database.connect(Role.DATADOG) as connection,
        connect(dsn(database.settings, Role.APP), autocommit=False) as app,
        database_in(database, "SQL_ASCII") as target,
        connect(target, autocommit=False) as odd,
    ):
        sent.collector.statements(connection)
        run(odd, b"SELECT 1.0, text '' AS " + name)
        rows(app, "SELECT 4, 5, 6 AS sampled")
        sent.collector.sessions(connection)
        with pytest.raises(DatabaseError, match="invalid byte sequence") as failed:
            sent.collector.statements(connection)
    with database.connect(Role.SUPERUSER) as admin:
        # Every other test of this server would meet it.
        rows(admin, "SELECT pg_stat_statements_reset()")
    # Not a lost session: the agent counts it and goes on.
    assert failed.value.sqlstate == "22021"
    assert [text for text in sent.texts() if seen in text]
    assert [text for text in sent.texts() if "sampled" in text]


def test_counters_go_on_when_the_server_has_lost_its_texts(
    database: Database, cluster: Cluster
) -> None:
    """pg_stat_statements returns NULL for every text when it cannot read its file."""
    file = cluster.state / TEXTS
    sent = Sent(database)
    with database.connect(Role.DATADOG) as connection, database.connect(Role.APP) as app:
        sent.collector.statements(connection)
        rows(app, "SELECT 3 AS lost")
        mode = file.stat().st_mode
        file.chmod(0)
        try:
            lost = rows(connection, "SELECT count(*) FROM pg_stat_statements WHERE query IS NULL")
            sent.collector.statements(connection)
        finally:
            file.chmod(mode)
    assert lost[0][0] > 0
    [event] = sent.events[METRICS]
    assert {row["query"] for row in event["postgres_rows"]} == {""}
    assert all(row["calls"] > 0 for row in event["postgres_rows"])


def test_a_row_that_cannot_be_read_is_left_out_and_counted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is wrong with one row: the others are reported."""
    sent = Sent(database)
    real = events.session

    def odd(row: dict[str, Any], *, size: int) -> dict[str, Any]:
        if row["application_name"] == "odd":
            raise ValueError(row["pid"])
        return real(row, size=size)

    monkeypatch.setattr("lab.telemetry.embedded.events.session", odd)
    target = dsn(database.settings, Role.APP)
    with (
        database.connect(Role.DATADOG) as connection,
        connect(target, application_name="odd", autocommit=False) as first,
        connect(target, application_name="even", autocommit=False) as second,
    ):
        for session in (first, second):
            rows(session, "SELECT 1")
        sent.collector.sessions(connection)
    [activity] = sent.events["/api/v2/dbmactivity"]
    names = {s["application_name"] for s in activity["postgres_activity"]}
    assert "even" in names
    assert "odd" not in names
    assert sent.skipped == ["sessions"]


def test_a_collector_that_fails_costs_the_others_nothing(
    database: Database, console: RunningConsole
) -> None:
    """Without pg_stat_statements there are no query metrics; settings and sessions are sent all the same."""
    settings = database.settings.model_copy(
        update={"console_port": console.port, "bind_address": "127.0.0.1"}
    )
    registry = CollectorRegistry()
    agent = Agent(settings, registry)
    with database.connect(Role.SUPERUSER) as admin, database.connect(Role.DATADOG) as connection:
        rows(admin, "DROP EXTENSION pg_stat_statements CASCADE")
        agent.tick(connection)
        deliver(agent)
    failed = {
        collector: registry.get_sample_value(
            "lab_embedded_failures_total", {"collector": collector}
        )
        for collector in ("metadata", "statements", "sessions", "connection")
    }
    assert failed == {"metadata": 0, "statements": 1, "sessions": 0, "connection": 0}
    assert console.metric('lab_intake_items_total{stream="dbm_metadata"}') > 0


def test_databases_whose_names_are_decoded_alike_lose_no_counters(database: Database) -> None:
    """A name keeps the bytes of the session that gave it: two that are no UTF-8 may be shown as one."""
    sent = Sent(database)
    names = [database.name.encode() + b"_caf" + last for last in (b"\xe8", b"\xe9")]
    with (
        database.connect(Role.DATADOG) as connection,
        database_in(database, "SQL_ASCII") as target,
        connect(target) as odd,
    ):
        sent.collector.statements(connection)
        try:
            for name in names:
                run(odd, b'CREATE DATABASE "' + name + b'" TEMPLATE template0')
            for calls, name in zip((2, 3), names, strict=True):
                psql(database, name, b"SELECT 123454321;" * calls)
            sent.collector.statements(connection)
        finally:
            for name in names:
                run(odd, b'DROP DATABASE IF EXISTS "' + name + b'" WITH (FORCE)')
    shown = names[0].decode(errors="replace")
    rows_of = [row for event in sent.events[METRICS] for row in event["postgres_rows"]]
    assert [row["calls"] for row in rows_of if row["datname"] == shown] == [5]
    assert sent.skipped == []


def psql(database: Database, name: bytes, statements: bytes) -> None:
    """Execute statements in a database whose name is no UTF-8, which psycopg2 cannot connect to."""
    program, settings = postgres_bin(), database.settings
    command = [
        *("-h", settings.postgres_host, "-p", str(settings.postgres_port)),
        *("-U", settings.postgres_user, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d"),
    ]
    password = {"PGPASSWORD": settings.postgres_password.get_secret_value()}
    subprocess.run(
        [program.beside("psql"), *command, name],
        input=statements,
        env={**os.environ, **program.environment(), **password},
        capture_output=True,
        check=True,
    )
