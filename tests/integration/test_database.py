"""lab/clients/database.py against a real server: what comes back, and how each refusal reads."""

import pytest
from pydantic import SecretStr

from lab.clients.database import Role, connect, dsn, read_only, rows
from lab.foundation.errors import (
    DatabaseAbsentError,
    DatabaseError,
    DatabaseUnreachableError,
    PasswordRefusedError,
)
from lab.foundation.readiness import await_state
from tests.fix_postgres import Database, free_port


def refused(target: str) -> DatabaseError:
    with pytest.raises(DatabaseError) as error, connect(target):
        pass
    return error.value


def test_a_server_that_is_not_there_is_named_with_its_address(database: Database) -> None:
    port = free_port()
    settings = database.settings.model_copy(update={"postgres_port": port})
    error = refused(dsn(settings, Role.LAB))
    assert isinstance(error, DatabaseUnreachableError)
    assert f"127.0.0.1:{port}" in str(error)
    assert "creditlab status" in str(error)


def test_a_refused_password_names_the_role_and_never_the_password(database: Database) -> None:
    settings = database.settings.model_copy(update={"lab_db_password": SecretStr("s3cret")})
    error = refused(dsn(settings, Role.LAB))
    assert isinstance(error, PasswordRefusedError)
    assert "role lab" in str(error)
    assert "s3cret" not in str(error)


def test_an_absent_database_is_named(database: Database) -> None:
    error = refused(dsn(database.settings, Role.LAB, database="no such"))
    assert isinstance(error, DatabaseAbsentError)
    assert '"no such"' in str(error)


@pytest.mark.parametrize("target", ["nonsense", "postgresql://[", "host=localhost colour=red"])
def test_what_is_no_connection_string_is_answered_with_the_form(target: str) -> None:
    assert "postgresql://ROLE:PASSWORD@HOST:PORT/DATABASE" in str(refused(target))


def test_other_refusals_keep_the_servers_words(database: Database) -> None:
    """A role at its connection limit receives that error, and so does the user."""
    superuser = database.dsn(Role.SUPERUSER)
    with connect(superuser) as connection:
        rows(connection, "CREATE ROLE nobody_more LOGIN PASSWORD 'x' CONNECTION LIMIT 0")
        try:
            error = refused(f"{superuser} user=nobody_more password=x")
        finally:
            rows(connection, "DROP ROLE nobody_more")
    assert type(error) is DatabaseError
    assert "too many connections for role" in str(error)


def test_a_failing_statement_carries_its_sqlstate_and_hint(database: Database) -> None:
    with database.connect(Role.LAB) as connection:
        with pytest.raises(DatabaseError, match="division by zero") as error:
            rows(connection, "SELECT 1/0")
        assert error.value.sqlstate == "22012"
        with pytest.raises(DatabaseError, match="Perhaps you meant"):
            rows(connection, "SELECT customers.cpff FROM customers")
        assert rows(connection, "SELECT 1") == [(1,)]


def test_the_statement_time_out_is_in_seconds(database: Database) -> None:
    """And it applies to the block alone."""
    with database.connect(Role.LAB) as connection:
        before = rows(connection, "SHOW statement_timeout")
        with (
            pytest.raises(DatabaseError) as error,
            read_only(connection, statement_timeout_s=0.1),
        ):
            rows(connection, "SELECT pg_sleep(30)")
        assert rows(connection, "SHOW statement_timeout") == before
    assert error.value.sqlstate == "57014"


def test_a_read_only_block_writes_nothing_and_leaves_nothing_in_the_session(
    database: Database,
) -> None:
    shown = "SELECT current_user, current_setting('lock_timeout'), current_setting('transaction_read_only')"
    with database.connect(Role.LAB) as connection:
        before = rows(connection, shown)
        with read_only(connection, role="pg_monitor", lock_timeout_s=7, one_snapshot=True):
            assert rows(connection, shown) == [("pg_monitor", "7s", "on")]
            with pytest.raises(DatabaseError) as error:
                rows(connection, "CREATE TABLE x ()")
        assert error.value.sqlstate == "25006"
        assert rows(connection, shown) == before == [("lab", "0", "off")]


def test_without_autocommit_the_end_of_the_block_commits_and_an_error_rolls_back(
    database: Database,
) -> None:
    target = database.dsn(Role.OWNER)
    with connect(target, autocommit=False) as connection:
        rows(connection, "CREATE TABLE kept (x int)")
    with connect(target, autocommit=False) as connection:
        rows(connection, "INSERT INTO kept VALUES (1)")
    with (
        pytest.raises(ZeroDivisionError),
        connect(target, autocommit=False) as connection,
    ):
        raise ZeroDivisionError(rows(connection, "DELETE FROM kept"))
    with connect(target) as connection:
        assert rows(connection, "SELECT count(*) FROM kept") == [(1,)]


def test_passwords_of_any_characters_survive_the_connection_string(database: Database) -> None:
    odd = 'it\'s \\ a "pass" = word ü'
    settings = database.settings.model_copy(update={"lab_db_password": SecretStr(odd)})
    with database.connect(Role.SUPERUSER) as connection:
        rows(connection, "ALTER ROLE lab PASSWORD %s", [odd])
        try:
            with connect(dsn(settings, Role.LAB)) as lab:
                assert rows(lab, "SELECT current_user") == [("lab",)]
        finally:
            default = database.settings.lab_db_password.get_secret_value()
            rows(connection, "ALTER ROLE lab PASSWORD %s", [default])


def test_a_reader_does_not_count_as_rollbacks(database: Database) -> None:
    """RollbackStorm compares rollbacks with commits: the lab's samples, each second, were a tenth of them."""
    rolled_back = "SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()"
    target = dsn(database.settings, Role.LAB)
    with connect(target) as reader:
        [[before]] = rows(reader, rolled_back)
        # A session's counters are complete when it has ended.
        with connect(target) as sampler:
            for _ in range(5):
                with read_only(sampler, role="pg_monitor", statement_timeout_s=5):
                    rows(sampler, "SELECT 1")
            with read_only(sampler, roll_back=True):
                rows(sampler, "SELECT 1")
        await_state(
            "the session's counters are there",
            lambda: None if rows(reader, rolled_back) != [(before,)] else f"{before} rollbacks",
            within_s=150,
        )
        assert rows(reader, rolled_back) == [(before + 1,)]
