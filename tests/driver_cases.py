"""Ways in which psycopg2 sends SQL, run under ddtrace as a program of its own: DSN in, a JSON object out.

Each case is a trace of its own; the object has its id by the case's name.
"""

import io
import json
import sys
from collections.abc import Callable
from typing import Any

import ddtrace

ddtrace.patch(psycopg=True)

import psycopg2  # noqa: E402 - the driver is traced when it is imported after the patch
from ddtrace.trace import tracer  # noqa: E402
from psycopg2 import extras, sql  # noqa: E402

SLOW = "SELECT pg_sleep(0.3)"


def named(connection: Any) -> None:
    with connection.cursor(name="big") as reader:
        reader.itersize = 40
        reader.execute("SELECT g, pg_sleep(0.004) FROM generate_series(1, 100) g")
        reader.fetchmany(50)
        reader.fetchall()


def two_cursors(connection: Any) -> None:
    with connection.cursor(name="Left") as left, connection.cursor(name="left") as right:
        left.execute("SELECT g, pg_sleep(0.005) FROM generate_series(1, 60) g")
        right.execute("SELECT g, pg_sleep(0.01) FROM generate_series(1, 60) g")
        left.fetchall()
        right.fetchall()


def prepared(cursor: Any) -> None:
    cursor.execute("PREPARE q1 AS SELECT pg_sleep($1), 'prepared'")
    cursor.execute("EXECUTE q1(0.3)")
    cursor.execute("EXECUTE q1(0.4)")


def cascade(cursor: Any) -> None:
    cursor.execute("CREATE TABLE zp (id int PRIMARY KEY)")
    cursor.execute("CREATE TABLE zc (p int REFERENCES zp ON DELETE CASCADE, pad text)")
    cursor.execute("INSERT INTO zp SELECT generate_series(1, 500)")
    cursor.execute(
        "INSERT INTO zc SELECT 1 + g %% 500, %s FROM generate_series(1, 60000) g", ("x",)
    )
    cursor.execute("DELETE FROM zp WHERE id <= 100")


CASES: dict[str, Callable[[Any], object]] = {
    "executemany": lambda c: c.executemany(
        "SELECT pg_sleep(%s), %s", [(0.3, "a"), (0.5, "b"), (0.25, "c")]
    ),
    "executemany_fast": lambda c: c.executemany("SELECT pg_sleep(%s)", [(0.03,)] * 6),
    "two_statements": lambda c: c.execute(
        "SELECT pg_sleep(0.25); SELECT count(*), pg_sleep(0.4) FROM generate_series(1, 10) g"
    ),
    "composed": lambda c: c.execute(
        sql.SQL("SELECT {}, pg_sleep(0.3) FROM (SELECT 1 AS full_name) x").format(
            sql.Identifier("full_name")
        )
    ),
    "copy_out": lambda c: c.copy_expert("COPY (SELECT pg_sleep(0.4), 1) TO STDOUT", io.StringIO()),
    "percent_literal": lambda c: c.execute("SELECT pg_sleep(0.3) WHERE 'Maria' LIKE 'Mar%'"),
    "percent_param": lambda c: c.execute(
        "SELECT pg_sleep(0.3) WHERE 'Maria' LIKE %s || '%%'", ("Mar",)
    ),
    "leading_comment": lambda c: c.execute(f"-- for the board; today\n/* owner: ops */ {SLOW}"),
    "explain": lambda c: c.execute(f"EXPLAIN ANALYZE {SLOW}"),
    "do_block": lambda c: c.execute("DO $$ BEGIN PERFORM pg_sleep(0.3), 'inside'; END $$"),
    "ctas": lambda c: c.execute(
        "CREATE TEMP TABLE tt AS SELECT g, pg_sleep(0.3)::text x FROM generate_series(1, 1) g"
    ),
    "refresh": lambda c: c.execute("CREATE MATERIALIZED VIEW mv AS SELECT pg_sleep(0.3)::text x"),
    "values_pages": lambda c: extras.execute_values(
        c, "SELECT pg_sleep(v) FROM (VALUES %s) x (v)", [(0.1,)] * 6, page_size=3
    ),
    "batch": lambda c: extras.execute_batch(c, "SELECT pg_sleep(%s)", [(0.25,), (0.3,)]),
    "callproc": lambda c: c.callproc("pg_sleep", [0.3]),
    "prepared": prepared,
    "paren_select": lambda c: c.execute("(SELECT 1, pg_sleep(0.3)) UNION ALL SELECT 2, NULL"),
    "bytes": lambda c: c.execute(b"SELECT 'x', pg_sleep(0.3)"),
    "cascade": cascade,
    "lock": lambda c: c.execute("ALTER TABLE IF EXISTS nowhere ADD COLUMN x int"),
    "fails": lambda c: c.execute("SELECT pg_sleep(0.3), 1 / (random() * 0)::int"),
}
# Of the connection, not of a cursor: the tracer wraps what the connection returns.
IN_TRANSACTION: dict[str, Callable[[Any], object]] = {
    "server_side_cursor": named,
    "two_cursors": two_cursors,
}


def run(dsn: str) -> dict[str, str]:
    """Run every case, and return its trace id by its name."""
    connection = psycopg2.connect(dsn)
    found = {}
    for name, case in (IN_TRANSACTION | CASES).items():
        connection.autocommit = name in CASES
        with tracer.trace("credit.operation", service="credit-test", resource=name) as span:
            try:
                if name in CASES:
                    with connection.cursor() as cursor:
                        case(cursor)
                else:
                    case(connection)
                    connection.commit()
            except psycopg2.Error:
                connection.rollback()
        found[name] = f"{span.trace_id:032x}"
    connection.close()
    tracer.shutdown()
    return found


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1])))
