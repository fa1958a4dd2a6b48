"""The embedded agent between a real PostgreSQL and a real console."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from lab.clients.database import Connection, Role, rows
from lab.foundation.readiness import await_state
from lab.foundation.settings import ROOT
from lab.telemetry.embedded.__main__ import Agent
from lab.telemetry.store import ActivitySample, Plan, QueryMetrics, Snapshot, Source, Statement
from tests.awaiting import found_within
from tests.embedded import deliver
from tests.fix_console import RunningConsole
from tests.fix_postgres import Database, free_port

DEADLINE_S = 150
CPF = "39053344705"
TRACE, SPAN = "67405d1f00000000a1b2c3d4e5f60718", "a1b2c3d4e5f60719"
COMMENT = f"/*ddps='credit-customers',traceparent='00-{TRACE}-{SPAN}-01'*/ "
# Like no statement of the workload: a queryid that two texts share has the name of one of them.
LOOKUP = (
    f"SELECT phone, customer_id FROM customers WHERE cpf = '{CPF}'"
    " /*service='credit-customers',statement='find_it'*/"
)
CUSTOMER = (
    "INSERT INTO customers (cpf, full_name, email, phone, birth_date, city, state, monthly_income)"
    f" VALUES ('{CPF}', 'n', 'e', 'p', '1980-01-02', 'c', 'SP', 1)"
)


until = partial(found_within, DEADLINE_S)


class Driven:
    """An agent whose clock is the test's."""

    def __init__(self, database: Database, console: RunningConsole, connection: Connection) -> None:
        update = {"console_port": console.port, "bind_address": "127.0.0.1"}
        settings = database.settings.model_copy(update=update)
        self.agent = Agent(settings, CollectorRegistry())
        # Activity in each sample.
        self.agent._collector.activity_s = 0
        self.connection = connection

    def sample(self) -> None:
        self.agent.tick(self.connection)
        deliver(self.agent)

    def deltas(self) -> None:
        self.agent._ticks = 10
        self.sample()


@pytest.fixture
def driven(database: Database, console: RunningConsole) -> Iterator[Driven]:
    with database.connect(Role.DATADOG) as connection:
        yield Driven(database, console, connection)


def calls_of(connection: Connection, name: str) -> dict[int, int]:
    return dict(
        rows(
            connection,
            "SELECT s.queryid, sum(s.calls)::int FROM pg_stat_statements s"
            " JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = current_database()"
            " AND s.query LIKE %s GROUP BY 1",
            [f"%statement='{name}'%"],
        )
    )  # fmt: skip


def test_deltas_are_exact(database: Database, console: RunningConsole, driven: Driven) -> None:
    """The deltas of a statement add up to its calls, through a reset and an eviction."""
    driven.deltas()
    made = 0
    with database.connect(Role.APP) as app, database.connect(Role.SUPERUSER) as superuser:
        for round_, times in enumerate((3, 7, 1, 12)):
            for _ in range(times):
                rows(app, COMMENT + LOOKUP)
            made += times
            driven.deltas()
            if round_ == 0:
                rows(superuser, "SELECT pg_stat_statements_reset()")
            if round_ == 1:
                ((queryid, _),) = calls_of(superuser, "find_it").items()
                rows(superuser, "SELECT pg_stat_statements_reset(0, 0, %s)", [queryid])

    def look() -> list[QueryMetrics]:
        found = console.reader.select(
            QueryMetrics, "queryid = ? AND database = ?", [queryid, database.name], order="at_ns"
        )
        return found if len(found) == 4 else []

    found = until("four deltas", look)
    assert [m.calls for m in found] == [3, 7, 1, 12]
    assert sum(m.calls for m in found) == made
    assert {m.source for m in found} == {Source.EMBEDDED}
    assert {m.role for m in found} == {"credit_app"}
    (statement,) = console.reader.select(Statement, "queryid = ?", [queryid])
    assert (statement.name, statement.owner) == ("find_it", "credit-customers")
    assert "$1" in statement.text


def test_a_session_that_waits_and_the_one_it_waits_for(
    database: Database, console: RunningConsole, driven: Driven
) -> None:
    """A sample has the waiting session with its span, its blocker, and an estimated plan."""
    with ExitStack() as stack:
        holder = stack.enter_context(database.connect(Role.OWNER))
        waiter = stack.enter_context(database.connect(Role.APP))
        rows(holder, CUSTOMER)
        rows(holder, "BEGIN")
        rows(holder, "UPDATE customers SET city = city")
        ((blocker,),) = rows(holder, "SELECT pg_backend_pid()")
        statement = COMMENT + f"UPDATE customers SET city = city WHERE cpf = '{CPF}'"
        thread = threading.Thread(target=rows, args=(waiter, statement))
        thread.start()

        def look() -> list[ActivitySample]:
            driven.sample()
            return console.reader.select(
                ActivitySample, "span_id = ? AND blocking_pids <> '[]'", [SPAN]
            )

        sample = until("sample of the waiting session", look)[0]
        rows(holder, "COMMIT")
        thread.join(DEADLINE_S)
    assert sample.trace_id == TRACE
    assert (sample.wait_event_type, sample.blocking_pids) == ("Lock", (blocker,))
    assert sample.queryid is not None
    assert sample.service == "credit-customers"
    others = console.reader.select(ActivitySample, "pid = ?", [blocker])
    assert {other.state for other in others} == {"idle in transaction"}


def test_an_estimated_plan(database: Database, console: RunningConsole, driven: Driven) -> None:
    """A statement that runs while a sample is taken gets its plan, linked to its span, without data."""
    span = "00000000000000aa"
    statement = (
        COMMENT.replace(SPAN, span) + f"SELECT pg_sleep(3) FROM customers WHERE cpf <> '{CPF}'"
    )
    statement += f" UNION ALL SELECT pg_sleep(3) WHERE '{CPF}' <> 'a'"
    with database.connect(Role.APP) as app:
        thread = threading.Thread(target=rows, args=(app, statement))
        thread.start()

        def look() -> list[Plan]:
            driven.sample()
            return console.reader.select(Plan, "span_id = ?", [span])

        (plan,) = until("plan", look)
        thread.join(DEADLINE_S)
    assert (plan.executed, plan.source, plan.trace_id) == (False, Source.EMBEDDED, TRACE)
    assert '"Node Type"' in plan.definition
    assert CPF not in plan.definition


def test_settings_and_tables(console: RunningConsole, driven: Driven) -> None:
    """The first tick sends settings and every table."""
    driven.sample()

    def missing() -> str | None:
        stored = console.reader.select(Snapshot)
        tables = {json.loads(s.payload)["name"] for s in stored if s.kind.startswith("table ")}
        absent = {"customers", "installments"} - tables
        if not any(each.kind == "pg_settings" for each in stored):
            return "no settings"
        return f"nothing of {sorted(absent)}" if absent else None

    await_state("settings and tables are stored", missing, within_s=DEADLINE_S)


def test_its_process(tmp_path: Path, console: RunningConsole) -> None:
    """With no database it says so and tries again, until SIGTERM; on a taken port it does not start."""
    environment = {
        **os.environ,
        "LAB_STATE_DIR": str(tmp_path),
        "POSTGRES_PORT": str(free_port()),
        "EMBEDDED_AGENT_PORT": str(free_port()),
    }
    command = [sys.executable, "-P", "-m", "lab.telemetry.embedded"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert "No PostgreSQL answers" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 0
    environment["EMBEDDED_AGENT_PORT"] = str(console.port)
    refused = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert refused.returncode == 2
    assert "EMBEDDED_AGENT_PORT" in refused.stderr
