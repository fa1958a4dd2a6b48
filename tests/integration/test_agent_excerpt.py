"""What an Agent sends, replayed through the intake: commands, API and pages show it as the Agent's."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from lab.clients.prometheus import Prometheus
from lab.compare.intake import Datadog
from lab.compare.stages import Window
from lab.console.overview.health import health
from lab.drilldown.remote import API
from lab.foundation import clock
from lab.foundation.readiness import await_state
from lab.foundation.settings import ROOT, LabSettings
from lab.foundation.timestamps import moment
from lab.telemetry.store import (
    ActivityRound,
    ActivitySample,
    Plan,
    QueryMetrics,
    Source,
    Span,
    Statement,
)
from tests import agent_excerpt as excerpt
from tests.fix_console import RunningConsole, start_console
from tests.fix_postgres import Database, free_port

STORED_WITHIN_S = 150
STATS = b"\x80"


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    """A console that has received the excerpt."""
    console = start_console(tmp_path_factory.mktemp("replayed"))
    try:
        assert console.send("POST", "/api/v0.2/stats", STATS).status == 202
        for path, bodies in excerpt.payloads().items():
            for body in bodies:
                answer = console.send("POST", path, body)
                assert answer.status == 200, (path, answer.body)

        def unstored() -> str | None:
            wanted: dict[type[Any], int] = {
                Span: 2,
                QueryMetrics: 2,
                Plan: 1,
                ActivitySample: 2,
                ActivityRound: 2,
            }
            found = {kind: len(console.reader.select(kind)) for kind in wanted}
            return None if found == wanted else str(found)

        await_state("the excerpt is stored", unstored, within_s=STORED_WITHIN_S)
        yield console
    finally:
        console.stop()


def command(console: RunningConsole, *arguments: str, **more: str) -> tuple[int, Any]:
    """Call a command natively on the console's state; return its status and its JSON."""
    settings = {"LAB_STATE_DIR": str(console.state), "CONSOLE_PORT": str(console.port), **more}
    reported = subprocess.run(
        [sys.executable, "-m", "lab", *arguments, "--native", "--json"],
        cwd=ROOT,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert reported.stdout, reported.stderr
    return reported.returncode, json.loads(reported.stdout)


def api(console: RunningConsole, path: str) -> Any:
    answer = console.send("GET", f"{API}{path}")
    assert answer.status == 200, answer.body
    return answer.json()


def test_what_is_stored_is_the_agents_and_has_its_shape(replayed: RunningConsole) -> None:
    """A queryid in query metrics only; a plan sampled twice is stored once; a COMMIT has none."""
    reader = replayed.reader
    kinds: tuple[type[Any], ...] = (QueryMetrics, Plan, ActivitySample, ActivityRound)
    for kind in kinds:
        assert {record.source for record in reader.select(kind)} == {Source.AGENT}, kind
    assert {row.queryid for row in reader.select(QueryMetrics)} == {excerpt.QUERYID}
    assert {row.queryid for row in reader.select(Plan)} == {None}
    assert {row.queryid for row in reader.select(ActivitySample)} == {None}
    texts = {row.signature: row.text for row in reader.select(Statement)}
    assert texts[excerpt.SIGNATURE] == excerpt.TEXT
    assert replayed.metric('lab_intake_items_total{stream="series"}') == 1


@pytest.mark.parametrize("key", [str(excerpt.QUERYID), excerpt.STATEMENT, excerpt.SIGNATURE])
def test_query_shows_the_statement_by_queryid_name_or_signature(
    replayed: RunningConsole, key: str
) -> None:
    status, found = command(replayed, "query", key)
    assert status == 0
    assert found["queryids"] == [str(excerpt.QUERYID)]
    assert sum(period["estimated"] for period in found["plans"]) == 1
    assert excerpt.SERVICE in found["services"]
    totals = {total["source"]: total["calls"] for total in found["totals"]}
    assert totals[Source.AGENT.value] == excerpt.CALLS
    served = api(replayed, f"/query/{key}")
    for field in ("queryids", "plans", "services", "totals"):
        assert served[field] == found[field], field


def test_trace_shows_its_plan_its_wait_and_who_blocked_it(replayed: RunningConsole) -> None:
    status, found = command(replayed, "trace", excerpt.TRACE_ID)
    assert status == 0
    [statement] = found["statements"]
    assert statement["queryid"] == str(excerpt.QUERYID)
    assert statement["plan"]["source"] == "estimated"
    assert "Index Scan" in json.dumps(statement["plan"])
    waits = json.dumps(statement["waits"])
    assert "transactionid" in waits
    assert str(excerpt.HOLDER) in json.dumps(statement)
    assert api(replayed, f"/trace/{excerpt.TRACE_ID}")["statements"] == found["statements"]


def test_sessions_show_the_live_database_beside_it(
    replayed: RunningConsole, database: Database
) -> None:
    """What PostgreSQL does now comes from PostgreSQL; the sampled sessions of a minute ago are none."""
    settings = database.settings
    where = {
        "POSTGRES_HOST": settings.postgres_host,
        "POSTGRES_PORT": str(settings.postgres_port),
        "POSTGRES_DB": settings.postgres_db,
    }
    status, found = command(replayed, "sessions", **where)
    assert status == 0, found["absent"]
    assert {excerpt.WAITER, excerpt.HOLDER}.isdisjoint(s["pid"] for s in found["sessions"])


def test_pages_show_it_and_name_the_agent(replayed: RunningConsole) -> None:
    pages = {
        path: replayed.send("GET", path).body.decode()
        for path in (
            "/",
            f"/queries/{excerpt.QUERYID}",
            f"/traces/{excerpt.TRACE_ID}",
            f"/traces/{excerpt.TRACE_ID}/{excerpt.STATEMENT_SPAN:016x}",
        )
    }
    for path, page in pages.items():
        assert "embedded agent" not in page, path
    assert "Index Scan" in pages[f"/queries/{excerpt.QUERYID}"]
    execution = pages[f"/traces/{excerpt.TRACE_ID}/{excerpt.STATEMENT_SPAN:016x}"]
    assert "Index Scan" in execution
    assert "transactionid" in execution
    assert str(excerpt.HOLDER) in execution


def test_a_sample_without_a_session_keeps_the_activity_fresh(replayed: RunningConsole) -> None:
    """The last sample held nobody, and is 20 s old: so is the activity, and not older."""
    [last] = replayed.reader.select(ActivityRound, order="at_ns DESC", limit=1)
    assert last.sessions == 0
    away = Prometheus(url=f"http://127.0.0.1:{free_port()}")
    found = health(replayed.reader, away, at=moment(last.at_ns + 20_000_000_000))
    [activity] = [fresh for fresh in found.freshness if fresh.what == "DBM activity"]
    assert (activity.age_s, activity.stale) == (20.0, False)
    assert found.dbm_source is Source.AGENT


def test_columns_are_those_of_the_agents_last_round(replayed: RunningConsole) -> None:
    """One event for each schema, and one row for each table."""
    settings = LabSettings(lab_state_dir=replayed.state)
    tables = Datadog(settings, Window(since_ns=0, now_ns=clock.now_ns())).tables()
    columns = [json.loads(table.payload)["columns"] for table in tables]
    assert sorted(map(len, columns)) == [1, 2]
    assert {table.host for table in tables} == {excerpt.HOST}
    assert all(table.at_ns < clock.now_ns() for table in tables)
