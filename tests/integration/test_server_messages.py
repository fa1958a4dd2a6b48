"""Messages of a real PostgreSQL are kept, and imitations of them by an application are not."""

import pytest

from lab.clients.database import Role, rows
from lab.foundation.errors import DatabaseError
from lab.stack.native.cluster import Cluster
from lab.telemetry.store import Event, Execution
from tests.fix_postgres import Database
from tests.fix_store import Store
from tests.integration.test_pglog_postgres import Follower, comment, fails, span_id

# What PostgreSQL says, in its own words; `?` where it quotes a value.
ERRORS = {
    "SELECT 1 FROM vendas": 'relation "vendas" does not exist',
    "SELECT valor FROM customers": 'column "valor" does not exist',
    "SELECT c.valor FROM customers c": "column c.valor does not exist",
    "SELECT soma(1, 'x'::text)": "function soma(integer, text) does not exist",
    "SELECT 1 FROM loja.vendas": 'relation "loja.vendas" does not exist',
    "SELECT 1::moeda": 'type "moeda" does not exist',
    "SELECT 1/0": "division by zero",
    "SELECT 'x1'::int": 'invalid input syntax for type integer: "?"',
    "SELECT '{'::json": "invalid input syntax for type json",
    "SELECT '{{'::int[]": 'malformed array literal: "?"',
    "SELECT '2026-13-45'::date": 'date/time field value out of range: "?"',
    "SELECT 99999999999::int": "integer out of range",
    "SELECT 'a'::timestamptz": 'invalid input syntax for type timestamp with time zone: "?"',
    "SELECT 'abcd'::varchar(2)::int": 'invalid input syntax for type integer: "?"',
    "SELECT FROM FROM": 'syntax error at or near "FROM"',
    "SELECT 1 FROM a b maria": 'syntax error at or near "?"',
    "SELECT (": "syntax error at end of input",
    "SELECT 'x": 'unterminated quoted string at or near "?"',
    "INSERT INTO customers (cpf) VALUES ('1')":
        'null value in column "full_name" of relation "customers" violates not-null constraint',
    "SELECT (SELECT g FROM generate_series(1, 2) g)":
        "more than one row returned by a subquery used as an expression",
    "SELECT cpf, count(*) FROM customers":
        'column "customers.cpf" must appear in the GROUP BY clause or be used in an aggregate function',
    "SELECT 1 WHERE 1 = 'a'::text": "operator does not exist: ?",
    "SELECT cpf FROM customers a, customers b": 'column reference "cpf" is ambiguous',
    "SET nada.x.y.z TO 1, 2": "SET ? takes only one argument",
    "SET work_mem = 'muito'": 'invalid value for parameter "work_mem": "?"',
    "DROP ROLE ninguem": 'role "ninguem" does not exist',
    "SELECT 'x' ~ '('": "invalid regular expression: ?",
    "DECLARE c CURSOR FOR SELECT 1": "DECLARE CURSOR can only be used in transaction blocks",
    "SAVEPOINT s": "SAVEPOINT can only be used in transaction blocks",
    "VACUUM nada": 'relation "nada" does not exist',
    "SELECT $1": "there is no parameter $?",
}  # fmt: skip
IMITATIONS = (
    "RAISE LOG 'process 1 still waiting for ShareLock on transaction 7 after 900.000 ms'",
    "RAISE LOG 'checkpoint complete: wrote 1 buffers; write=1.000 s, sync=1.000 s, total=1.000 s'",
    r"RAISE LOG E'automatic analyze of table \"a.b.c\"\nsystem usage: x'",
    "RAISE LOG 'temporary file: path \"base/x\", size 123'",
    "RAISE LOG 'database system is ready to accept connections'",
    "RAISE LOG 'duration: 5000.000 ms  statement: SELECT 1 FROM imitated'",
    "RAISE WARNING 'process 1 acquired ShareLock on transaction 7 after 900.000 ms'",
)
RAISED = {
    "RAISE 'relation \"vendas\" does not exist' USING ERRCODE = '42P01'": "42P01",
    "RAISE unique_violation": "23505",
    "RAISE 'deadlock detected' USING ERRCODE = '40P01', DETAIL ="
    " 'Process 1 waits for ShareLock on transaction 7; blocked by process 2.'": "40P01",
    "ASSERT false, 'division by zero'": "P0004",
    "RAISE division_by_zero USING MESSAGE = 'division by zero'": "22012",
}


@pytest.fixture
def follower(cluster: Cluster, store: Store) -> Follower:
    return Follower(cluster, store)


def test_messages_of_the_server_are_kept(database: Database, follower: Follower) -> None:
    """Errors of every kind that PostgreSQL 15 raises are stored with its text, values as `?`."""
    with database.connect(Role.SUPERUSER) as connection:
        for number, sql in enumerate(ERRORS, 100):
            fails(connection, comment(number) + sql)
    for number, (sql, expected) in enumerate(ERRORS.items(), 100):
        assert (sql, follower.event("error", number).message) == (sql, expected)


def test_imitations_are_no_events(database: Database, follower: Follower) -> None:
    """What RAISE writes to the log is no lock wait, checkpoint, autovacuum, spill, start or execution."""
    with database.connect(Role.SUPERUSER) as connection:
        for imitation in IMITATIONS:
            rows(connection, f"DO $$ BEGIN {imitation}; END $$")
        for number, statement in enumerate(RAISED, 200):
            fails(connection, comment(number) + f"DO $$ BEGIN {statement}; END $$")
        rows(connection, comment(299) + "SELECT pg_sleep(0.12)")
    reader = follower.store.reader
    follower.until("the end", lambda: reader.select(Execution, "span_id = ?", [span_id(299)]))
    for number, sqlstate in enumerate(RAISED.values(), 200):
        event = follower.event("error", number)
        assert (event.message, event.sqlstate, event.participants) == ("?", sqlstate, ())
    assert not reader.select(Event, "message LIKE '%transaction 7%' OR relation = 'a.b.c'")
    assert not reader.select(Event, "size_bytes = 123")
    assert not reader.select(Execution, "duration_ns = 5000000000")


def test_what_raises_within_a_statement_keeps_its_message(
    database: Database, follower: Follower
) -> None:
    """An error of the server below a function of PL/pgSQL is the server's."""
    with database.connect(Role.SUPERUSER) as connection, pytest.raises(DatabaseError):
        rows(connection, comment(300) + "DO $$ BEGIN PERFORM 1/0; END $$")
    assert follower.event("error", 300).message == "division by zero"
