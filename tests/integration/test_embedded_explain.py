"""What the embedded agent's samples cost the server: few statements are explained, and each seldom."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from lab.clients.database import Connection, Role, rows
from lab.foundation.readiness import await_state
from lab.telemetry.embedded.collector import Collector
from tests.fix_postgres import Database

WITHIN_S = 150.0
COMMENT = (
    "/*ddps='credit-customers',"
    "traceparent='00-a0000000000000000000000000000001-b000000000000001-01'*/ "
)
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
        """Take one sample, and return its samples of statements, with a plan or without."""
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


def planned(samples: list[Any]) -> list[Any]:
    """Return the samples with a plan of a table of the application."""
    return [one for one in samples if "customers" in (one["db"]["plan"]["definition"] or "")]


def why(sample: Any) -> str:
    """Return the code of the reason why a sample has no plan; empty when it has one."""
    errors = sample["db"]["plan"]["collection_errors"]
    return str(errors[0]["code"]) if errors else ""


COLUMNS = ("cpf", "email", "phone", "city", "state")


def test_each_statement_of_a_sample_is_explained_and_not_again(database: Database) -> None:
    """Five statements run: all get a plan in the first sample, none in the next."""
    sent = Sent(database)
    statements = [WAITS.format(columns=column) for column in COLUMNS]
    with waiting(database, *statements), database.connect(Role.DATADOG) as connection:
        counts = [len(planned(sent.sample(connection))) for _ in range(3)]
        assert len([text for text in sent.statements if "advisory_lock_shared" in text]) == 5
    assert counts == [5, 0, 0]


def test_a_session_that_has_become_idle_has_its_plan_too(database: Database) -> None:
    """With the time at which its statement ended, its duration and its span; not in activity; once."""
    sent = Sent(database)
    with database.connect(Role.APP) as app, database.connect(Role.DATADOG) as connection:
        sent.sample(connection)
        rows(app, COMMENT + "SELECT phone FROM customers, pg_sleep(0.2) WHERE city = 'x'")
        [[ended]] = rows(
            connection,
            "SELECT state_change FROM pg_stat_activity WHERE pid = %s",
            [app.info.backend_pid],
        )
        found = [plan for plan in sent.sample(connection) if "phone" in plan["db"]["statement"]]
        assert not [text for text in sent.statements if "phone" in text]
        later = sent.sample(connection)
    [plan] = found
    assert plan["postgres"]["state"] == "idle"
    assert plan["timestamp"] == pytest.approx(ended.timestamp() * 1000)
    assert plan["duration"] >= 2e8
    assert "b000000000000001" in json.dumps(plan["db"]["metadata"]["comments"])
    assert '"Node Type"' in plan["db"]["plan"]["definition"]
    assert not [one for one in later if "phone" in one["db"]["statement"]]


def test_one_statement_in_two_sessions_is_explained_once(database: Database) -> None:
    sent = Sent(database)
    statement = WAITS.format(columns="full_name")
    with waiting(database, statement, statement), database.connect(Role.DATADOG) as connection:
        plans = [plan for _ in range(2) for plan in planned(sent.sample(connection))]
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
        assert planned(sent.sample(connection)) == []
        assert any("birth_date" in text for text in sent.statements)


def test_what_cannot_be_explained_has_its_reason(database: Database) -> None:
    """A utility statement, or a text that was cut: PostgreSQL is not asked for a plan of them."""
    sent = Sent(database)
    long = WAITS.format(columns="city, '" + "x" * 5_000 + "'")
    lock = "DO $$ BEGIN PERFORM pg_advisory_lock_shared(815); END $$"
    with waiting(database, long, lock), database.connect(Role.DATADOG) as connection:
        samples = sent.sample(connection)
        assert len([text for text in sent.statements if text.startswith(("SELECT", "DO"))]) == 2
    reasons = {(why(one), one["db"]["query_truncated"]) for one in samples if not planned([one])}
    assert reasons >= {
        ("query_truncated", "truncated"),
        ("no_plans_possible", "not_truncated"),
    }
    assert planned(samples) == []


def test_a_statement_without_a_plan_says_why(database: Database) -> None:
    """The role that explains may not read the table: the event has PostgreSQL's code instead of a plan."""
    with database.connect(Role.SUPERUSER) as connection:
        rows(connection, "CREATE TABLE secret AS SELECT 1 AS one")
        rows(connection, "ALTER TABLE secret OWNER TO credit_app")
        rows(connection, "ALTER FUNCTION datadog.explain_statement(text) SECURITY INVOKER")
    sent = Sent(database)
    statement = "SELECT one FROM secret, pg_advisory_lock_shared(815)"
    with waiting(database, statement), database.connect(Role.DATADOG) as connection:
        (plan,) = [one for one in sent.sample(connection) if "secret" in one["db"]["statement"]]
    assert plan["db"]["plan"]["definition"] is None
    assert why(plan) == "database_error"
    assert "42501" in json.dumps(plan)
