"""The counters that the embedded agent reads: one row for a statement, run by a function or by a client."""

import pytest

from lab.clients.database import Role, rows
from lab.telemetry.embedded.collector import QUERIES
from tests.fix_postgres import Database

FUNCTION = """CREATE FUNCTION public.counted() RETURNS bigint LANGUAGE plpgsql AS
$$ BEGIN PERFORM cpf FROM customers_counted; RETURN 1; END $$"""
OWN = """
SELECT sum(calls), sum(rows), sum(total_exec_time), sum(shared_blks_hit), count(*)
FROM pg_stat_statements(true) s JOIN pg_database d ON d.oid = s.dbid
WHERE datname = current_database() AND query LIKE '%%customers_counted%%' AND queryid = %s"""


def test_a_statement_at_top_level_and_in_a_function_is_summed(database: Database) -> None:
    """pg_stat_statements tells the two apart; DBM's deltas do not."""
    with database.connect(Role.SUPERUSER) as connection:
        rows(connection, "CREATE TABLE customers_counted AS SELECT generate_series(1, 3) AS cpf")
        rows(connection, FUNCTION)
        rows(connection, "SELECT cpf FROM customers_counted")
        rows(connection, "SELECT counted()")
        found = rows(
            connection,
            "SELECT queryid FROM pg_stat_statements JOIN pg_database d ON d.oid = dbid"
            " WHERE datname = current_database() AND query LIKE '%%cpf FROM customers_counted%%'"
            " GROUP BY queryid HAVING count(*) = 2",
        )
        [[queryid]] = found
        [[calls, counted, ms, hit, entries]] = rows(connection, OWN, (queryid,))
        assert (calls, counted, entries) == (2, 6, 2)
        counters = rows(connection, QUERIES["statement_counters"])
    [own] = [row for row in counters if row[1] == queryid and row[4] == database.name]
    assert own[6:8] == (2, 6)
    assert own[8] == pytest.approx(ms)
    assert own[12] == hit
