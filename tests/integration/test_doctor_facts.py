"""The facts that the doctor reads from a real server, each beside what resembles it and is not it."""

import pytest

from lab.clients.database import Connection, Role, rows
from lab.doctor.facts import Facts, StatementTexts
from lab.doctor.read import read
from tests.fix_postgres import Database


def facts(connection: Connection, **roles: str) -> Facts:
    return read(
        connection, **{"datadog_role": "datadog", "exporter_role": "postgres_exporter", **roles}
    )


def facts_of(database: Database, role: Role = Role.SUPERUSER, **roles: str) -> Facts:
    with database.connect(role) as connection:
        return facts(connection, **roles)


def run(database: Database, *statements: str) -> None:
    with database.connect(Role.SUPERUSER) as connection:
        for statement in statements:
            rows(connection, statement)


def test_the_server_the_database_and_the_doctors_role(database: Database) -> None:
    found = facts_of(database, Role.LAB)
    assert 150_000 <= found.version < 160_000
    assert found.server_version.startswith("15.")
    assert (found.database, found.database_sql) == (database.name, database.name)
    assert (found.role, found.role_sql, found.is_standby) == ("lab", "lab", False)
    assert (found.datadog_schema, found.planner, found.explain_known) == (True, True, True)
    assert found.has_query_id is True
    bare = facts_of(database, Role.APP)
    assert bare.role == "credit_app"


def test_what_a_role_sets_for_itself_is_not_the_servers_setting(database: Database) -> None:
    """By its connection or by ALTER ROLE: the default applies to other roles. The database's is kept."""
    run(
        database,
        f"ALTER DATABASE {database.name} SET track_io_timing = off",
        f"ALTER ROLE lab IN DATABASE {database.name} SET track_activity_query_size TO DEFAULT",
        f"ALTER ROLE lab IN DATABASE {database.name} SET search_path = elsewhere",
    )
    with database.connect(Role.LAB) as connection:
        rows(connection, "SET statement_timeout = '9s'")
        found = facts(connection).settings
        assert rows(connection, "SHOW statement_timeout") == [("9s",)]
    assert (found["statement_timeout"].value, found["statement_timeout"].source) == ("0", "session")
    assert (found["track_io_timing"].value, found["track_io_timing"].source) == ("off", "database")
    assert found["search_path"].value == '"$user", public'
    assert found["shared_preload_libraries"].context == "postmaster"
    assert found["log_lock_waits"].value == "on"
    assert "max_connections" not in found


def test_the_settings_that_an_agents_session_starts_with(database: Database) -> None:
    """Those of the role in this database, else of the role, else of the database; of no other."""
    run(
        database,
        f"ALTER DATABASE {database.name} SET statement_timeout = '1s'",
        f"ALTER DATABASE {database.name} SET lock_timeout = '4s'",
        f"ALTER ROLE datadog IN DATABASE {database.name} SET lock_timeout = '3s'",
        f"ALTER ROLE postgres_exporter IN DATABASE {database.name} SET search_path = app, pg_catalog",
        "ALTER ROLE datadog IN DATABASE postgres SET statement_timeout = '99s'",
        "CREATE SCHEMA app",
    )
    try:
        found = facts_of(database)
    finally:
        run(database, "ALTER ROLE datadog IN DATABASE postgres RESET statement_timeout")
    assert found.datadog
    assert found.exporter
    assert dict(found.datadog.settings) == {
        "search_path": '"$user", public', "statement_timeout": "5s", "lock_timeout": "3s",
    }  # fmt: skip
    assert found.exporter.settings["search_path"] == "app, pg_catalog"
    # A schema of the role's own name is there: the Agent's.
    assert found.datadog.path == ("datadog", "public")
    assert found.exporter.path == ("app", "pg_catalog")
    assert "app" not in found.exporter.uses
    assert {"public", "datadog", "pg_catalog"} <= found.datadog.uses


def test_what_a_role_may_do(database: Database) -> None:
    """CREATE on a schema is named, quoted and sorted; that of the server's own schemas is not."""
    before = facts_of(database).datadog
    assert before
    assert (before.exists, before.can_login, before.may_connect) == (True, True, True)
    assert (before.connection_limit, before.has_monitor, before.is_member) == (10, True, True)
    assert (before.creates_sql, before.creates_temporary, before.is_superuser) == ((), False, False)
    run(
        database,
        'CREATE SCHEMA "The app"', "CREATE SCHEMA b", "CREATE SCHEMA c",
        'GRANT CREATE ON SCHEMA "The app", b TO datadog', "GRANT USAGE ON SCHEMA c TO datadog",
        f"GRANT TEMPORARY ON DATABASE {database.name} TO datadog",
    )  # fmt: skip
    after = facts_of(database).datadog
    assert after
    assert after.creates_sql == ('"The app"', "b")
    assert after.creates_temporary
    assert "c" in after.uses
    assert "b" not in after.uses
    owner = facts_of(database, datadog_role="postgres").datadog
    assert owner
    assert (owner.is_superuser, owner.connection_limit, owner.has_monitor) == (True, -1, True)
    assert not any(name.startswith("pg_") for name in owner.creates_sql)


def test_a_role_that_does_not_exist(database: Database) -> None:
    found = facts_of(database, datadog_role="No Agent")
    assert found.datadog
    assert (found.datadog.exists, found.datadog.sql) == (False, '"No Agent"')
    assert (found.datadog.can_login, found.datadog.may_connect) == (False, False)
    assert (found.datadog.connection_limit, found.datadog.has_monitor) == (-1, False)
    assert (found.datadog.uses, found.datadog.creates_sql) == (frozenset(), ())
    assert found.explain
    assert found.explain.may_execute is False


def test_the_applications_tables_are_neither_temporary_nor_an_extensions(
    database: Database,
) -> None:
    """Partitioned tables are; those of the Agent's schema and of the server are not."""
    run(
        database,
        "CREATE SCHEMA parts", "CREATE SCHEMA views", "CREATE SCHEMA extended",
        "CREATE TABLE parts.whole (x int) PARTITION BY RANGE (x)",
        "CREATE TABLE datadog.own (x int)",
        "CREATE VIEW views.v AS SELECT 1 AS x",
        "CREATE TABLE extended.t (x int)", "ALTER EXTENSION pg_buffercache ADD TABLE extended.t",
    )  # fmt: skip
    with database.connect(Role.SUPERUSER) as connection:
        rows(connection, "CREATE TEMPORARY TABLE passing (x int)")
        found = facts(connection)
    assert found.table_schemas_sql == ("parts", "public", "shop")


def test_the_largest_table_is_explained_and_unreadable_ones_are_listed_by_size(
    database: Database,
) -> None:
    """By the server's estimate; its schema is not needed where the owner's search path has it."""
    run(
        database,
        'CREATE SCHEMA "Big"',
        'CREATE TABLE "Big"."Rows" AS SELECT g FROM generate_series(1, 300000) g', 'ANALYZE "Big"."Rows"',
        "CREATE TABLE medium AS SELECT g FROM generate_series(1, 2000) g", "ANALYZE medium",
        "CREATE TABLE small AS SELECT 1 AS x", "ANALYZE small",
        "REVOKE ALL ON medium, small FROM datadog_explain",
    )  # fmt: skip
    found = facts_of(database)
    assert found.attempt
    assert found.attempt.statement == 'SELECT * FROM "Big"."Rows" LIMIT 1'
    assert found.explain
    assert found.explain.unreadable == ('"Big"."Rows"', "medium", "small")
    run(
        database,
        'GRANT USAGE ON SCHEMA "Big" TO datadog_explain', 'GRANT SELECT ON "Big"."Rows" TO datadog_explain',
        f'ALTER ROLE postgres IN DATABASE {database.name} SET search_path = "Big", public',
    )  # fmt: skip
    again = facts_of(database)
    assert again.attempt
    assert again.attempt.statement == 'SELECT * FROM "Rows" LIMIT 1'
    assert again.explain
    assert again.explain.unreadable == ("medium", "small")


def test_the_function_and_its_owner(database: Database) -> None:
    """A function of the same name with another argument is not it."""
    found = facts_of(database).explain
    assert found
    assert (found.owner, found.owner_sql, found.owner_is_superuser) == (
        "datadog_explain", "datadog_explain", False,
    )  # fmt: skip
    assert (found.security_definer, found.returns_json_set, found.may_execute) == (True, True, True)
    assert found.refuses_temporary
    assert found.unreadable == ()
    run(
        database,
        "DROP FUNCTION datadog.explain_statement(text)",
        "CREATE FUNCTION datadog.explain_statement(int) RETURNS json LANGUAGE sql RETURN NULL::json",
        "CREATE FUNCTION public.explain_statement(text) RETURNS json LANGUAGE sql RETURN NULL::json",
    )
    none = facts_of(database)
    assert (none.explain, none.attempt, none.explain_known) == (None, None, True)
    run(
        database,
        "CREATE FUNCTION datadog.explain_statement(text) RETURNS json LANGUAGE sql RETURN NULL::json",
        "REVOKE ALL ON FUNCTION datadog.explain_statement(text) FROM public",
    )
    other = facts_of(database).explain
    assert other
    assert (other.security_definer, other.returns_json_set, other.may_execute) == (False,) * 3
    assert (other.owner, other.owner_is_superuser, other.refuses_temporary) == (
        "postgres",
        True,
        False,
    )


def test_extensions_that_are_there_and_that_are_created(database: Database) -> None:
    run(database, "DROP EXTENSION pg_buffercache")
    found = facts_of(database).extensions
    assert found
    assert set(found) == {"pg_stat_statements", "pg_buffercache"}
    assert found["pg_buffercache"].version is None
    assert found["pg_buffercache"].schema is None
    assert found["pg_buffercache"].default
    known = found["pg_stat_statements"]
    assert (known.version, known.schema, known.schema_sql) == (known.default, "public", "public")


def test_texts_are_counted_as_the_agent_sees_them(database: Database) -> None:
    """Without the extension there is nothing to count."""
    with database.connect(Role.SUPERUSER) as connection:
        rows(connection, "SELECT pg_stat_statements_reset()")
        rows(connection, "SELECT 'counted'")
        texts = facts(connection).texts
        assert texts
        assert (texts.error, texts.sqlstate) == ("", None)
        assert 0 < texts.texts <= texts.entries
        rows(connection, "DROP EXTENSION pg_stat_statements")
        assert facts(connection).texts is None


def test_texts_that_cannot_be_read_leave_the_servers_error(database: Database) -> None:
    run(database, "REVOKE ALL ON pg_stat_statements FROM public, datadog, pg_read_all_stats")
    found = facts_of(database).texts
    assert isinstance(found, StatementTexts)
    assert (found.sqlstate, found.entries, found.texts) == ("42501", 0, 0)
    assert "permission denied" in found.error


@pytest.mark.parametrize("role", [Role.SUPERUSER, Role.DATADOG])
def test_reading_leaves_the_session_as_it_was(database: Database, role: Role) -> None:
    """Role, search path, time-outs and open transaction."""
    shown = (
        "SELECT current_user::text, current_setting('search_path'),"
        " current_setting('statement_timeout'), current_setting('lock_timeout')"
    )
    with database.connect(role) as connection:
        before = rows(connection, shown)
        facts(connection)
        assert rows(connection, shown) == before
        assert rows(connection, "SELECT now() = statement_timestamp()") == [(True,)]
