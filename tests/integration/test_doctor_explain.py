"""The doctor's own attempt at an estimated plan: what the function answers decides, not that it is there."""

import pytest

from lab.clients.database import Role, rows
from lab.doctor import Check, Status, examine
from lab.doctor.read import read
from tests.fix_postgres import Database

FAILS = """
CREATE OR REPLACE FUNCTION datadog.explain_statement(l_query text) RETURNS SETOF json
LANGUAGE plpgsql STRICT SECURITY DEFINER AS
$$ BEGIN RAISE EXCEPTION 'the plan is out of order'; END $$"""


def explain_works(database: Database, role: Role = Role.SUPERUSER) -> Check:
    [check] = [c for c in examine(database.dsn(role)).checks if c.name == "explain_works"]
    return check


def test_a_function_that_fails_is_missing_and_its_error_is_quoted(database: Database) -> None:
    """The role may call it, and calls it in vain: no statement of the database would get a plan."""
    assert explain_works(database).status is Status.OK
    with database.connect(Role.SUPERUSER) as connection:
        rows(connection, FAILS)
    check = explain_works(database)
    assert check.status is Status.MISSING
    assert "the plan is out of order" in check.found


@pytest.mark.parametrize(("role", "by"), [(Role.SUPERUSER, "datadog"), (Role.LAB, "lab")])
def test_the_attempt_is_made_as_datadog_where_that_is_permitted(
    database: Database, role: Role, by: str
) -> None:
    """A superuser becomes the role; another one tries as itself, and is refused the function."""
    with database.connect(role) as connection:
        facts = read(connection, datadog_role="datadog", exporter_role="postgres_exporter")
        attempt = facts.attempt
        assert attempt
        assert (attempt.by, attempt.refused, attempt.error) == (by, by != "datadog", "")
        assert attempt.statement.startswith("SELECT * FROM ")
        # Nothing of it is left in the session: neither the role, nor a transaction.
        assert rows(
            connection, "SELECT current_user = session_user, pg_current_xact_id_if_assigned()"
        ) == [(True, None)]


def test_an_error_of_the_attempt_is_in_the_facts(database: Database) -> None:
    with database.connect(Role.SUPERUSER) as connection:
        rows(connection, FAILS)
        facts = read(connection, datadog_role="datadog", exporter_role="postgres_exporter")
    assert facts.attempt
    assert (facts.attempt.refused, "out of order" in facts.attempt.error) == (False, True)
