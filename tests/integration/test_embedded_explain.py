"""What the embedded agent's samples cost the server: few statements are explained, and each seldom."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

from lab.clients.database import Connection, Role, rows
from lab.foundation.readiness import await_state
from lab.telemetry.embedded.collector import Collector
from tests.fix_postgres import Database

WITHIN_S = 90.0
LOCK = "SELECT pg_advisory_lock(815)"
# Each waits for the lock; the column makes another statement of each, with another queryid.
WAITS = "SELECT {columns} FROM customers, pg_advisory_lock_shared(815)"


class Sent:
    """Collects what an agent would send, by path."""

    def __init__(self, database: Database, named: str | None = None) -> None:
        self.events: list[tuple[str, Any]] = []
        self.collector = Collector(
            host="h", database=named or database.name, put=self._put, activity_s=0
        )

    def _put(self, path: str, events: list[Any]) -> None:
        self.events += [(path, event) for event in events]

    def sample(self, connection: Connection) -> list[Any]:
        """Take one sample, and return the plans of it."""
        self.events.clear()
        self.collector.sessions(connection)
        return [event for path, event in self.events if path == "/api/v2/databasequery"]

    @property
    def statements(self) -> list[str]:
        """The statements of the client sessions in the last sample."""
        activity = [event for path, event in self.events if path == "/api/v2/dbmactivity"]
        sessions = [session for event in activity for session in event["postgres_activity"]]
        return [s["statement"] for s in sessions if s["backend_type"] == "client backend"]


@contextmanager
def waiting(database: Database, *statements: str) -> Iterator[None]:
    """Sessions that each run one statement, which waits until the block ends."""
    with ExitStack() as stack:
        holder = stack.enter_context(database.connect(Role.SUPERUSER))
        rows(holder, LOCK)
        stack.callback(rows, holder, "SELECT pg_advisory_unlock_all()")
        threads = stack.enter_context(ExitStack())
        pool = threads.enter_context(ThreadPoolExecutor(len(statements)))
        for statement in statements:
            pool.submit(_run, database, statement)
        count = (
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )

        def fewer() -> str | None:
            [[found]] = rows(holder, count)
            return None if found == len(statements) else f"{found} of {len(statements)} wait"

        await_state("all statements wait for the lock", fewer, within_s=WITHIN_S)
        try:
            yield
        finally:
            rows(holder, "SELECT pg_advisory_unlock_all()")


def _run(database: Database, statement: str) -> None:
    with database.connect(Role.APP) as connection:
        rows(connection, statement)


COLUMNS = ("cpf", "email", "phone", "city", "state")


def test_a_sample_explains_three_statements_and_the_next_one_others(database: Database) -> None:
    """Five statements run: three get a plan in the first sample, two in the second, none in the third."""
    sent = Sent(database)
    statements = [WAITS.format(columns=column) for column in COLUMNS]
    with waiting(database, *statements), database.connect(Role.DATADOG) as connection:
        counts = [len(sent.sample(connection)) for _ in range(3)]
        assert len([text for text in sent.statements if "advisory_lock_shared" in text]) == 5
    assert counts == [3, 2, 0]


def test_one_statement_in_two_sessions_is_explained_once(database: Database) -> None:
    sent = Sent(database)
    statement = WAITS.format(columns="full_name")
    with waiting(database, statement, statement), database.connect(Role.DATADOG) as connection:
        plans = [plan for _ in range(2) for plan in sent.sample(connection)]
    assert len(plans) == 1
    definition = json.loads(plans[0]["db"]["plan"]["definition"])
    assert definition["Plan"]["Node Type"] == "Nested Loop"


def test_a_statement_of_another_database_is_sampled_and_not_explained(database: Database) -> None:
    """The function that explains is asked where it is connected: there the tables may be others."""
    sent = Sent(database, named="another")
    with (
        waiting(database, WAITS.format(columns="birth_date")),
        database.connect(Role.DATADOG) as connection,
    ):
        assert sent.sample(connection) == []
        assert any("birth_date" in text for text in sent.statements)


def test_what_cannot_be_explained_is_left_alone(database: Database) -> None:
    """Neither a utility statement nor a text that was cut: PostgreSQL is not asked for a plan of them."""
    sent = Sent(database)
    long = WAITS.format(columns="city, '" + "x" * 5_000 + "'")
    lock = "DO $$ BEGIN PERFORM pg_advisory_lock_shared(815); END $$"
    with waiting(database, long, lock), database.connect(Role.DATADOG) as connection:
        assert sent.sample(connection) == []
        assert len([text for text in sent.statements if text.startswith(("SELECT", "DO"))]) == 2


def test_a_statement_without_a_plan_says_why(database: Database) -> None:
    """The role that explains may not read the table: the event has PostgreSQL's code instead of a plan."""
    with database.connect(Role.SUPERUSER) as connection:
        rows(connection, "CREATE TABLE secret AS SELECT 1 AS one")
        rows(connection, "ALTER TABLE secret OWNER TO credit_app")
        rows(connection, "ALTER FUNCTION datadog.explain_statement(text) SECURITY INVOKER")
    sent = Sent(database)
    statement = "SELECT one FROM secret, pg_advisory_lock_shared(815)"
    with waiting(database, statement), database.connect(Role.DATADOG) as connection:
        (plan,) = sent.sample(connection)
    assert plan["db"]["plan"]["definition"] is None
    assert "42501" in json.dumps(plan)
