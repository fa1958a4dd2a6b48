"""The observers' queries on a real PostgreSQL: each beside rows that it must not count."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from lab.clients.database import Connection, Role, rows
from lab.drilldown.sessions import live
from lab.foundation.readiness import await_state
from lab.telemetry.activity.sampler import sample
from lab.telemetry.embedded.collector import QUERIES as EMBEDDED
from lab.telemetry.embedded.metrics import QUERIES as METRICS
from lab.telemetry.store import ActivityRound, ActivitySample
from lab.telemetry.truth import COLUMNS
from lab.telemetry.truth.sampler import KINDS
from lab.telemetry.truth.sampler import QUERIES as TRUTH
from tests.fix_postgres import Database

WITHIN_S = 60.0
TABLES = """
CREATE TABLE measured (a int PRIMARY KEY, b int);
CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.hidden (a int);
CREATE VIEW seen AS SELECT 1; CREATE INDEX measured_b ON measured (b);
GRANT SELECT ON measured TO datadog, lab, credit_app; GRANT UPDATE ON measured TO credit_app;
INSERT INTO measured SELECT n, n FROM generate_series(1, 2000) n;
INSERT INTO elsewhere.hidden VALUES (1);
"""


@pytest.fixture
def filled(database: Database) -> Database:
    """With tables of which the rows are known."""
    with database.connect(Role.SUPERUSER) as connection:
        rows(connection, TABLES)
        rows(connection, "UPDATE measured SET b = -b WHERE a <= 30")
        rows(connection, "DELETE FROM measured WHERE a > 1000")
        rows(connection, "SELECT count(*) FROM measured")
        # Before ANALYZE, which replaces the numbers of live and dead rows.
        rows(connection, "SELECT pg_stat_force_next_flush()")
        rows(connection, "ANALYZE measured")
    return database


def truth(connection: Connection, query: str) -> dict[str, dict[str, float]]:
    """Values by name and column."""
    names = COLUMNS[KINDS[query]]
    return {
        row[0]: dict(zip(names, map(float, row[1:]), strict=True))
        for row in rows(connection, TRUTH[query])
    }


def metrics(connection: Connection, query: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Values by the tags and the name of the metric."""
    known = METRICS[query]
    width, names = len(known.tags), (*known.rates, *known.counts, *known.gauges)
    return {
        row[:width]: dict(zip(names, row[width:], strict=True))
        for row in rows(connection, EMBEDDED[query])
    }


@contextmanager
def locked(filled: Database) -> Iterator[Connection]:
    """One session of the application holds a lock and is idle, a second one waits for it."""
    with (
        filled.connect(Role.APP) as holder,
        filled.connect(Role.APP) as waiter,
        filled.connect(Role.LAB) as seeing,
        ThreadPoolExecutor(1) as pool,
    ):
        rows(holder, "BEGIN")
        rows(holder, "UPDATE measured SET b = 0 WHERE a = 1")
        waiting = pool.submit(rows, waiter, "UPDATE measured SET b = 1 WHERE a = 1")
        sql = (
            "SELECT count(*), count(*) FILTER (WHERE wait_event_type = 'Lock') FROM pg_stat_activity"
            " WHERE backend_type = 'client backend'"
        )

        def until_it_waits() -> str | None:
            [(sessions, waits)] = rows(seeing, sql)
            return None if (sessions, waits) == (3, 1) else f"{sessions} sessions, {waits} wait"

        try:
            await_state("one of three sessions waits", until_it_waits, within_s=WITHIN_S)
            yield seeing
        finally:
            rows(holder, "ROLLBACK")
            waiting.result(WITHIN_S)


def test_tables_of_the_ground_truth(filled: Database) -> None:
    """Of the schema public: what was inserted, updated and deleted, and sizes with the indexes."""
    with filled.connect(Role.LAB) as connection:
        found = truth(connection, "tables")
        sizes = truth(connection, "sizes")
        [[size, left, table]] = rows(
            connection,
            "SELECT pg_database_size(current_database()), 2147483647 - age(datfrozenxid),"
            " pg_total_relation_size('measured') FROM pg_database WHERE datname = current_database()",
        )
        with filled.connect(Role.SUPERUSER) as superuser:
            rows(superuser, "BEGIN")
            rows(superuser, "LOCK TABLE measured IN ACCESS EXCLUSIVE MODE")
            while_locked = truth(connection, "sizes")
            rows(superuser, "ROLLBACK")
            rows(superuser, "BEGIN")
            rows(superuser, "LOCK TABLE measured IN EXCLUSIVE MODE")
            assert "measured" in truth(connection, "sizes")
            rows(superuser, "ROLLBACK")
    one = found["measured"]
    assert (one["inserted"], one["updated"], one["deleted"], one["live"]) == (
        2_000,
        30,
        1_000,
        1_000,
    )
    assert one["hits"] > 0
    assert one["rows_scanned"] >= 1_000
    assert "hidden" not in found
    assert list(found.values()) == sorted(found.values(), key=lambda v: -(v["hits"] + v["reads"]))
    assert sizes["measured"] == {"bytes": table, "xids_left": 0.0}
    assert abs(sizes[""]["bytes"] - size) < size / 10
    assert abs(sizes[""]["xids_left"] - left) < 1_000
    assert not {"hidden", "seen", "measured_b", "measured_pkey"} & sizes.keys()
    assert "measured" not in while_locked
    assert "" in while_locked


def test_statements_of_the_ground_truth_are_the_applications(filled: Database) -> None:
    """Of its role in this database; blocks of all statements by role."""
    sql = "SELECT count(*) FROM measured WHERE b > 77"
    with filled.connect(Role.LAB) as connection:
        before = truth(connection, "roles")
        for role in (Role.APP, Role.SUPERUSER):
            with filled.connect(role) as other:
                for _ in range(3):
                    rows(other, sql)
        [[queryid]] = rows(
            connection,
            "SELECT DISTINCT queryid::text FROM pg_stat_statements WHERE query LIKE %s AND dbid ="
            " (SELECT oid FROM pg_database WHERE datname = current_database())",
            ["SELECT count(*) FROM measured WHERE b >%"],
        )
        found, roles = truth(connection, "statements"), truth(connection, "roles")
        [[reported]] = rows(
            connection,
            "SELECT sum(shared_blks_hit) + sum(shared_blks_read) FROM pg_stat_statements WHERE userid ="
            " (SELECT oid FROM pg_roles WHERE rolname = 'credit_app') AND dbid ="
            " (SELECT oid FROM pg_database WHERE datname = current_database())",
        )
    assert (found[queryid]["calls"], found[queryid]["rows"]) == (3, 3)
    assert found[queryid]["hits"] + found[queryid]["reads"] > 0
    times = [one["ms"] for one in found.values()]
    assert times == sorted(times, reverse=True)
    assert "postgres" not in roles
    assert "lab" in roles
    calls = roles["credit_app"]["calls"] - before.get("credit_app", {}).get("calls", 0.0)
    assert calls >= 3
    assert roles["credit_app"]["blocks"] == float(reported)


def test_sessions_are_counted_by_state(filled: Database) -> None:
    """By the ground truth, the samples and the metrics; none counts its own session as active."""
    with locked(filled) as seeing, filled.connect(Role.DATADOG) as datadog:
        found = truth(seeing, "sessions")[""]
        activity = metrics(datadog, "metrics_activity")
        locks = metrics(datadog, "metrics_locks")
        waits = metrics(datadog, "metrics_waits")
        taken, skipped = sample(seeing)
        sessions = live(filled.settings)
    assert (found["idle_in_transaction"], found["waiting"], found["active"]) == (1, 1, 1)
    assert (found["clients"], found["application"]) == (4, 2)
    assert 0 < found["oldest_transaction_s"] < WITHIN_S
    assert found["idle_s"] > 0
    app = activity[filled.name, "credit_app", "test"]
    assert {name: app[name] for name in list(app)[:5]} == {
        "active_queries": 1, "waiting_queries": 2, "active_waiting_queries": 1, "transactions.open": 2,
        "transactions.idle_in_transaction": 1,
    }  # fmt: skip
    assert (filled.name, "datadog", "test") not in activity
    granted = {
        (tags[3], tags[5]): values["locks"]
        for tags, values in locks.items()
        if tags[:3] == (filled.name, "public", "measured")
    }
    assert granted["RowExclusiveLock", "True"] == 2
    assert not any(tags[1].startswith("pg_") for tags in locks)
    key = filled.name, "credit_app", "test", "client backend", "transactionid"
    assert waits[key] == {"activity.wait_event": 1}
    assert skipped == 0
    assert isinstance(taken[0], ActivityRound)
    ours = [one for one in taken if isinstance(one, ActivitySample) and one.database == filled.name]
    assert sorted((one.state, len(one.blocking_pids)) for one in ours) == [
        ("active", 1), ("idle in transaction", 0),
    ]  # fmt: skip
    assert taken[0].sessions == sum(isinstance(one, ActivitySample) for one in taken)
    [tree] = [node for node in sessions.blocking if node.waiting]
    states = {one.pid: one.state for one in sessions.sessions}
    assert (states[tree.pid], states[tree.waiting[0].pid]) == ("idle in transaction", "active")
    assert sessions.longest_transactions[0] == tree.pid
    assert "credit-lab console" not in {one.application for one in sessions.sessions}


def test_sizes_and_bloat_of_tables(filled: Database) -> None:
    """Pages divided by those that the rows need: half of them were deleted. A locked table is left out."""
    key = (filled.name, "public", "measured")
    with filled.connect(Role.DATADOG) as datadog, filled.connect(Role.SUPERUSER) as superuser:
        [[pages, tuples, table, index, total]] = rows(
            superuser,
            "SELECT relpages, reltuples, pg_table_size(oid), pg_indexes_size(oid),"
            " pg_total_relation_size(oid) FROM pg_class WHERE relname = 'measured'",
        )
        sizes = metrics(datadog, "metrics_table_sizes")
        bloat = metrics(datadog, "metrics_bloat")
        tables = metrics(datadog, "metrics_tables")
        counts = metrics(datadog, "metrics_table_counts")
        rows(superuser, "BEGIN")
        rows(superuser, "LOCK TABLE measured IN ACCESS EXCLUSIVE MODE")
        assert key not in metrics(datadog, "metrics_table_sizes")
        rows(superuser, "ROLLBACK")
    one = sizes[key]
    assert (one["relation.pages"], one["relation.tuples"]) == (pages, tuples) == (pages, 1_000)
    assert (one["table_size"], one["index_size"], one["total_size"]) == (table, index, total)
    assert total == table + index
    # Two columns of four bytes, 28 bytes of header and pointer for each row, 24 for each page.
    needed = -(-1_000 * (8 + 28) // (8_192 - 24))
    assert float(bloat[key]["table_bloat"]) == round(pages / needed, 1)
    assert not any(tags[1] in {"pg_catalog", "information_schema"} for tags in (*sizes, *bloat))
    rates = tables[key]
    assert [rates[name] for name in ("rows_inserted", "rows_updated", "rows_deleted", "live_rows")] == [
        2_000, 30, 1_000, 1_000,
    ]  # fmt: skip
    assert rates["analyzed"] == 1
    assert rates["last_analyze_age"] >= 0
    assert counts[filled.name, "elsewhere"] == {"table.count": 1}


def test_the_server_and_its_databases(filled: Database) -> None:
    """Connections as a share of those allowed; databases that accept connections and are no template."""
    with filled.connect(Role.DATADOG) as datadog:
        [server] = metrics(datadog, "metrics_server").values()
        databases = metrics(datadog, "metrics_databases")
        [wal] = metrics(datadog, "metrics_wal_files").values()
        [[size]] = rows(datadog, EMBEDDED["text_size"])
        settings: dict[str, str] = dict(rows(datadog, EMBEDDED["settings"]))
        columns = rows(datadog, EMBEDDED["columns"])
        known = rows(
            datadog, "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate"
        )
    most = int(settings["max_connections"])
    assert server["max_connections"] == most
    assert 1 / most <= server["percent_usage_connections"] <= 20 / most
    assert (server["db.count"], server["running"]) == (len(known), 1)
    assert server["uptime"] > 0
    assert {tags[0] for tags in databases} == {name for (name,) in known}
    assert databases[filled.name,]["database_size"] > 1_000_000
    assert 2_000_000_000 < databases[filled.name,]["before_xid_wraparound"] < 2**31
    assert wal["wal_size"] == wal["wal_count"] * 16 * 2**20
    assert wal["wal_age"] >= 0
    assert size == int(settings["track_activity_query_size"])
    ours = [row[3:] for row in columns if row[:2] == ("public", "measured")]
    assert ours == [("a", "integer"), ("b", "integer")]
    assert ("elsewhere", "hidden") in {row[:2] for row in columns}
    assert not any(row[0] in {"pg_catalog", "information_schema"} for row in columns)
    assert not any(row[1] in {"seen", "measured_pkey"} for row in columns)


def test_sessions_of_a_sample_have_a_statement(filled: Database) -> None:
    """An idle one only when its statement is new; connections count all, but not the querying one."""
    with filled.connect(Role.DATADOG) as datadog, filled.connect(Role.APP) as app:
        rows(app, "SELECT 1 AS first")

        def sampled(newest: object) -> list[str]:
            found = rows(datadog, EMBEDDED["sessions"], {"newest_start": newest})
            return [row[17] for row in found if row[2] == filled.name]

        [found] = rows(datadog, EMBEDDED["sessions"], {"newest_start": None})
        assert sampled(None) == ["SELECT 1 AS first"]
        assert sampled(found[18]) == ["SELECT 1 AS first"]
        rows(app, "SELECT 2 AS second")
        assert sampled(found[18]) == ["SELECT 2 AS second"]
        [[newer]] = rows(datadog, "SELECT clock_timestamp()")
        assert sampled(newer) == []
        rows(app, "BEGIN")
        assert sampled(newer) == ["BEGIN"]
        connections = rows(datadog, EMBEDDED["connections"])
        rows(app, "ROLLBACK")
    ours = [row for row in connections if row[3] == filled.name]
    assert ours == [("test", "idle in transaction", "credit_app", filled.name, 1)]
