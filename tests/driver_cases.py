"""Ways in which psycopg2 sends SQL, run under ddtrace as a program of its own: DSN in, a JSON object out.

Each case is a trace of its own; the object has its id by the case's name. Further arguments choose cases;
those of BY_NAME run only so, because a server must be configured for them.
"""

import io
import json
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
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


def iterated(connection: Any) -> None:
    """Read by `itersize`, twice by one name: several FETCHes of each, in two transactions."""
    for milliseconds in (4, 8):
        with connection.cursor(name="again") as reader:
            reader.itersize = 30
            reader.execute(
                f"SELECT g, pg_sleep({milliseconds} / 1e3) FROM generate_series(1, 75) g"
            )
            assert len(list(reader)) == 75
        connection.commit()


def with_hold(connection: Any) -> None:
    """Its rows are made when the transaction ends, and read after that."""
    with connection.cursor(name="kept", withhold=True) as reader:
        reader.execute("SELECT g, pg_sleep(0.004) FROM generate_series(1, 100) g")
        connection.commit()
        reader.fetchall()


def scrolled(connection: Any) -> None:
    """MOVE reads rows as FETCH does."""
    with connection.cursor(name="moved", scrollable=True) as reader:
        reader.execute("SELECT g, pg_sleep(0.004) FROM generate_series(1, 100) g")
        reader.scroll(60)
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


def two_phase(connection: Any) -> None:
    """Begun, prepared and committed by one connection: the second phase has no transaction of its own."""
    connection.tpc_begin(connection.xid(1, "order 1", "bank"))
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE two_phase AS SELECT 1 AS id, pg_sleep(0.3)::text AS slept")
    connection.tpc_prepare()
    connection.tpc_commit()


def two_phase_by_statements(connection: Any) -> None:
    """As a transaction manager does: by statements, and the second phase after another transaction."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE two_phase SET id = id + 1 WHERE pg_sleep(0.3) IS NOT NULL")
        cursor.execute("PREPARE TRANSACTION 'order 2'")
        cursor.execute("SELECT pg_sleep(0.25)")
        connection.commit()
        connection.autocommit = True
        cursor.execute("COMMIT PREPARED 'order 2'")


def queued(_: Any) -> None:
    """Two clients with cursors of one name; in a pool of one session the second waits for the first."""
    context, begun = tracer.current_trace_context(), threading.Event()

    def read(milliseconds: int, begin: Callable[[], object]) -> None:
        tracer.context_provider.activate(context)
        with closing(psycopg2.connect(sys.argv[1])) as own, own:
            reader = own.cursor(name="my page")
            begin()
            reader.execute(
                f"SELECT g, pg_sleep({milliseconds} / 1e3) FROM generate_series(1, 60) g"
            )
            begun.set()
            reader.fetchall()
            reader.close()

    second = threading.Thread(target=read, args=(10, begun.wait))
    second.start()
    read(5, bool)
    second.join()


BY_NAME: dict[str, Callable[[Any], object]] = {
    "two_phase": two_phase,
    "two_phase_by_statements": two_phase_by_statements,
    "queued": queued,
}
# Of the connection, not of a cursor: the tracer wraps what the connection returns.
IN_TRANSACTION: dict[str, Callable[[Any], object]] = {
    "server_side_cursor": named,
    "two_cursors": two_cursors,
    "iterated": iterated,
    "with_hold": with_hold,
    "scrolled": scrolled,
}


def run(dsn: str, names: Sequence[str]) -> dict[str, str]:
    """Run the named cases, else all but those of BY_NAME; return their trace ids by name."""
    connection = psycopg2.connect(dsn)
    found = {}
    of_connection = IN_TRANSACTION | BY_NAME
    for name, case in (of_connection | CASES).items():
        if name not in (names or IN_TRANSACTION | CASES):
            continue
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
    print(json.dumps(run(sys.argv[1], sys.argv[2:])))
