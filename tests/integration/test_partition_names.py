"""Daily partitions keep their names: in the schema that DBM sends, in lock waits, in autovacuum's lines."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from lab.clients.database import Role, rows
from lab.console.overview.incidents import incidents
from lab.foundation import clock
from lab.foundation.readiness import await_state
from lab.foundation.timestamps import moment
from lab.stack.native.cluster import Cluster
from lab.telemetry.embedded.__main__ import Agent
from lab.telemetry.store import Event, Snapshot
from tests.embedded import deliver
from tests.fix_console import RunningConsole, start_console
from tests.fix_postgres import Database

DEADLINE_S = 150
DAYS = ("20261101", "20261102", "20261103")


@pytest.fixture
def console(cluster: Cluster, tmp_path: Path) -> Iterator[RunningConsole]:
    running = start_console(tmp_path / "state", POSTGRES_LOG_DIR=str(cluster.data / "log"))
    try:
        yield running
    finally:
        running.stop()


def event(console: RunningConsole, condition: str) -> Event:
    def absent() -> str | None:
        if console.reader.select(Event, condition):
            return None
        last = console.reader.select(Event, order="at_ns DESC", limit=3)
        return str([(each.kind, each.database, each.relation) for each in last])

    await_state(f"an event with {condition} is stored", absent, within_s=DEADLINE_S)
    return console.reader.select(Event, condition)[0]


def test_partitions_by_day(database: Database, console: RunningConsole) -> None:
    """Each partition has its name and snapshot; a lock wait and an autovacuum name their relation."""
    settings = database.settings.model_copy(
        update={
            "console_port": console.port,
            "bind_address": "127.0.0.1",
            "lab_state_dir": console.state,
        }
    )
    with (
        database.connect(Role.SUPERUSER) as one,
        database.connect(Role.SUPERUSER) as two,
        database.connect(Role.DATADOG) as observer,
    ):
        rows(one, "CREATE TABLE vendas (dia text, v int) PARTITION BY LIST (dia)")
        for day in DAYS:
            rows(one, f"CREATE TABLE vendas_{day} PARTITION OF vendas FOR VALUES IN ('{day}')")
        agent = Agent(settings, CollectorRegistry())
        agent.tick(observer)
        deliver(agent)
        rows(one, "BEGIN")
        rows(one, "LOCK TABLE vendas_20261102")
        waiting = threading.Thread(target=rows, args=(two, "SELECT v FROM vendas_20261102"))
        waiting.start()
        # The server's log has the lock waits of other tests too.
        event(console, f"kind = 'lock_wait' AND database = '{database.name}'")
        rows(one, "COMMIT")
        waiting.join(DEADLINE_S)
        rows(one, "ALTER SYSTEM SET autovacuum_naptime = 1")
        rows(one, "ALTER SYSTEM SET log_autovacuum_min_duration = 0")
        rows(one, "SELECT pg_reload_conf()")
        try:
            rows(one, "ALTER TABLE vendas_20261103 SET (autovacuum_analyze_threshold = 1)")
            rows(one, "INSERT INTO vendas SELECT '20261103', g FROM generate_series(1, 5000) g")
            relation = f"relation = '{database.name}.public.vendas_20261103'"
            rows(one, "SELECT pg_stat_force_next_flush()")
            assert event(console, relation).kind in {"autoanalyze", "autovacuum"}
        finally:
            rows(one, "ALTER SYSTEM RESET autovacuum_naptime")
            rows(one, "ALTER SYSTEM RESET log_autovacuum_min_duration")
            rows(one, "SELECT pg_reload_conf()")
    names = {json.loads(s.payload).get("name") for s in console.reader.select(Snapshot)}
    assert {f"vendas_{day}" for day in DAYS} <= names

    def unnamed() -> str | None:
        now = moment(clock.now_ns()) + timedelta(minutes=1)
        found = incidents(console.reader, since=now - timedelta(hours=1), until=now, limit=1_000)
        messages = [incident.message for incident in found]
        return None if any("vendas_20261102" in m for m in messages) else str(messages)

    await_state("the lock wait names its partition", unnamed, within_s=DEADLINE_S)
