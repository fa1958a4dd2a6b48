"""The whole Datadog side at once: real services, traced, on a real PostgreSQL that logs every statement.

What the application counted, what DBM received, what PostgreSQL counted and what its log says must be one
number per statement; every traceparent must lead to a span; and nobody's data may be in the store.
"""

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from lab import seed
from lab.clients.database import Role, rows
from lab.clients.services import ServiceClient, ServiceUnreachableError
from lab.foundation.readiness import await_state
from lab.foundation.settings import ROOT, LabSettings
from lab.stack.environment import of_settings
from lab.stack.native.cluster import Cluster
from lab.telemetry.embedded.__main__ import Agent
from lab.telemetry.store import ActivitySample, Execution, Plan, Reader, Snapshot, Span
from tests.fix_console import RunningConsole, start_console
from tests.fix_postgres import Database, free_port
from workload.settings import Settings

DEADLINE_S = 120
# Of the services, so that most kinds of statements are compared.
STATEMENTS = 11
LOAD = 3.0
COUNTED = """
    SELECT queryid, substring(query from 'statement=''([a-z_]+)'''), calls::int
    FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid JOIN pg_roles r ON r.oid = s.userid
    WHERE d.datname = current_database() AND r.rolname = 'credit_app' AND s.toplevel
      AND query LIKE '%%/*service=%%'
"""
DELTAS = """
    SELECT queryid, sum(calls) FROM query_metrics WHERE role = 'credit_app' AND database = ? GROUP BY 1
"""


def until(what: str, look: Callable[[], object], at_least: float = 1) -> None:
    """Wait until there are so many, or something."""

    def fewer() -> str | None:
        found = look()
        number = found if isinstance(found, int | float) else len(found)  # type: ignore[arg-type]
        return None if number >= at_least else f"{number} of {at_least}"

    await_state(f"{what}: there", fewer, within_s=DEADLINE_S)


@contextmanager
def embedded(settings: LabSettings) -> Iterator[None]:
    """The embedded agent, in a thread."""
    stop = threading.Event()
    thread = threading.Thread(target=Agent(settings, CollectorRegistry()).run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(DEADLINE_S)


@contextmanager
def services(settings: LabSettings, url: str) -> Iterator[ServiceClient]:
    """The five services in one process, traced by ddtrace into the console at this address."""
    environment = {
        **os.environ,
        **of_settings(settings, Settings.model_fields),
        "DD_SERVICE": "credit-lab",
        "DD_TRACE_AGENT_URL": url,
        "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
    }
    process = subprocess.Popen([sys.executable, "-m", "workload", "all"], cwd=ROOT, env=environment)
    client = ServiceClient(name="proposals", address=f"127.0.0.1:{settings.proposals_port}")
    try:
        until("the services' first operation", lambda: counted(client))
        yield client
    finally:
        process.terminate()
        process.wait(DEADLINE_S)


def counted(client: ServiceClient) -> dict[str, int]:
    """Return how often each statement succeeded, as the application counts; {} before it answers."""
    try:
        samples = client.samples()
    except ServiceUnreachableError:
        return {}
    found: Counter[str] = Counter()
    for sample in samples:
        if sample.name == "credit_statement_duration_seconds_count":
            found[sample.labels["statement"]] += int(sample.value)
    return {name: count for name, count in found.items() if count}


def sums(reader: Reader, sql: str, *parameters: object) -> dict[str, int]:
    return {name: int(count) for name, count in reader.rows(sql, parameters) if name}


@contextmanager
def waiting_for_customers(database: Database) -> Iterator[None]:
    """Let statements on customers wait: one look a second misses statements of a millisecond."""
    with database.connect(Role.SUPERUSER) as connection:
        rows(connection, "BEGIN")
        rows(connection, "LOCK TABLE customers IN ACCESS EXCLUSIVE MODE")
        yield
        rows(connection, "COMMIT")


def sampled(console: RunningConsole, database: Database) -> list[ActivitySample]:
    """Return what was seen of sessions whose statement carries a traceparent."""
    carrying = "trace_id IS NOT NULL AND database = ?"
    return console.reader.select(ActivitySample, carrying, [database.name], limit=1)


@pytest.fixture
def console(cluster: Cluster, tmp_path: Path) -> Iterator[RunningConsole]:
    """A console that follows the test cluster's log."""
    running = start_console(tmp_path / "state", POSTGRES_LOG_DIR=str(cluster.data / "log"))
    try:
        yield running
    finally:
        running.stop()


def test_one_number_per_statement(database: Database, console: RunningConsole) -> None:
    """Application, DBM, pg_stat_statements and log agree to the call, and every traceparent has its span."""
    settings = database.settings.model_copy(
        update={
            "console_port": console.port,
            "bind_address": "127.0.0.1",
            "seed_scale": 0.02,
            "workload_load": LOAD,
            "proposals_port": free_port(),
        }
    )
    seed.ensure(settings)
    with database.connect(Role.SUPERUSER) as superuser:
        for setting in ("log_min_duration_statement", "auto_explain.log_min_duration"):
            rows(superuser, f"ALTER DATABASE {database.name} SET {setting} = 0")
        secrets = rows(superuser, "SELECT cpf, full_name, email, phone FROM customers")
        with embedded(settings):
            until("the first look", lambda: console.reader.select(Snapshot, limit=1))
            with services(settings, console.url) as client:
                with waiting_for_customers(database):
                    until("a look at a session that waits", lambda: sampled(console, database))
                until("many kinds of statements", lambda: counted(client), STATEMENTS)
                client.pause()
                application = counted(client)
            by_queryid = {
                queryid: (name, calls) for queryid, name, calls in rows(superuser, COUNTED)
            }
            in_postgres: Counter[str] = Counter()
            for name, calls in by_queryid.values():
                in_postgres[name] += calls
            reader = console.reader
            dbm_sql = (
                "SELECT s.name, sum(m.calls) FROM query_metrics m JOIN statements s USING (queryid)"
                " WHERE m.role = 'credit_app' AND m.database = ? GROUP BY 1"
            )
            until(
                "the last deltas",
                lambda: sum(sums(reader, dbm_sql, database.name).values()),
                sum(in_postgres.values()),
            )
    in_dbm = sums(reader, dbm_sql, database.name)
    deltas = reader.rows(DELTAS, [database.name])
    assert {queryid: calls for queryid, calls in deltas if queryid in by_queryid} == {
        queryid: calls for queryid, (_, calls) in by_queryid.items()
    }
    of_application = "role = 'credit_app' AND database = ?"
    in_log_sql = f"SELECT statement, count(*) FROM executions WHERE {of_application} GROUP BY 1"
    until(
        "the last lines of the log",
        lambda: sum(sums(reader, in_log_sql, database.name).values()),
        sum(application.values()),
    )
    in_log = sums(reader, in_log_sql, database.name)
    assert len(application) >= STATEMENTS
    assert application == in_postgres == in_dbm == in_log

    def without_span(table: str) -> int:
        sql = (
            f"SELECT count(*) FROM {table} t WHERE t.trace_id IS NOT NULL AND t.database = ? AND NOT EXISTS"
            " (SELECT 1 FROM spans s WHERE s.trace_id = t.trace_id AND s.span_id = t.span_id)"
        )
        return int(reader.rows(sql, [database.name])[0][0])

    records = ((Execution, "executions"), (Plan, "plans"), (ActivitySample, "activity"))

    def without_spans() -> str | None:
        missing = {table: count for _, table in records if (count := without_span(table))}
        return f"without a span: {missing}" if missing else None

    # What was answered is written a moment later.
    await_state("every traceparent leads to a span", without_spans, within_s=DEADLINE_S)
    for record, _ in records:
        assert reader.select(record, "trace_id IS NOT NULL AND database = ?", [database.name])
    assert reader.select(Span, "parent_id IS NULL", limit=1)
    stored = b"".join(file.read_bytes() for file in (console.state / "store").iterdir())
    found = {secret for row in secrets for secret in row if secret.encode() in stored}
    assert found == set()
