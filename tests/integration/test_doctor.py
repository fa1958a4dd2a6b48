"""The doctor on real servers: it finds each defect, and its own fixes remove it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.clients.database import Role, connect, dsn, rows
from lab.doctor import Check, Report, Status, Then, examine
from lab.foundation.errors import DatabaseError
from lab.foundation.readiness import await_state
from lab.stack.native.binaries import Program
from lab.stack.native.cluster import Cluster
from tests.fix_postgres import NOT_DURABLE, Database, free_port, running, settings_for

RELOAD_SECONDS = 150
ROUNDS = 5

# The function as Datadog's set-up page has it, run by a superuser.
VENDORS = (
    "DROP FUNCTION datadog.explain_statement(text);"
    " CREATE FUNCTION datadog.explain_statement(l_query text, OUT explain json) RETURNS SETOF json"
    " LANGUAGE plpgsql RETURNS NULL ON NULL INPUT SECURITY DEFINER AS $f$"
    " DECLARE curs refcursor; plan json; BEGIN SET TRANSACTION READ ONLY;"
    " OPEN curs FOR EXECUTE pg_catalog.concat('EXPLAIN (FORMAT JSON) ', l_query);"
    " FETCH curs INTO plan; CLOSE curs; RETURN QUERY SELECT plan; END $f$"
)

# Defects, by the check that must find them.
BREAKS: dict[str, list[str]] = {
    "pg_stat_statements": ["DROP EXTENSION pg_stat_statements"],
    "pg_buffercache": ["DROP EXTENSION pg_buffercache"],
    "query_id": ["ALTER SYSTEM SET compute_query_id = off", "SELECT pg_reload_conf()"],
    "pg_stat_statements.track": ["ALTER DATABASE {database} SET pg_stat_statements.track = 'top'"],
    "pg_stat_statements.track_utility": [
        "ALTER SYSTEM SET pg_stat_statements.track_utility = on",
        "SELECT pg_reload_conf()",
    ],
    "track_io_timing": ["ALTER DATABASE {database} SET track_io_timing = off"],
    "datadog_role": ["ALTER ROLE datadog NOLOGIN"],
    "datadog_pg_monitor": ["REVOKE pg_monitor FROM datadog"],
    "datadog_search_path": [
        "CREATE SCHEMA elsewhere",
        "ALTER EXTENSION pg_stat_statements SET SCHEMA elsewhere",
    ],
    "datadog_limits": ["ALTER ROLE datadog RESET ALL", "ALTER ROLE datadog CONNECTION LIMIT -1"],
    "exporter_role": ["REVOKE CONNECT ON DATABASE {database} FROM public"],
    "exporter_pg_monitor": ["ALTER ROLE postgres_exporter NOINHERIT"],
    "exporter_search_path": [
        "ALTER ROLE postgres_exporter IN DATABASE {database} SET search_path = pg_catalog"
    ],
    "exporter_limits": ["ALTER ROLE postgres_exporter RESET statement_timeout"],
    "datadog_schema": ["REVOKE USAGE ON SCHEMA datadog FROM datadog"],
    "explain_function": ["DROP FUNCTION datadog.explain_statement(text)"],
    "explain_security_definer": ["ALTER FUNCTION datadog.explain_statement(text) SECURITY INVOKER"],
    "explain_confined": [VENDORS],
    "explain_works": ["REVOKE ALL ON FUNCTION datadog.explain_statement(text) FROM datadog"],
    "log_destination": ["ALTER SYSTEM SET log_destination = 'stderr'", "SELECT pg_reload_conf()"],
    "log_line_prefix": ["ALTER SYSTEM SET log_line_prefix = '%m '", "SELECT pg_reload_conf()"],
    "log_min_duration_statement": ["ALTER DATABASE {database} SET log_min_duration_statement = -1"],
    "log_lock_waits": ["ALTER DATABASE {database} SET log_lock_waits = off"],
    "auto_explain.log_analyze": ["ALTER DATABASE {database} SET auto_explain.log_analyze = off"],
}


@pytest.fixture
def fixable(database: Database) -> Iterator[Database]:
    """A database of a server whose roles and settings are put back, whatever a test leaves."""
    yield database
    with database.connect(Role.SUPERUSER) as connection:
        for statement in (
            "ALTER SYSTEM RESET ALL",
            "SELECT pg_reload_conf()",
            "GRANT pg_monitor TO datadog, postgres_exporter",
            "ALTER ROLE datadog LOGIN INHERIT CONNECTION LIMIT 10",
            "ALTER ROLE datadog SET statement_timeout = '5s'",
            "ALTER ROLE datadog SET lock_timeout = '1s'",
            "ALTER ROLE postgres_exporter LOGIN INHERIT CONNECTION LIMIT 5",
            "ALTER ROLE postgres_exporter SET statement_timeout = '8s'",
        ):
            rows(connection, statement)


def find(report: Report, name: str) -> Check:
    [check] = [check for check in report.checks if check.name == name]
    return check


def run(target: str, statements: tuple[str, ...]) -> None:
    with connect(target) as connection:
        for statement in statements:
            rows(connection, statement)


def examined_until(target: str, name: str, status: Status) -> Check:
    """Examine until the server has taken in a reload, which it does in its own time."""
    seen: list[Check] = []

    def another() -> str | None:
        seen.append(find(examine(target), name))
        return None if seen[-1].status is status else str(seen[-1])

    await_state(f"{name} is {status}", another, within_s=RELOAD_SECONDS)
    return seen[-1]


@pytest.mark.parametrize("role", [Role.SUPERUSER, Role.DATADOG])
def test_the_labs_own_database_lacks_nothing(database: Database, role: Role) -> None:
    report = examine(database.dsn(role))
    assert [check for check in report.checks if check.status is not Status.OK] == []
    assert find(report, "explain_works").found.startswith("as datadog: SELECT * FROM ")


@pytest.mark.parametrize("name", sorted(BREAKS))
def test_what_is_broken_is_named_and_its_fix_works(fixable: Database, name: str) -> None:
    """The named check turns from ok to missing and, once its statements have run, back to ok."""
    target = fixable.dsn(Role.SUPERUSER)
    assert find(examine(target), name).status is Status.OK
    run(target, tuple(s.format(database=fixable.name) for s in BREAKS[name]))
    broken = examined_until(target, name, Status.MISSING)
    assert broken.fix is not None
    assert broken.impact
    run(target, broken.fix.statements)
    examined_until(target, name, Status.OK)


def test_an_old_version_of_the_extension_is_named_and_updated(fixable: Database) -> None:
    target = fixable.dsn(Role.SUPERUSER)
    old = ("DROP EXTENSION pg_stat_statements", "CREATE EXTENSION pg_stat_statements VERSION '1.4'")
    run(target, old)
    check = find(examine(target), "pg_stat_statements")
    assert check.status is Status.MISSING
    assert "1.4" in check.found
    assert check.fix is not None
    run(target, check.fix.statements)
    assert find(examine(target), "pg_stat_statements").status is Status.OK


def test_an_extension_off_the_search_path_is_really_found_after_the_fix(
    fixable: Database,
) -> None:
    target = fixable.dsn(Role.SUPERUSER)
    run(target, tuple(BREAKS["datadog_search_path"]))
    with fixable.connect(Role.DATADOG) as agent, pytest.raises(DatabaseError):
        rows(agent, "SELECT count(*) FROM pg_stat_statements")
    fix = find(examine(target), "datadog_search_path").fix
    assert fix is not None
    run(target, fix.statements)
    with fixable.connect(Role.DATADOG) as agent:
        assert rows(agent, "SELECT count(*) > 0 FROM pg_stat_statements") == [(True,)]


def test_a_function_owner_that_may_not_read_a_table_is_named(fixable: Database) -> None:
    """A new table that the function's owner may not read has no plans, and the check names it."""
    target = fixable.dsn(Role.SUPERUSER)
    with fixable.connect(Role.OWNER) as owner:
        rows(owner, "CREATE TABLE forgotten AS SELECT 1 AS x")
    check = find(examine(target), "explain_works")
    assert check.status is Status.MISSING
    assert "forgotten" in check.found
    assert check.fix is not None
    run(target, check.fix.statements)
    with fixable.connect(Role.DATADOG) as agent:
        [[plan]] = rows(agent, "SELECT datadog.explain_statement('SELECT * FROM forgotten')")
    assert plan[0]["Plan"]["Relation Name"] == "forgotten"
    assert find(examine(target), "explain_works").status is Status.OK


def test_a_role_without_privileges_gets_an_honest_unknown(database: Database) -> None:
    """credit_app may not explain: what follows from that is unknown, the rest is judged."""
    report = examine(database.dsn(Role.APP))
    unknown = [check for check in report.checks if check.status is Status.UNKNOWN]
    assert [check.name for check in unknown] == ["explain_confined", "explain_works"]
    assert report.outcome.exit_status == 2


def test_a_hardened_catalogue_is_unknown_until_the_grant_that_the_doctor_names(
    database: Database,
) -> None:
    superuser, target = database.dsn(Role.SUPERUSER), database.dsn(Role.APP)
    hidden = "pg_available_extensions, pg_db_role_setting, pg_stat_activity, pg_settings"
    run(superuser, (f"REVOKE SELECT ON {hidden} FROM public",))
    report = examine(target)
    unknown = {check.name for check in report.checks if check.status is Status.UNKNOWN}
    assert {"pg_stat_statements", "datadog_role", "exporter_role", "query_id"} <= unknown
    assert "track_io_timing" in unknown
    for name in ("pg_stat_statements", "datadog_role"):
        fix = find(report, name).fix
        assert fix is not None
        run(superuser, fix.statements)
        assert find(examine(target), name).status is Status.OK


def test_examining_changes_nothing(database: Database) -> None:
    """Neither a row nor a setting nor a session stays behind."""
    with database.connect(Role.SUPERUSER) as connection:
        written = "SELECT pg_current_xact_id_if_assigned(), sum(n_tup_ins) FROM pg_stat_user_tables"
        before = rows(connection, written)
        examine(database.dsn(Role.SUPERUSER))
        assert rows(connection, written) == before
        sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '%%doctor%%'"

        def sessions_left() -> str | None:
            [[left]] = rows(connection, sessions, [])
            return f"{left} sessions" if left else None

        await_state("the doctor's session ends", sessions_left, within_s=RELOAD_SECONDS)


@pytest.fixture
def foreign(postgres: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """Any other server: PostgreSQL's defaults, nothing loaded."""
    conf = tmp_path / "theirs" / "conf"
    conf.mkdir(parents=True)
    (conf / "postgresql.conf").write_text("max_connections = 30\n")
    (conf / "pg_hba.conf").write_text("host all all all scram-sha-256\n")
    monkeypatch.setattr("lab.stack.native.cluster._POSTGRES", tmp_path / "theirs")
    return Cluster(
        settings=settings_for(port=free_port(), database="Their shop"),
        state=tmp_path / "server",
        bin=postgres.path.parent,
        libraries=postgres.libraries,
        options=NOT_DURABLE,
    )


def test_the_doctors_advice_alone_takes_a_bare_server_to_nothing_missing(foreign: Cluster) -> None:
    """Apply its fixes round by round, with the required restarts, and nothing else."""
    target = dsn(foreign.settings, Role.SUPERUSER)
    with running(foreign):
        administer = dsn(foreign.settings, Role.SUPERUSER, database="postgres")
        run(administer, ('CREATE DATABASE "Their shop"', "CREATE ROLE shop LOGIN PASSWORD 'shop'"))
        run(
            target,
            (
                'CREATE SCHEMA "The shop" AUTHORIZATION shop',
                'CREATE TABLE "The shop"."order" (x int)',
                'ALTER TABLE "The shop"."order" OWNER TO shop',
            ),
        )
        powerless = examine(f"{target} user=shop password=shop")
        assert powerless.outcome.exit_status == 1
        assert find(powerless, "libraries").status is Status.MISSING

    rounds = 0
    missing: list[str] = ["everything"]
    while missing:
        rounds += 1
        assert rounds <= ROUNDS, f"still missing after {ROUNDS} rounds of advice: {missing}"
        with running(foreign):
            report = examine(target)
            missing = [check.name for check in report.missing]
            for check in report.missing:
                assert check.fix is not None
                if not check.fix.after:
                    run(target, check.fix.statements)
    assert [check.name for check in report.checks if check.status is not Status.OK] == []
    # The libraries take one restart, what they define another; the last round finds nothing.
    assert rounds == 3


def test_a_setting_of_the_command_line_is_not_fixed_in_vain(foreign: Cluster) -> None:
    fixed = Cluster(
        settings=foreign.settings.model_copy(update={"postgres_db": "postgres"}),
        state=foreign.state,
        bin=foreign.bin,
        libraries=foreign.libraries,
        options=(*NOT_DURABLE, ("track_io_timing", "off")),
    )
    with running(fixed):
        check = find(examine(dsn(fixed.settings, Role.SUPERUSER)), "track_io_timing")
    assert check.fix is not None
    assert check.fix.statements == ()
    assert check.fix.then is Then.RESTART
    assert "-c track_io_timing" in check.fix.note


@pytest.mark.parametrize("role", [Role.SUPERUSER, Role.DATADOG])
def test_the_vendors_function_lets_its_caller_act_as_the_superuser(
    fixable: Database, role: Role
) -> None:
    """Each escalation that the connecting role can try is reported; one that is closed is not."""
    run(fixable.dsn(Role.SUPERUSER), (VENDORS,))
    check = find(examine(fixable.dsn(role)), "explain_confined")
    assert check.status is Status.MISSING
    assert "EXPLAIN EXECUTE evaluates any parameter" in check.found
    assert "functions that read tables run during planning" in check.found
    assert "owner postgres is a superuser" in check.found
    assert "temporary" not in check.found
    run(fixable.dsn(Role.SUPERUSER), (f"GRANT TEMPORARY ON DATABASE {fixable.name} TO datadog",))
    assert "temporary functions" in find(examine(fixable.dsn(role)), "explain_confined").found


def test_what_the_catalogue_shows_is_missing_also_where_nothing_may_be_tried(
    fixable: Database,
) -> None:
    run(fixable.dsn(Role.SUPERUSER), (VENDORS,))
    check = find(examine(fixable.dsn(Role.LAB)), "explain_confined")
    assert (check.status, check.found) == (Status.MISSING, "its owner postgres is a superuser")


def test_the_agents_own_search_path_decides_what_it_finds(fixable: Database) -> None:
    """The asker finds the application's table by its own search path, and the Agent does not."""
    run(
        fixable.dsn(Role.SUPERUSER),
        (
            VENDORS,
            "CREATE SCHEMA app AUTHORIZATION credit_app",
            "CREATE TABLE app.orders AS SELECT g AS id FROM generate_series(1, 100000) g",
            "ALTER TABLE app.orders OWNER TO credit_app",
            "ANALYZE app.orders",
            f"ALTER ROLE credit_app IN DATABASE {fixable.name} SET search_path = app",
            "GRANT USAGE ON SCHEMA datadog TO credit_app",
        ),
    )
    asker = f"{fixable.dsn(Role.SUPERUSER)} options='-c search_path=app'"
    for target in (asker, fixable.dsn(Role.SUPERUSER), fixable.dsn(Role.APP)):
        check = find(examine(target), "explain_works")
        assert check.status is Status.MISSING
        assert check.found.startswith("SELECT * FROM orders LIMIT 1: ")
    fix = find(examine(asker), "explain_works").fix
    assert fix is not None
    run(fixable.dsn(Role.SUPERUSER), fix.statements)
    check = find(examine(asker), "explain_works")
    assert (check.status, check.found) == (
        Status.OK,
        "as datadog: SELECT * FROM orders LIMIT 1",
    )


def test_the_observers_roles_may_have_other_names(fixable: Database) -> None:
    with fixable.connect(Role.SUPERUSER) as connection:
        rows(connection, "CREATE ROLE dd_agent LOGIN")
        try:
            report = examine(fixable.dsn(Role.SUPERUSER), datadog_role="dd_agent")
            assert find(report, "datadog_role").title == "Role dd_agent for the Datadog Agent"
            assert find(report, "datadog_pg_monitor").status is Status.MISSING
        finally:
            rows(connection, "DROP ROLE dd_agent")


def test_a_text_that_cannot_be_converted_is_reported_with_the_reset(foreign: Cluster) -> None:
    """One statement of an SQL_ASCII database fails the texts of all; the fix brings them back."""
    server = Cluster(
        settings=foreign.settings.model_copy(update={"postgres_db": "postgres"}),
        state=foreign.state,
        bin=foreign.bin,
        libraries=foreign.libraries,
        options=(*NOT_DURABLE, ("shared_preload_libraries", "pg_stat_statements")),
    )
    target = dsn(server.settings, Role.SUPERUSER)
    with running(server):
        create = "CREATE DATABASE legado ENCODING SQL_ASCII LOCALE 'C' TEMPLATE template0"
        run(target, ("CREATE EXTENSION pg_stat_statements", create))
        assert find(examine(target), "statement_texts").status is Status.OK
        with connect(dsn(server.settings, Role.SUPERUSER, database="legado")) as connection:
            connection.cursor().execute(b'SELECT 1 AS "situa\xe7\xe3o"')
        check = find(examine(target), "statement_texts")
        assert check.status is Status.MISSING
        assert "invalid byte sequence" in check.found
        assert check.fix is not None
        run(target, check.fix.statements)
        assert find(examine(target), "statement_texts").status is Status.OK


def test_a_standby_is_examined_and_sent_to_its_primary(foreign: Cluster) -> None:
    """The same data directory once more, in recovery: nothing can be created here."""
    server = Cluster(
        settings=foreign.settings.model_copy(update={"postgres_db": "postgres"}),
        state=foreign.state,
        bin=foreign.bin,
        libraries=foreign.libraries,
        options=NOT_DURABLE,
    )
    with running(server):
        assert examine(dsn(server.settings, Role.SUPERUSER)).is_standby is False
    (server.data / "standby.signal").touch()
    with running(server):
        report = examine(dsn(server.settings, Role.SUPERUSER))
    assert report.is_standby is True
    for name in ("pg_stat_statements", "datadog_role", "explain_function"):
        fix = find(report, name).fix
        assert fix is not None
        assert fix.note.startswith("This server is a standby: run these on its primary.")
    fix = find(report, "track_io_timing").fix
    assert fix is not None
    assert "primary" not in fix.note
