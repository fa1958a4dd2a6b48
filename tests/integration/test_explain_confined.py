"""datadog.explain_statement gives the role datadog plans only."""

from collections.abc import Iterator

import pytest

from lab.clients.database import Connection, Role, rows
from lab.foundation.errors import DatabaseError
from lab.stack.native.cluster import Cluster
from tests.fix_postgres import Database
from tests.fix_workload import cloned

NAME, CPF = "Maria da Silva", "39053344705"
TABLE = "credit_products"
READ = "string_agg(full_name, ',') FROM customers"
TEMPORARY = (
    "CREATE FUNCTION pg_temp.f() RETURNS text IMMUTABLE LANGUAGE plpgsql AS"
    f" $f$ BEGIN RETURN current_user || (SELECT {READ}); END $f$"
)
PREPARED = f"PREPARE p(text) AS SELECT * FROM {TABLE} WHERE name = $1"
AS_XML = "query_to_xml('SELECT full_name FROM customers', true, true, '')::text"
OF_TABLE = "table_to_xml('customers', true, false, '')::text"

# By what they try: statements to prepare the session with, then the one that is explained.
ATTACKS: dict[str, tuple[tuple[str, ...], str]] = {
    "a function in pg_temp": ((TEMPORARY,), f"SELECT * FROM {TABLE} WHERE name = pg_temp.f()"),
    "a temporary view": (
        (TEMPORARY, "CREATE TEMPORARY VIEW v AS SELECT pg_temp.f() AS x"),
        f"SELECT * FROM {TABLE}, v WHERE name = x",
    ),
    "an operator in pg_temp": (
        (
            (
                "CREATE FUNCTION pg_temp.g(int, int) RETURNS text IMMUTABLE LANGUAGE plpgsql AS"
                f" $f$ BEGIN RETURN (SELECT {READ}); END $f$"
            ),
            "CREATE OPERATOR pg_temp.+++ (FUNCTION = pg_temp.g, LEFTARG = int, RIGHTARG = int)",
        ),
        f"SELECT * FROM {TABLE} WHERE name = 1 OPERATOR(pg_temp.+++) 2",
    ),
    "parameters of EXECUTE": ((PREPARED,), f"EXECUTE p({AS_XML})"),
    "parameters of EXECUTE behind comments": (
        (PREPARED,),
        f"/* SELECT */ -- SELECT\n/* /* */ SELECT */ EXECUTE p({AS_XML})",
    ),
    "parameters of EXECUTE behind a nested comment": (
        (PREPARED,),
        f"/*/**/ SELECT 1 --*/ EXECUTE p({AS_XML})",
    ),
    "parameters of EXECUTE in CREATE TABLE": (
        (PREPARED,),
        f"CREATE TABLE x AS EXECUTE p({AS_XML})",
    ),
    "parameters of EXECUTE in SELECT's place": ((PREPARED,), f"(EXECUTE p({AS_XML}))"),
    "parameters of EXECUTE with escapes": (
        ("SET standard_conforming_strings = off", "SET backslash_quote = on", PREPARED),
        f"/* \\*/ EXECUTE p({AS_XML}) -- */ SELECT",
    ),
    "the error of a stable function": (
        (),
        f"SELECT * FROM {TABLE} WHERE product_id = ({OF_TABLE})::int",
    ),
    "the error of a name": (
        (),
        f"SELECT * FROM {TABLE} WHERE product_id = ({OF_TABLE})::regclass::int",
    ),
    "a name in escapes": (
        (),
        f"""SELECT * FROM {TABLE} WHERE product_id =
            U&"\\0074able_to_xml"('customers', true, false, '')::text::int""",
    ),
    "the whole database": (
        (),
        f"SELECT * FROM {TABLE} WHERE product_id = database_to_xml(true, false, '')::text::int",
    ),
    "options of EXPLAIN": ((), f"(ANALYZE) SELECT {READ}"),
    "ANALYZE": ((), f"ANALYZE SELECT {READ}"),
    "a second statement": ((), f"SELECT 1; SELECT {READ}"),
    "DO": ((), f"DO $d$ BEGIN RAISE '%', (SELECT {READ}); END $d$"),
    "COPY": ((), f"COPY (SELECT {READ}) TO STDOUT"),
    "DECLARE": ((), f"DECLARE c CURSOR FOR SELECT {READ}"),
}


def attempted(connection: Connection, *statements: str) -> str:
    """Run what PostgreSQL takes, and return all that comes back: rows, errors, notices."""
    seen = []
    for statement in statements:
        try:
            seen.append(str(rows(connection, statement)))
        except DatabaseError as error:
            seen.append(f"{error} {error.__cause__}")
    return " ".join([*seen, *connection.notices])


def explain(statement: str) -> str:
    return f"SELECT datadog.explain_statement($explain${statement}$explain$)"


@pytest.fixture(scope="module")
def of_one_customer(cluster: Cluster) -> Iterator[Database]:
    """A database with one customer, for the whole module: no attack changes anything in it."""
    with cloned(cluster, "lab_template") as database:
        with database.connect(Role.SUPERUSER) as connection:
            rows(
                connection,
                "INSERT INTO customers"
                " (cpf, full_name, email, phone, birth_date, city, state, monthly_income)"
                f" VALUES ('{CPF}', '{NAME}', 'm@example.com', '1', '1990-01-01', 'Rio', 'RJ', 1)",
            )
        yield database


@pytest.fixture
def attacked(of_one_customer: Database) -> Database:
    """This database, in which nobody may create temporary objects."""
    with of_one_customer.connect(Role.SUPERUSER) as connection:
        rows(connection, f"REVOKE TEMPORARY ON DATABASE {of_one_customer.name} FROM public")
    return of_one_customer


@pytest.mark.parametrize("attack", sorted(ATTACKS))
@pytest.mark.parametrize("temporary", [False, True], ids=["as made", "with TEMPORARY granted back"])
def test_no_explained_statement_reads_customers(
    attacked: Database, attack: str, temporary: bool
) -> None:
    """Neither by the plan, nor by an error, nor by a notice; also where temporary objects are allowed."""
    prepare, statement = ATTACKS[attack]
    if temporary:
        with attacked.connect(Role.SUPERUSER) as connection:
            rows(connection, f"GRANT TEMPORARY ON DATABASE {attacked.name} TO public")
    with attacked.connect(Role.DATADOG) as connection:
        notices = ("SET client_min_messages = debug5", "SET debug_print_plan = on")
        seen = attempted(connection, *prepare, *notices, explain(statement))
    assert NAME not in seen
    assert CPF not in seen
    assert "datadog_explain" not in seen


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TEMPORARY TABLE t ()",
        TEMPORARY,
        "CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE FUNCTION datadog.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE SCHEMA mine",
        "CREATE EXTENSION citext",
        "SET ROLE datadog_explain",
        "SET ROLE credit_app",
        "SET SESSION AUTHORIZATION datadog_explain",
        "ALTER FUNCTION datadog.explain_statement(text) SET search_path = pg_temp",
        f"SELECT {READ}",
        "SELECT * FROM pg_statistic",
    ],
)
def test_the_role_datadog_creates_nothing_and_has_no_other_role(
    attacked: Database, statement: str
) -> None:
    with attacked.connect(Role.DATADOG) as connection, pytest.raises(DatabaseError) as refused:
        rows(connection, statement)
    assert refused.value.sqlstate in {"42501", "0A000"}


def test_the_role_that_plans_owns_the_function_and_has_no_members(database: Database) -> None:
    """So that it can end no other role's session, and change nothing."""
    with database.connect(Role.SUPERUSER) as connection:
        owned = rows(
            connection,
            "SELECT classid::regclass::text, objid::regprocedure::text FROM pg_shdepend"
            " WHERE refobjid = 'datadog_explain'::regrole AND deptype = 'o'"
            " AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())",
        )
        memberships = rows(
            connection,
            "SELECT roleid::regrole FROM pg_auth_members"
            " WHERE 'datadog_explain'::regrole IN (member, roleid)",
        )
        differences = rows(
            connection,
            "SELECT table_name, privilege_type FROM information_schema.role_table_grants"
            " WHERE grantee = 'credit_app' EXCEPT SELECT table_name, privilege_type"
            " FROM information_schema.role_table_grants WHERE grantee = 'datadog_explain'",
        )
    assert owned == [("pg_proc", "datadog.explain_statement(text)")]
    assert memberships == []
    assert differences == []


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1",
        "select 1",
        "(SELECT 1) UNION (SELECT 2)",
        "VALUES (1)",
        f"TABLE {TABLE}",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "MERGE INTO customers c USING (VALUES (1)) v (x) ON c.customer_id = v.x WHEN MATCHED THEN DELETE",
        "/*dddbs='credit',traceparent='00-0-0-01'*/ SELECT 1 /*service='a'*/",
        "/* a * b / c ** // */ -- and ' so \" on\r\n\t SELECT 1",
        "SELECT\n*\nFROM shop.orders",
        "INSERT INTO shop.order_items (order_id, product_id, quantity, price) VALUES (1, 1, 1, 1)",
    ],
)
def test_whatever_the_agent_samples_has_a_plan(database: Database, statement: str) -> None:
    with database.connect(Role.DATADOG) as connection:
        [[plan]] = rows(connection, explain(statement))
    assert plan[0]["Plan"]["Node Type"]


@pytest.mark.parametrize(
    ("statement", "sqlstate"),
    [
        ("SELECT * FROM absent", "42P01"),
        ("SELECT absent FROM customers", "42703"),
        ("SELECT * FROM customers WHERE cpf = $1", "42P02"),
        ("SELECT * FROM pg_authid", "42501"),
        ("SELECT 1 +", "42601"),
        ("EXECUTE p", "0A000"),
        ("VACUUM", "0A000"),
    ],
)
def test_why_there_is_no_plan_is_said_by_sqlstate(
    database: Database, statement: str, sqlstate: str
) -> None:
    """The Agent reports the error's class, which is the SQLSTATE."""
    with database.connect(Role.DATADOG) as connection, pytest.raises(DatabaseError) as refused:
        rows(connection, explain(statement))
    assert refused.value.sqlstate == sqlstate
    assert f"SQLSTATE {sqlstate}" in str(refused.value)
