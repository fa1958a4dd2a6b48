"""Index advice on a real PostgreSQL with the real HypoPG: exact costs, least privilege, nothing left."""

import json

import pytest

from lab.clients.database import Role, rows
from lab.drilldown.index_advice import NOT_INSTALLED, IndexAdvice, advise
from lab.foundation.errors import DatabaseError
from tests.fix_postgres import Database

NAMED = "/*dddbs='creditdb'*/ {} /*service='x',statement='history'*/"
HISTORY = "SELECT amount FROM credit_proposals WHERE customer_id = 7 AND status = 'pending'"
INDEXES = "SELECT count(*) FROM pg_indexes"


def filled(database: Database) -> None:
    """Five thousand proposals of a thousand customers, and no index of the customer."""
    with database.connect(Role.OWNER) as connection:
        rows(connection, "DROP INDEX credit_proposals_customer")
        rows(
            connection,
            "INSERT INTO credit_products VALUES (1, 'a', 'a', 1, 9, 1, 9, 0.01, 1);"
            "INSERT INTO customers (cpf, full_name, email, phone, birth_date, city, state, monthly_income)"
            " SELECT lpad(n::text, 11, '0'), 'n', 'e', 'p', '1990-01-01', 'c', 'SP', 1"
            " FROM generate_series(1, 1000) n;"
            "INSERT INTO credit_proposals (customer_id, product_id, amount, installments, channel)"
            " SELECT 1 + n % 1000, 1, 5, 1, 'app' FROM generate_series(1, 5000) n",
        )
        rows(connection, "ANALYZE customers, credit_proposals")


def executed(database: Database, sql: str, role: Role = Role.APP) -> str:
    """Execute a statement and return its queryid."""
    with database.connect(role) as connection:
        rows(connection, NAMED.format(sql))
    like = f"%{sql.partition(' WHERE')[0][:40]}%"
    with database.connect(Role.LAB) as connection:
        [[queryid]] = rows(
            connection,
            "SELECT queryid FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid"
            " WHERE d.datname = current_database() AND query LIKE %s AND userid = %s::regrole",
            [like, role.value],
        )
    return str(queryid)


def advice(database: Database, sql: str) -> IndexAdvice:
    return advise(database.settings, [executed(database, sql)])


def test_a_missing_index_is_found_with_the_planners_costs(with_hypopg: Database) -> None:
    """The index then really made gives the estimated cost; no index exists before that."""
    filled(with_hypopg)
    [index] = advice(with_hypopg, HISTORY).indexes
    assert index.definition == "CREATE INDEX ON public.credit_proposals (customer_id);"
    assert index.cost_after < index.cost_before / 5
    assert index.sentence.startswith(
        "with an index on public.credit_proposals (customer_id): cost "
    )
    assert index.sentence.endswith("(estimated, not executed)")
    assert index.size_bytes > 0
    with with_hypopg.connect(Role.OWNER) as connection:
        [[before]] = rows(connection, INDEXES)
        rows(connection, index.definition)
        [[after]] = rows(connection, INDEXES)
        assert after == before + 1
        rows(connection, "SET plan_cache_mode = force_generic_plan")
        rows(
            connection,
            "PREPARE real AS SELECT amount FROM credit_proposals WHERE customer_id = $1 AND status = $2",
        )
        [[plan]] = rows(connection, "EXPLAIN (FORMAT JSON) EXECUTE real(NULL, NULL)")
    document = json.loads(plan) if isinstance(plan, str) else plan
    assert document[0]["Plan"]["Total Cost"] == pytest.approx(index.cost_after, rel=0.2)
    answer = advice(with_hypopg, HISTORY)
    assert answer == IndexAdvice(
        reason="no index of one to three columns makes its generic plan much cheaper"
    )


def test_what_cannot_be_planned_safely_has_a_reason(with_hypopg: Database) -> None:
    """A statement that writes or locks, one without a text, and parameters whose type is not known."""
    filled(with_hypopg)
    reading = "the role lab may plan only statements that read, without locks"
    update = "UPDATE credit_proposals SET amount = amount WHERE customer_id = 1"
    assert advice(with_hypopg, update).reason == reading
    assert (
        advice(
            with_hypopg, "SELECT channel FROM credit_proposals WHERE customer_id = 9 FOR UPDATE"
        ).reason
        == reading
    )
    unknown = advise(with_hypopg.settings, ["1"])
    assert unknown.reason == "pg_stat_statements does not have its text"


def test_only_the_lab_may_call_it(with_hypopg: Database) -> None:
    call = "SELECT * FROM hypopg.hypopg_create_index('CREATE INDEX ON customers (state)')"
    for role in (Role.APP, Role.DATADOG, Role.EXPORTER):
        with with_hypopg.connect(role) as connection, pytest.raises(DatabaseError) as error:
            rows(connection, call)
        assert error.value.sqlstate == "42501"


def test_a_server_without_it_is_named_with_the_remedy(database: Database) -> None:
    assert advise(database.settings, ["1"]) == IndexAdvice(reason=NOT_INSTALLED)
