"""Databases that are not UTF-8: every text is shown, and a byte that cannot be decoded costs itself only."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest

from lab.cli.views.doctor import render
from lab.clients.database import Connection, Role, connect, dsn, rows
from lab.doctor import Status, examine
from lab.drilldown import sessions
from lab.stack.native.cluster import Cluster
from lab.telemetry.embedded.collector import Collector
from lab.telemetry.embedded.events import Event
from tests.fix_postgres import Database

_numbers = count(1)


@contextmanager
def made(cluster: Cluster, encoding: str) -> Iterator[Database]:
    """Yield an empty database of an encoding on the lab's server."""
    name = f"legado_{encoding.lower()}_{next(_numbers)}"
    administer = dsn(cluster.settings, Role.SUPERUSER, database="postgres")
    with connect(administer) as connection:
        rows(
            connection,
            f"CREATE DATABASE {name} ENCODING {encoding} LOCALE 'C' TEMPLATE template0",
        )
        # One text that cannot be converted fails pg_stat_statements for every database of the server.
        rows(connection, f"ALTER DATABASE {name} SET pg_stat_statements.track = 'none'")
        try:
            yield Database(settings=cluster.settings.model_copy(update={"postgres_db": name}))
        finally:
            rows(connection, f"DROP DATABASE {name} WITH (FORCE)")


def send(connection: Connection, statement: bytes) -> None:
    """Execute a statement of any bytes, as a client of the database's own encoding does."""
    with connection.cursor() as cursor:
        cursor.execute(statement)


ENCODINGS = ["LATIN1", "SQL_ASCII", "WIN1252", "EUC_JP", "EUC_TW", "MULE_INTERNAL", "UTF8"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_rows_come_back_from_a_database_of_any_encoding(cluster: Cluster, encoding: str) -> None:
    with made(cluster, encoding) as database, database.connect(Role.SUPERUSER) as connection:
        assert rows(connection, "SELECT 'plain', 1") == [("plain", 1)]


@pytest.mark.parametrize(
    ("encoding", "text"),
    [("LATIN1", "situação"), ("WIN1252", "€ œ"), ("EUC_JP", "状況"), ("UTF8", "状況 ç")],
)
def test_text_of_a_databases_own_encoding_goes_in_and_comes_back(
    cluster: Cluster, encoding: str, text: str
) -> None:
    """As a value, as a name, and in PostgreSQL's messages."""
    with made(cluster, encoding) as database, database.connect(Role.SUPERUSER) as connection:
        assert rows(connection, "SELECT %s, length(%s)", [text, text]) == [(text, len(text))]
        rows(connection, f'CREATE TABLE "{text}" (x int)')
        assert rows(
            connection, "SELECT oid::regclass::text FROM pg_class WHERE relname = %s", [text]
        )
        with pytest.raises(Exception, match=text):
            rows(connection, f'CREATE TABLE "{text}" (x int)')


@pytest.mark.parametrize(
    ("encoding", "raw", "shown"),
    [
        ("SQL_ASCII", b"situa\xe7\xe3o", "situa\ufffd\ufffdo"),
        ("SQL_ASCII", "situação".encode(), "situação"),
        ("SQL_ASCII", b"\xe3\x81 cut", "\ufffd cut"),
        # Five bytes that WIN1252 does not define, and PostgreSQL takes.
        ("WIN1252", b"a\x81\x8d\x8f\x90\x9db", "a" + 5 * "\ufffd" + "b"),
    ],
)
def test_a_byte_that_cannot_be_decoded_becomes_a_replacement_character(
    cluster: Cluster, encoding: str, raw: bytes, shown: str
) -> None:
    """In one text; the other texts of the same row are whole."""
    with made(cluster, encoding) as database, database.connect(Role.SUPERUSER) as connection:
        send(connection, b"CREATE TABLE t AS SELECT text '" + raw + b"' AS x, text 'plain' AS y")
        assert rows(connection, "SELECT x, y, ARRAY[x], to_json(ARRAY[x]) FROM t") == [
            (shown, "plain", [shown], [shown])
        ]


def test_a_session_of_a_latin1_database_is_shown_beside_the_others(
    cluster: Cluster, database: Database
) -> None:
    """Its statement comes in its own database's bytes, which are no UTF-8."""
    with made(cluster, "LATIN1") as legacy, legacy.connect(Role.SUPERUSER) as connection:
        send(connection, 'BEGIN; SELECT 1 AS "situação"'.encode("latin-1"))
        found = sessions.live(database.settings)
    assert found.absent == {}
    [session] = [
        s for s in found.sessions if s.database == legacy.name or s.state == "idle in transaction"
    ]
    assert "BEGIN" in session.text


def test_the_embedded_agent_samples_sessions_of_databases_of_other_encodings(
    cluster: Cluster, database: Database
) -> None:
    sent: list[tuple[str, list[Event]]] = []
    collector = Collector(
        host="h", database=database.name, put=lambda path, events: sent.append((path, events))
    )
    with (
        made(cluster, "SQL_ASCII") as legacy,
        legacy.connect(Role.SUPERUSER) as connection,
        database.connect(Role.DATADOG) as agent,
    ):
        send(connection, b'BEGIN; SELECT 1 AS "situa\xe7\xe3o"')
        collector.sessions(agent)
    [[activity]] = [events for path, events in sent if path == "/api/v2/dbmactivity"]
    sampled = activity["postgres_activity"]
    assert isinstance(sampled, list)
    assert legacy.name in {session["datname"] for session in sampled}


@pytest.mark.parametrize(
    ("encoding", "shown"), [("LATIN1", "situação"), ("SQL_ASCII", "situa\ufffd\ufffdo")]
)
def test_the_doctor_examines_a_database_whose_names_are_no_utf8(
    cluster: Cluster, encoding: str, shown: str
) -> None:
    """Also where the table that it explains a statement about has such a name."""
    with made(cluster, encoding) as database:
        target = database.dsn(Role.SUPERUSER)
        with database.connect(Role.SUPERUSER) as connection:
            send(connection, b'CREATE TABLE "situa\xe7\xe3o" AS SELECT 1 AS x')
            [function] = [c for c in examine(target).checks if c.name == "explain_function"]
            assert function.fix is not None
            for statement in (
                *function.fix.statements,
                "GRANT USAGE ON SCHEMA datadog TO datadog",
            ):
                rows(connection, statement)
        report = examine(target)
        [works] = [c for c in report.checks if c.name == "explain_works"]
        assert shown in works.found
        assert works.status is Status.OK
        assert render(report)
