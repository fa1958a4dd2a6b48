"""postgres_exporter on a real PostgreSQL 15: the series that the rules need, and what it does in trouble."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from lab.clients.database import Connection, Role, rows
from lab.foundation.errors import DatabaseError
from lab.foundation.readiness import await_state
from lab.foundation.settings import ROOT
from tests.fix_postgres import Database
from tests.fix_prometheus import (
    Exporter,
    Sample,
    ScrapeError,
    exporter_command,
    exporter_settings,
    running_exporter,
)
from tests.promql import metric_names
from workload.statements import STATEMENTS

pytestmark = pytest.mark.usefixtures("monitoring")

# The exporter's size of a table: the whole until 0.18, two parts from 0.19 on.
SIZES = (
    {"pg_stat_user_tables_size_bytes"},
    {"pg_stat_user_tables_table_size_bytes", "pg_stat_user_tables_index_size_bytes"},
)
FIND_OPERATION = STATEMENTS["find_operation"].sql % {"operation_id": "gen_random_uuid()"}
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'postgres_exporter'"
WAITS = "SELECT pid FROM pg_locks WHERE NOT granted"
LONGEST_STATEMENT = "SELECT setting::int FROM pg_settings WHERE name = 'statement_timeout'"
SCRAPE_TIMEOUT_SECONDS = 9


def test_a_scrape_has_every_metric_that_the_rules_read(
    database: Database, exporter: Exporter
) -> None:
    with database.connect(Role.APP) as connection:
        rows(connection, FIND_OPERATION)
    read: set[str] = set()
    for file in (ROOT / "prometheus" / "rules").glob("*.yml"):
        for group in yaml.safe_load(file.read_text())["groups"]:
            for rule in group["rules"]:
                read |= metric_names(rule["expr"])
    wanted = {name for name in read if name.startswith("pg_") or name == "credit_statement_info"}
    assert wanted
    assert wanted - names(exporter.scrape()) in SIZES


def test_a_queryid_has_one_name_however_many_roles_ran_it(
    database: Database, exporter: Exporter
) -> None:
    """credit_statement_info has one series for a queryid, so that PromQL can join it on."""
    for role in (Role.APP, Role.LAB):
        with database.connect(role) as connection:
            rows(connection, FIND_OPERATION)
    queryid = queryid_of(database, "%find\\_operation%")
    samples = exporter.scrape()
    named = [
        s.labels for s in select(samples, "credit_statement_info") if s.labels["queryid"] == queryid
    ]
    assert [(n["service"], n["statement"]) for n in named] == [("shared", "find_operation")]
    calls = select(samples, "pg_stat_statements_calls_total")
    assert {s.labels["user"]: s.value for s in calls if s.labels["queryid"] == queryid} == {
        "credit_app": 1,
        "lab": 1,
    }


def test_statements_that_postgresql_cannot_tell_apart_share_their_names(
    database: Database, exporter: Exporter
) -> None:
    """Two names for one queryid become one series that shows both."""
    for role, name in ((Role.APP, "first"), (Role.LAB, "second")):
        with database.connect(role) as connection:
            rows(connection, f"SELECT 41 + 1 /*service='credit-test',statement='{name}'*/")
    [info] = select(exporter.scrape(), "credit_statement_info", service="credit-test")
    assert info.labels["statement"] == "first|second"


def test_only_this_database_is_reported(database: Database, exporter: Exporter) -> None:
    with database.connect(Role.APP) as connection:
        rows(connection, FIND_OPERATION)
    calls = select(exporter.scrape(), "pg_stat_statements_calls_total")
    assert {sample.labels["datname"] for sample in calls} == {database.name}


def test_a_query_run_by_itself_and_inside_a_function_is_one_series(
    database: Database, exporter: Exporter
) -> None:
    """The two entries that pg_stat_statements.track = all makes of it are summed."""
    run_by_itself_and_inside_a_function(database)
    queryid = queryid_of(database, "SELECT count(*) FROM generate_series%")
    calls = select(exporter.scrape(), "pg_stat_statements_calls_total", queryid=queryid)
    assert [sample.value for sample in calls] == [2]


def test_the_exporters_own_statement_collector_loses_that_query_or_the_whole_scrape(
    database: Database, tmp_path: Path
) -> None:
    """Why docs/adr/0004 does not use it: 0.17 answers no scrape, 0.19 reports one of the two rows."""
    run_by_itself_and_inside_a_function(database)
    settings = exporter_settings(database, tmp_path)
    command = exporter_command(settings)
    arguments = [a for a in command.argv if not a.startswith("--extend.query-path")]
    command = replace(command, argv=(*arguments, "--collector.stat_statements"))
    with running_exporter(settings, command) as exporter:
        if command.version.startswith("0.17"):
            with pytest.raises(ScrapeError, match="was collected before with the same name"):
                exporter.scrape()
        else:
            queryid = queryid_of(database, "SELECT count(*) FROM generate_series%")
            calls = select(exporter.scrape(), "pg_stat_statements_calls_total", queryid=queryid)
            assert [sample.value for sample in calls] == [1]


def test_statements_are_bounded_and_cheap_with_5000_in_pg_stat_statements(
    database: Database, exporter: Exporter
) -> None:
    """At most 500 statements are shown; both queries end within the role's statement_timeout."""
    with database.connect(Role.SUPERUSER) as connection:
        rows(connection, "SELECT pg_stat_statements_reset()")
        rows(connection, ";".join(distinct_statements(5000)))
    samples = exporter.scrape()
    assert len(select(samples, "credit_statement_info")) == 500
    assert len(select(samples, "pg_stat_statements_calls_total")) == 500
    exporter.scrape()
    with database.connect(Role.SUPERUSER) as connection:
        [[entries]] = rows(
            connection,
            "SELECT count(*) FROM pg_stat_statements JOIN pg_database d ON d.oid = dbid"
            " WHERE datname = current_database()",
        )
        rows(connection, "SELECT pg_stat_statements_reset()")
    assert entries >= 5000


def test_a_locked_table_costs_its_series_and_no_pile_of_connections(
    database: Database, exporter: Exporter
) -> None:
    """pg_stat_user_tables waits for ACCESS EXCLUSIVE until lock_timeout; the rest is delivered.

    The scrape ends while the lock is held: no statement of the role lasts as long as Prometheus waits. It
    delivers the tables before the locked one in the catalogue's order, too, and then breaks off.
    """
    with ExitStack() as stack:
        holder = stack.enter_context(database.connect(Role.OWNER))
        watcher = stack.enter_context(database.connect(Role.LAB))
        pool = stack.enter_context(ThreadPoolExecutor())
        with database.connect(Role.EXPORTER) as own:
            [[longest_ms]] = rows(own, LONGEST_STATEMENT)
        assert longest_ms < SCRAPE_TIMEOUT_SECONDS * 1000
        rows(holder, "BEGIN")
        rows(holder, "LOCK TABLE customers IN ACCESS EXCLUSIVE MODE")
        scrapes = [pool.submit(exporter.scrape) for _ in range(2)]
        most = 0
        while wait(scrapes, timeout=0.02).not_done:
            most = max(most, sessions(watcher))
        for scrape in scrapes:
            samples = scrape.result()
            assert not select(samples, "pg_stat_user_tables_n_tup_ins", relname="customers")
            assert select(samples, "pg_statio_user_tables_heap_blocks_hit", relname="customers")
            assert value(samples, "pg_up") == 1
            assert value(samples, "pg_scrape_collector_success", collector="stat_user_tables") == 0
        # One that the exporter keeps, one for each scrape under way, and for each a backend that is ending.
        assert most <= 1 + 2 * len(scrapes)
        rows(holder, "ROLLBACK")
        await_state(
            "the exporter has ended the sessions of its scrapes",
            lambda: None if (n := sessions(watcher)) <= 1 else f"{n} sessions",
            within_s=150,
        )
    assert select(exporter.scrape(), "pg_stat_user_tables_n_tup_ins", relname="customers")


def test_a_lock_wait_is_counted_and_timed(database: Database, exporter: Exporter) -> None:
    """pg_blocked_sessions has the number of waiting sessions, and the longest wait."""
    with ExitStack() as stack:
        holder, blocked, watcher = (
            stack.enter_context(database.connect(role))
            for role in (Role.OWNER, Role.OWNER, Role.LAB)
        )
        pool = stack.enter_context(ThreadPoolExecutor())
        rows(holder, "BEGIN")
        rows(holder, "LOCK TABLE customers IN SHARE MODE")
        waiting = pool.submit(rows, blocked, "UPDATE customers SET city = city")
        await_state(
            "the update waits for its lock",
            lambda: None if rows(watcher, WAITS) else "no session waits",
            within_s=150,
        )
        samples = exporter.scrape()
        rows(holder, "ROLLBACK")
        waiting.result()
    assert value(samples, "pg_blocked_sessions_count") == 1
    assert value(samples, "pg_blocked_sessions_longest_wait_seconds") > 0
    assert value(exporter.scrape(), "pg_blocked_sessions_longest_wait_seconds") == 0


def test_pg_up_stays_1_while_the_role_has_no_session_left_for_the_collectors(
    database: Database, exporter: Exporter
) -> None:
    """pg_up is about the connection that the exporter keeps; each scrape opens another."""
    exporter.scrape()
    with ExitStack() as stack:
        watcher = stack.enter_context(database.connect(Role.LAB))
        await_state(
            "the session of the scrape has ended",
            lambda: None if (n := sessions(watcher)) == 1 else f"{n} sessions",
            within_s=150,
        )
        for _ in range(4):
            stack.enter_context(database.connect(Role.EXPORTER))
        samples = exporter.scrape()
    assert value(samples, "pg_up") == 1
    assert "pg_stat_activity_count" in names(samples)
    assert "pg_stat_user_tables_n_tup_ins" not in names(samples)
    assert "pg_scrape_collector_success" not in names(samples)


def run_by_itself_and_inside_a_function(database: Database) -> None:
    with database.connect(Role.OWNER) as connection:
        query = "SELECT count(*) FROM generate_series(1, 100000)"
        rows(
            connection,
            "CREATE FUNCTION slow() RETURNS void LANGUAGE plpgsql"
            f" AS $$ BEGIN EXECUTE '{query}'; END $$",
        )
        rows(connection, "SELECT slow()")
        rows(connection, query)


def sessions(watcher: Connection) -> int:
    [[number]] = rows(watcher, SESSIONS)
    return int(number)


def queryid_of(database: Database, pattern: str) -> str:
    with database.connect(Role.SUPERUSER) as connection:
        [[queryid]] = rows(
            connection,
            "SELECT DISTINCT queryid::text FROM pg_stat_statements JOIN pg_database d ON d.oid = dbid"
            " WHERE datname = current_database() AND query LIKE %s",
            [pattern],
        )
        return str(queryid)


def distinct_statements(number: int) -> Iterable[str]:
    """Yield statements of different shapes, each with a comment as long as the tracer's."""
    for i in range(number):
        terms = "".join(f"{'+' if i >> bit & 1 else '-'} {bit}" for bit in range(13))
        name = f"/*service='credit-test',statement='number_{i}'*/"
        yield f"/*{'traceparent' * 17}*/ SELECT 1 {terms} {name}"


def names(samples: Iterable[Sample]) -> set[str]:
    return {sample.name for sample in samples}


def select(samples: Iterable[Sample], name: str, **labels: str) -> list[Sample]:
    return [s for s in samples if s.name == name and labels.items() <= s.labels.items()]


def value(samples: Iterable[Sample], name: str, **labels: str) -> float:
    [sample] = select(samples, name, **labels)
    return sample.value


def test_an_index_that_could_not_be_built_is_counted(
    database: Database, exporter: Exporter
) -> None:
    """A unique index over equal values is left invalid; dropping it ends the alert InvalidIndex."""

    def invalid() -> list[float]:
        return [s.value for s in exporter.scrape() if s.name == "pg_invalid_indexes_count"]

    assert invalid() == [0]
    with database.connect(Role.SUPERUSER) as session:
        rows(session, "CREATE TABLE twice AS SELECT 1 AS one FROM generate_series(1, 2)")
        with pytest.raises(DatabaseError, match="could not create unique index"):
            rows(session, "CREATE UNIQUE INDEX CONCURRENTLY twice_one ON twice (one)")
        await_state(
            "the invalid index is counted",
            lambda: None if invalid() == [1] else str(invalid()),
            within_s=150,
        )
        rows(session, "DROP TABLE twice")


def test_an_index_that_another_makes_superfluous_is_counted_and_a_unique_one_is_not(
    database: Database, exporter: Exporter
) -> None:
    """Same columns, order and condition; the unique one also keeps the rule, so it has no twin."""
    with database.connect(Role.SUPERUSER) as session:
        rows(session, "CREATE TABLE public.twins (id int UNIQUE, other int)")
        for definition in (
            "one ON twins (id)",
            "two ON twins (id, other)",
            "three ON twins (id DESC)",
            "four ON twins (id) WHERE other > 1",
            "five ON twins (id) WHERE other > 1",
            "six ON twins ((id + 1))",
        ):
            rows(session, f"CREATE INDEX {definition}")
        twins = {
            sample.labels["indexrelname"]: sample.value
            for sample in select(exporter.scrape(), "pg_index_twins", relname="twins")
        }
        rows(session, "DROP TABLE twins")
    assert twins == {
        "twins_id_key": 0, "one": 1, "two": 0, "three": 0, "four": 1, "five": 1, "six": 0,
    }  # fmt: skip


def test_the_sessions_of_a_lock_wait_are_a_pair_and_the_one_that_waits_is_active(
    database: Database, exporter: Exporter
) -> None:
    """Both roles and states, for as long as the wait lasts; the waiting statement has its wait event."""
    with ExitStack() as stack:
        blocker, waiter = (stack.enter_context(database.connect(Role.SUPERUSER)) for _ in range(2))
        rows(blocker, "BEGIN; SELECT pg_advisory_xact_lock(42)")
        pids = [rows(one, "SELECT pg_backend_pid()::text")[0][0] for one in (waiter, blocker)]
        pool = stack.enter_context(ThreadPoolExecutor(max_workers=1))
        waiting = pool.submit(rows, waiter, "SELECT pg_advisory_lock(42)")
        stack.callback(rows, blocker, "COMMIT")
        await_state(
            "a session waits",
            lambda: None if database_waits(database) else "none",
            within_s=150,
        )
        samples = exporter.scrape()
    waiting.result()
    [pair] = select(samples, "pg_blocked_session_wait_seconds")
    assert [pair.labels["pid"], pair.labels["blocker_pid"]] == pids
    assert pair.labels["blocker_state"] == "idle in transaction"
    [active] = select(samples, "pg_active_sessions_count", wait_event="advisory")
    assert (active.value, active.labels["wait_event_type"]) == (1, "Lock")
    assert active.labels["queryid"] == queryid_of(database, "SELECT pg_advisory_lock(%")


def database_waits(database: Database) -> bool:
    with database.connect(Role.LAB) as session:
        return bool(rows(session, WAITS))
