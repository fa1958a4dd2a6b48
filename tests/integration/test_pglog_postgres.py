"""A real PostgreSQL 15's log, read into a real store."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from lab.clients.database import Connection, Role, rows
from lab.foundation.errors import DatabaseError
from lab.stack.native.cluster import Cluster
from lab.telemetry.pglog import LogReader
from lab.telemetry.store import Event, Execution, Plan, Statement
from tests.awaiting import found_within
from tests.fix_postgres import Database
from tests.fix_store import Store
from tests.unit.test_pglog_tail import LogTally

DEADLINE_S = 150
TRACE = "67405d1f00000000a1b2c3d4e5f6"
CPF, NAME, EMAIL = "39053344705", "Marilda Sigilosa", "marilda@sigilo.example"
T = TypeVar("T")


def comment(number: int) -> str:
    return f"/*ddps='credit-test',traceparent='00-{TRACE}{number:04x}-{number:016x}-01'*/ "


def span_id(number: int) -> str:
    return f"{number:016x}"


class Follower:
    """A log reader on the cluster's log, driven by the test."""

    def __init__(self, cluster: Cluster, store: Store) -> None:
        self.tally = LogTally()
        self.store = store
        self._reader = LogReader(cluster.data / "log", store.reader, store.writer, self.tally)

    def until(self, what: str, look: Callable[[], list[T]]) -> list[T]:
        def read() -> list[T]:
            self._reader.catch_up()
            return look()

        return found_within(DEADLINE_S, what, read)

    def event(self, kind: str, number: int) -> Event:
        condition = "kind = ? AND span_id = ?"
        return self.until(
            f"{kind} of span {number}",
            lambda: self.store.reader.select(Event, condition, [kind, span_id(number)]),
        )[0]


@pytest.fixture
def follower(cluster: Cluster, store: Store) -> Follower:
    return Follower(cluster, store)


def fails(connection: Connection, sql: str) -> None:
    with pytest.raises(DatabaseError):
        rows(connection, sql)


def test_slow_statements_with_their_plans(database: Database, follower: Follower) -> None:
    """A slow statement gives its execution, its executed plan and its text, all by the same queryid."""
    begun = time.monotonic_ns()
    with database.connect(Role.APP) as connection:
        rows(
            connection,
            comment(1) + f"SELECT full_name, pg_sleep(0.25) FROM (SELECT '{NAME}' AS full_name) x"
            f" WHERE full_name <> '{CPF}' /*service='credit-test',statement='slow_one'*/",
        )
        lasted_ns = time.monotonic_ns() - begun
        # Above one threshold and below the other, when the machine is not stalled meanwhile.
        short = range(40, 48)
        for number in short:
            rows(connection, comment(number) + "SELECT pg_sleep(0.11)")
    reader = follower.store.reader
    (plan,) = follower.until("plan", lambda: reader.select(Plan, "span_id = ?", [span_id(1)]))
    (execution,) = reader.select(Execution, "span_id = ?", [span_id(1)])
    assert execution.trace_id == plan.trace_id == f"{TRACE}0001"
    assert execution.queryid == plan.queryid is not None
    assert 250e6 <= execution.duration_ns <= lasted_ns
    assert (execution.role, execution.statement, execution.service) == (
        "credit_app", "slow_one", "credit-test",
    )  # fmt: skip
    assert '"Actual Rows":1' in plan.definition
    (statement,) = reader.select(Statement, "queryid = ?", [plan.queryid])
    assert statement.name == "slow_one"
    with database.connect(Role.DATADOG) as connection:
        normalized = rows(
            connection, "SELECT calls FROM pg_stat_statements WHERE queryid = %s", [plan.queryid]
        )
    assert normalized == [(1,)]
    follower.until(
        f"execution of span {short[-1]}",
        lambda: reader.select(Execution, "span_id = ?", [span_id(short[-1])]),
    )
    found = [reader.select(Execution, "span_id = ?", [span_id(number)]) for number in short]
    below = [each for (each,) in found if each.duration_ns < 200_000_000]
    assert below, found
    for each in below:
        assert reader.select(Plan, "span_id = ?", [each.span_id]) == []


def test_a_deadlock_names_both_sides(database: Database, follower: Follower) -> None:
    """A real deadlock gives both sessions with their spans."""
    with database.connect(Role.OWNER) as owner:
        rows(owner, "CREATE TABLE pair AS SELECT g AS id, 0 AS n FROM generate_series(1, 2) g")
        rows(owner, "GRANT ALL ON pair TO credit_app")
        update = "UPDATE pair SET n = n + 1 WHERE id = {}"
        with database.connect(Role.OWNER) as one, database.connect(Role.OWNER) as two:
            for connection, own in ((one, 1), (two, 2)):
                rows(connection, "BEGIN")
                rows(connection, update.format(own))
            refused: list[DatabaseError] = []

            def cross(connection: Connection, number: int, other: int) -> None:
                try:
                    rows(connection, comment(number) + update.format(other))
                except DatabaseError as error:
                    refused.append(error)
                # The survivor must be let go before the victim's own end.
                rows(connection, "ROLLBACK")

            threads = [
                threading.Thread(target=cross, args=args) for args in ((one, 3, 2), (two, 4, 1))
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(DEADLINE_S)
    assert [error.sqlstate for error in refused] == ["40P01"]
    # The server's log has the deadlocks of other tests too.
    victim = follower.until(
        f"deadlock of {database.name}",
        lambda: follower.store.reader.select(
            Event, "kind = 'deadlock' AND database = ?", [database.name]
        ),
    )[0]
    assert {p.span_id for p in victim.participants} == {span_id(3), span_id(4)}
    first, second = victim.participants
    assert (first.blocked_by, second.blocked_by) == ((second.pid,), (first.pid,))
    assert first.text == "UPDATE pair SET n = n + ? WHERE id = ?"


def test_a_lock_wait_and_its_end(database: Database, follower: Follower) -> None:
    """A session that waits for a lock is reported with who holds it, and again when it gets it."""
    with database.connect(Role.OWNER) as one, database.connect(Role.OWNER) as two:
        rows(one, "CREATE TABLE queue AS SELECT 1 AS id")
        rows(one, "BEGIN")
        rows(one, "LOCK TABLE queue")
        ((holder,),) = rows(one, "SELECT pg_backend_pid()")
        waiting = threading.Thread(target=rows, args=(two, comment(15) + "SELECT id FROM queue"))
        waiting.start()
        wait = follower.event("lock_wait", 15)
        rows(one, "COMMIT")
        waiting.join(DEADLINE_S)
    assert wait.participants[0].blocked_by == (holder,)
    assert wait.relation is not None
    acquired = follower.event("lock_acquired", 15)
    assert acquired.duration_ns is not None
    assert acquired.duration_ns >= 500_000_000


def test_errors_and_spills(database: Database, follower: Follower) -> None:
    """Errors and temporary files carry the span that caused them, and not one byte of a customer."""
    with database.connect(Role.OWNER) as connection:
        insert = (
            "INSERT INTO customers (cpf, full_name, email, phone, birth_date, city, state, monthly_income)"
            f" VALUES ('{CPF}', '{NAME}', '{EMAIL}', '1', '1980-01-02', 'c', 'SP', 1)"
        )
        rows(connection, insert)
        fails(connection, comment(5) + insert)
        fails(connection, comment(6) + f"SELECT '{NAME}'::int")
        fails(connection, comment(7) + f'SELECT $x${EMAIL}$x$::date, "{NAME}"')
        fails(connection, comment(8) + f"DO $$ BEGIN RAISE '{NAME} {CPF}'; END $$")
        fails(
            connection,
            comment(9) + f"INSERT INTO customers (cpf, full_name) VALUES (E'{CPF}', '{NAME}')",
        )
        fails(connection, comment(10) + f"SELECT 'unterminated {NAME} {EMAIL}")
        rows(connection, "SET work_mem = '64kB'")
        rows(
            connection,
            comment(11) + "SELECT g FROM generate_series(1, 200000) g ORDER BY -g OFFSET 199999",
        )
    assert follower.event("error", 5).sqlstate == "23505"
    assert "customers_cpf_key" in follower.event("error", 5).message
    assert follower.event("error", 6).message == 'invalid input syntax for type integer: "?"'
    for number in (7, 8, 9, 10):
        follower.event("error", number)
    size = follower.event("temp_file", 11).size_bytes
    assert size is not None
    assert size > 100_000
    stored = b"".join(path.read_bytes() for path in bytes_of(follower.store))
    for secret in (CPF, NAME, EMAIL, "Marilda", "sigilo"):
        assert secret.encode() not in stored


def bytes_of(store: Store) -> list[Path]:
    return list(store.path.parent.glob(f"{store.path.name}*"))


def test_checkpoints_vacuums_and_rotation(
    database: Database, follower: Follower, cluster: Cluster
) -> None:
    """A checkpoint is reported, and a rotated log goes on without a line lost or doubled."""
    reader = follower.store.reader
    with database.connect(Role.SUPERUSER) as connection:
        rows(connection, comment(20) + "SELECT pg_sleep(0.11)")
        rows(connection, "CREATE TABLE filler AS SELECT generate_series(1, 1000)")
        rows(connection, "CHECKPOINT")
        (found,) = follower.until(
            "checkpoint", lambda: reader.select(Event, "kind = 'checkpoint'", limit=1)
        )
        assert found.figures["buffers"] >= 0
        (name,) = rows(connection, "SELECT pg_current_logfile('jsonlog')")[0]
        path = cluster.data / name
        # What an hour's end a day later does: the same name, emptied, written on.
        follower.until("span 20", lambda: reader.select(Execution, "span_id = ?", [span_id(20)]))
        os.truncate(path, 0)
        for number in range(21, 26):
            rows(connection, comment(number) + "SELECT pg_sleep(0.11)")
    follower.until("span 25", lambda: reader.select(Execution, "span_id = ?", [span_id(25)]))
    spans = [e.span_id for e in reader.select(Execution, "service = 'credit-test'") if e.trace_id]
    own = [s for s in spans if s and 20 <= int(s, 16) <= 25]
    assert own == [span_id(n) for n in range(20, 26)]
