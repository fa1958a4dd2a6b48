"""What postgres/init makes, seen from each role that has to live with it."""

import subprocess
from pathlib import Path

import pytest
from pydantic import SecretStr

from lab.clients.database import Role, connect, dsn, identifier, rows
from lab.foundation.errors import DatabaseError, LabError, PasswordRefusedError
from lab.foundation.settings import ROOT
from lab.stack.native.binaries import Program
from lab.stack.native.cluster import Cluster
from tests.fix_postgres import NOT_DURABLE, Database, free_port, running, settings_for

LOGIN_ROLES = [Role.OWNER, Role.APP, Role.DATADOG, Role.EXPORTER, Role.LAB]


@pytest.mark.parametrize("role", [*LOGIN_ROLES, Role.SUPERUSER])
def test_every_role_connects_with_its_documented_default_password(
    database: Database, role: Role
) -> None:
    with database.connect(role) as connection:
        assert rows(connection, "SELECT current_database()") == [(database.name,)]


def test_nobody_connects_without_the_right_password(database: Database) -> None:
    """scram-sha-256 is required of all roles, the superuser on 127.0.0.1 included."""
    wrong = database.settings.model_copy(update={"postgres_password": SecretStr("wrong")})
    with (
        pytest.raises(PasswordRefusedError, match="role postgres"),
        connect(dsn(wrong, Role.SUPERUSER)),
    ):
        pass


def test_connection_limits_leave_room_for_every_role_and_the_superuser(database: Database) -> None:
    """The limits of all roles fit into max_connections together, so none can lock another out."""
    with database.connect(Role.LAB) as connection:
        [[limits, unlimited]] = rows(
            connection,
            "SELECT sum(rolconnlimit), count(*) FILTER (WHERE rolconnlimit < 0)"
            " FROM pg_roles WHERE rolcanlogin AND NOT rolsuper",
        )
        [[available]] = rows(
            connection,
            "SELECT current_setting('max_connections')::int"
            " - current_setting('superuser_reserved_connections')::int",
        )
    assert unlimited == 0
    assert limits <= available


@pytest.mark.parametrize(
    ("role", "statement_timeout", "lock_timeout"),
    [
        (Role.OWNER, "0", "10s"),
        (Role.APP, "30s", "10s"),
        (Role.DATADOG, "5s", "1s"),
        (Role.EXPORTER, "8s", "2s"),
        (Role.LAB, "10min", "0"),
    ],
)
def test_sessions_have_their_roles_time_outs(
    database: Database, role: Role, statement_timeout: str, lock_timeout: str
) -> None:
    with database.connect(role) as connection:
        [found] = rows(
            connection,
            "SELECT current_setting('statement_timeout'), current_setting('lock_timeout')",
        )
    assert found == (statement_timeout, lock_timeout)


@pytest.mark.parametrize("role", LOGIN_ROLES)
def test_no_role_may_end_another_roles_session(database: Database, role: Role) -> None:
    """Neither the lab nor an observer can terminate a backend that is not its own."""
    other = Role.APP if role is not Role.APP else Role.LAB
    with database.connect(other) as victim, database.connect(role) as connection:
        [[pid]] = rows(victim, "SELECT pg_backend_pid()")
        with pytest.raises(DatabaseError) as refused:
            rows(connection, "SELECT pg_terminate_backend(%s)", [pid])
        assert refused.value.sqlstate == "42501"
        assert rows(victim, "SELECT 1") == [(1,)]


def test_the_lab_may_end_a_session_of_its_own(database: Database) -> None:
    with database.connect(Role.LAB) as victim, database.connect(Role.LAB) as connection:
        [[pid]] = rows(victim, "SELECT pg_backend_pid()")
        assert rows(connection, "SELECT pg_terminate_backend(%s, 60000)", [pid]) == [(True,)]


def test_the_application_changes_rows_but_no_tables(database: Database) -> None:
    with database.connect(Role.APP) as connection:
        rows(connection, "DELETE FROM credit_transactions")
        for statement in (
            "CREATE TABLE mine ()",
            "DROP TABLE audit_log",
            "UPDATE credit_transactions SET amount = 1",
        ):
            with pytest.raises(DatabaseError) as refused:
                rows(connection, statement)
            assert refused.value.sqlstate == "42501"


@pytest.mark.parametrize("role", [Role.DATADOG, Role.EXPORTER, Role.LAB])
def test_observers_see_the_statements_of_others(database: Database, role: Role) -> None:
    """pg_monitor shows another role's text and query id, in activity and in pg_stat_statements."""
    marked = "SELECT 'seen', count(*) FROM credit_products"
    with database.connect(Role.APP) as application, database.connect(role) as observer:
        rows(application, marked)
        [live] = rows(
            observer,
            "SELECT query_id FROM pg_stat_activity WHERE query = %s AND usename = 'credit_app'",
            [marked],
        )
        [kept] = rows(
            observer,
            "SELECT queryid, query FROM pg_stat_statements JOIN pg_database d ON d.oid = dbid"
            " JOIN pg_roles r ON r.oid = userid"
            " WHERE datname = current_database() AND rolname = 'credit_app'",
        )
    assert kept == (live[0], "SELECT $1, count(*) FROM credit_products")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM customers WHERE cpf = '00000000191'",
        (
            "INSERT INTO audit_log (operation_id, instance, service, operation, entity, entity_id)"
            " VALUES (gen_random_uuid(), gen_random_uuid(), 's', 'o', 'e', 1)"
        ),
        "UPDATE customers SET phone = '1' WHERE customer_id = 1",
        "DELETE FROM credit_proposals WHERE proposal_id = 1",
        "SELECT * FROM credit_proposals ORDER BY submitted_at LIMIT 1 FOR UPDATE SKIP LOCKED",
    ],
)
def test_the_agent_gets_a_plan_of_any_statement_of_the_application(
    database: Database, statement: str
) -> None:
    with database.connect(Role.DATADOG) as connection:
        [[plan]] = rows(connection, "SELECT datadog.explain_statement(%s)", [statement])
        assert plan[0]["Plan"]["Node Type"]
        [[customers]] = rows(connection, "SELECT has_table_privilege('customers', 'SELECT')")
        assert customers is False


@pytest.mark.parametrize(
    "statement",
    ["SELECT 1; DELETE FROM audit_log", "ANALYZE DELETE FROM audit_log", "TABLE pg_authid"],
)
def test_the_explain_function_does_nothing_else(database: Database, statement: str) -> None:
    with database.connect(Role.DATADOG) as connection, pytest.raises(DatabaseError):
        rows(connection, "SELECT datadog.explain_statement(%s)", [statement])


def test_explaining_counts_for_the_explain_role_not_for_the_application(
    database: Database,
) -> None:
    """An EXPLAIN by the Agent adds no call to the application's own row of pg_stat_statements."""
    statement = "SELECT name FROM credit_products WHERE product_id = 3"
    with database.connect(Role.APP) as application, database.connect(Role.DATADOG) as agent:
        rows(application, statement)
        rows(agent, "SELECT datadog.explain_statement(%s)", [statement])
        found = rows(
            agent,
            "SELECT rolname, calls, count(*) OVER (PARTITION BY queryid)"
            " FROM pg_stat_statements JOIN pg_roles r ON r.oid = userid"
            " JOIN pg_database d ON d.oid = dbid"
            " WHERE datname = current_database() AND query LIKE '%%product_id = $%%' ORDER BY 1",
            [],
        )
    assert found == [("credit_app", 1, 2), ("datadog_explain", 1, 2)]


@pytest.fixture
def fresh(postgres: Program, tmp_path: Path) -> Cluster:
    """A cluster that does not exist yet, in a directory with a difficult name."""
    state = tmp_path / "a clone's $HOME, später" / "postgres"
    return Cluster(
        settings=settings_for(port=free_port(), database='it\'s "a" database'),
        state=state,
        bin=postgres.path.parent,
        libraries=postgres.libraries,
        options=NOT_DURABLE,
    )


def test_initialising_twice_is_idempotent_and_follows_changed_passwords(fresh: Cluster) -> None:
    with running(fresh):
        fresh.initialise()
        changed = fresh.settings.model_copy(update={"credit_app_password": SecretStr("n'ew")})
        again = Cluster(
            settings=changed, state=fresh.state, bin=fresh.bin, libraries=fresh.libraries
        )
        again.initialise()
        with connect(dsn(changed, Role.APP)) as connection:
            assert rows(connection, "SELECT count(*) FROM credit_products") == [(0,)]
        with pytest.raises(PasswordRefusedError), connect(dsn(fresh.settings, Role.APP)):
            pass


OLD_PRIVILEGES = (
    "GRANT TEMPORARY ON DATABASE {database} TO public",
    "GRANT credit_app TO datadog_explain",
    "REVOKE ALL ON customers FROM datadog_explain",
    (
        "CREATE OR REPLACE FUNCTION datadog.explain_statement(l_query text, OUT explain json)"
        " RETURNS SETOF json LANGUAGE plpgsql STRICT SECURITY DEFINER AS $f$ BEGIN"
        " EXECUTE 'EXPLAIN (FORMAT JSON) ' || l_query INTO explain; RETURN NEXT; END $f$"
    ),
)


def test_a_start_on_an_older_labs_data_takes_back_what_roles_must_not_have(fresh: Cluster) -> None:
    """The privileges of the observers follow the version that starts, not the one that made the data."""
    with running(fresh):
        fresh.initialise()
        with connect(dsn(fresh.settings, Role.SUPERUSER)) as connection:
            name = identifier(fresh.settings.postgres_db, connection)
            for statement in OLD_PRIVILEGES:
                rows(connection, statement.format(database=name))
        fresh.initialise()
        with connect(dsn(fresh.settings, Role.DATADOG)) as connection:
            for statement in (
                "CREATE TEMPORARY TABLE t ()",
                "SELECT datadog.explain_statement('EXECUTE p')",
            ):
                with pytest.raises(DatabaseError) as refused:
                    rows(connection, statement)
                assert refused.value.sqlstate in {"42501", "0A000"}
            assert rows(connection, "SELECT datadog.explain_statement('TABLE customers')")
            members = "SELECT pg_has_role('datadog_explain', 'credit_app', 'MEMBER')"
            assert rows(connection, members) == [(False,)]


def test_no_password_reaches_the_log_the_statistics_or_a_command_line(fresh: Cluster) -> None:
    with running(fresh) as server:
        fresh.initialise()
        command_line = Path(f"/proc/{server.pid}/cmdline").read_text()
        environment = Path(f"/proc/{server.pid}/environ").read_text()
        with connect(dsn(fresh.settings, Role.SUPERUSER)) as connection:
            statements = rows(connection, "SELECT query FROM pg_stat_statements")
    logs = "".join(log.read_text() for log in (fresh.data / "log").iterdir())
    assert "Passw0rd" not in f"{logs}{statements}{command_line}{environment}"


def test_another_superuser_password_is_named_with_the_way_out(fresh: Cluster) -> None:
    with running(fresh):
        other = fresh.settings.model_copy(update={"postgres_password": SecretStr("other")})
        cluster = Cluster(
            settings=other, state=fresh.state, bin=fresh.bin, libraries=fresh.libraries
        )
        with pytest.raises(LabError, match=r"down --wipe"):
            cluster.initialise()


def test_what_an_interrupted_initdb_left_is_not_taken_for_a_cluster(fresh: Cluster) -> None:
    half_made = fresh.state / "data.partial"
    half_made.mkdir(parents=True)
    (half_made / "PG_VERSION").write_text("15\n")
    fresh.create()
    assert (fresh.data / "global" / "pg_control").is_file()
    assert sorted(p.name for p in fresh.state.iterdir()) == ["conf", "data"]


def test_a_failing_file_leaves_nothing_behind(
    fresh: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """postgres/init is applied whole or not at all, so that the next `up` can start over."""
    broken = tmp_path / "postgres" / "init"
    broken.mkdir(parents=True)
    for source in sorted((ROOT / "postgres" / "init").glob("*.sql")):
        (broken / source.name).write_bytes(source.read_bytes())
    with running(fresh):
        (broken / "30-observability.sql").write_text("SELECT 1/0;")
        with monkeypatch.context() as patched:
            patched.setattr("lab.stack.native.cluster._POSTGRES", tmp_path / "postgres")
            with pytest.raises(LabError, match="division by zero"):
                fresh.initialise()
        fresh.initialise()
        with connect(dsn(fresh.settings, Role.DATADOG)) as connection:
            assert rows(connection, "SELECT datadog.explain_statement('SELECT 1')")


def test_the_official_images_way_gives_the_same(fresh: Cluster) -> None:
    """One psql per file, as /docker-entrypoint-initdb.d is run, without any password in the environment."""
    settings = fresh.settings.model_copy(update={"postgres_db": "creditdb"})
    password = settings.postgres_password.get_secret_value()
    with running(fresh):
        with connect(dsn(settings, Role.SUPERUSER, database="postgres")) as connection:
            rows(connection, "CREATE DATABASE creditdb")
        for file in sorted((ROOT / "postgres" / "init").glob("*.sql")):
            command = [str(fresh.bin / "psql"), "-v", "ON_ERROR_STOP=1", "--no-password"]
            subprocess.run(
                [*command, "--no-psqlrc", "-d", dsn(settings, Role.SUPERUSER), "-f", str(file)],
                env={"PGPASSWORD": password, "LD_LIBRARY_PATH": str(fresh.libraries or "")},
                check=True,
                capture_output=True,
            )
        with connect(dsn(settings, Role.DATADOG)) as connection:
            assert rows(connection, "SELECT datadog.explain_statement('TABLE customers')")
