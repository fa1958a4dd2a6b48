"""No technique brings personal data into the store, a log, a page or an answer: hundreds, on all real paths.

`PERSONAL_DATA_CASES=100000` tries all combinations (minutes), `PERSONAL_DATA_SEED` another sample.
"""

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from itertools import islice
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from psycopg2.extensions import make_dsn

from lab.clients.database import Connection, Role, connect, rows
from lab.foundation.errors import DatabaseError
from lab.foundation.readiness import await_state
from lab.mcp.server import build
from lab.mcp.sources import Sources
from lab.stack.backend import Mode
from lab.stack.native.cluster import Cluster
from lab.telemetry.embedded.__main__ import Agent
from lab.telemetry.store import Execution, QueryMetrics, Span
from tests.embedded import deliver
from tests.fix_console import RunningConsole, start_console
from tests.fix_postgres import Database
from tests.mcp_client import Caller, in_process
from tests.personal import SQL, Technique, combinations
from tests.personal_payloads import FIELDS

CASES = int(os.environ.get("PERSONAL_DATA_CASES", "440"))
SEED = int(os.environ.get("PERSONAL_DATA_SEED", "2026"))
LEAST_TECHNIQUES = 200
DEADLINE_S = 120
# Sessions stay open until the agent and the page of sessions have seen them.
TOGETHER = 8
PAGES_OF_EACH_KIND = 12
LAST = "/*ddps='credit-test',traceparent='00-67405d1f00000000a1b2c3d4e5f60718-a1b2c3d4e5f60719-01'*/ SELECT 1"


class Watched:
    """A console that follows the server's log, the embedded agent, and all that they say."""

    def __init__(self, database: Database, console: RunningConsole, log: Path) -> None:
        self.database = database
        self.console = console
        self._log = log
        self.settings = database.settings.model_copy(
            update={
                "console_port": console.port,
                "bind_address": "127.0.0.1",
                "lab_state_dir": console.state,
            }
        )
        self._agent = Agent(self.settings, CollectorRegistry())
        # Activity in each sample.
        self._agent._collector.activity_s = 0
        self.said: list[bytes] = []

    def tick(self, connection: Connection) -> None:
        self._agent.tick(connection)
        deliver(self._agent)

    def read(self, path: str) -> bytes:
        """Read a page or an API's answer, which then counts as said."""
        body = self.console.send("GET", path).body
        self.said.append(body)
        return body

    def ask_mcp(self) -> None:
        """Call every tool of the MCP server; the answers count as said."""

        async def work(mcp: Caller) -> None:
            for arguments in (
                {"start": "-1h"},
                {"start": "-1h", "include_plan": True, "limit": 500},
            ):
                found = await mcp.every(**arguments)
                assert not found["log_events"].failed, found["log_events"].text
                self.said += [answer.text.encode() for answer in found.values()]

        in_process(build(Sources(settings=self.settings, requested=Mode.NATIVE)), work)

    def everything(self) -> bytes:
        """Return every byte of the store's directory, the log, and what was said."""
        stored = [
            path.read_bytes() for path in sorted(self.console.state.rglob("*")) if path.is_file()
        ]
        return b"\n".join([*stored, self._log.read_bytes(), *self.said])


@pytest.fixture
def watched(database: Database, cluster: Cluster, tmp_path: Path) -> Iterator[Watched]:
    log = tmp_path / "console.log"
    # The live sessions that its page shows are the test server's.
    console = start_console(
        tmp_path / "state",
        log,
        POSTGRES_LOG_DIR=str(cluster.data / "log"),
        POSTGRES_PORT=str(database.port),
        POSTGRES_DB=database.name,
    )
    try:
        yield Watched(database, console, log)
    finally:
        console.stop()


def test_sql(watched: Watched) -> None:
    """Statements, messages, names and comments: through log, plans, statistics, samples, pages and APIs."""
    cases = combinations(list(SQL), seed=SEED, most=CASES // 2)
    with ExitStack() as stack:
        observer = stack.enter_context(watched.database.connect(Role.DATADOG))
        owner = stack.enter_context(watched.database.connect(Role.SUPERUSER))
        for setting in ("log_min_duration_statement", "auto_explain.log_min_duration"):
            rows(owner, f"ALTER DATABASE {watched.database.name} SET {setting} = 0")
        watched.tick(observer)
        for numbered in _batches(list(enumerate(cases))):
            _run(watched, numbered, observer)
        watched.tick(observer)
        rows(owner, "SET log_min_duration_statement = 0")
        rows(owner, LAST)
    _wait(watched, Execution, "the last line of the log", "span_id = 'a1b2c3d4e5f60719'")
    _wait(watched, QueryMetrics, "the deltas")
    # The attempts must have come through, or nothing would have been found by not looking.
    assert watched.console.reader.rows("SELECT count(*) FROM events")[0][0] > len(cases) / 3
    _read_pages(watched)
    _find(watched, cases)


def test_names_of_sessions(watched: Watched, database: Database) -> None:
    """Roles, databases and applications with such names, that connect and fail."""
    cases = combinations(["role, database and application"], seed=SEED, most=23)
    cases = [case for case in cases if "\n" not in case.planted]
    with ExitStack() as stack:
        observer = stack.enter_context(database.connect(Role.DATADOG))
        admin = stack.enter_context(database.connect(Role.SUPERUSER))
        for case in cases[:: max(1, len(cases) * 2 // max(CASES // 40, 1))]:
            name = '"' + case.planted.replace('"', '""') + '"'
            rows(admin, f"CREATE ROLE {name} LOGIN PASSWORD 'x'")
            rows(admin, f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY file_copy")
            stack.callback(_drop, database, name)
            target = make_dsn(
                database.dsn(Role.SUPERUSER), user=case.planted, dbname=case.planted, password="x"
            )
            with connect(target, application_name=case.planted) as connection:
                rows(connection, "BEGIN")
                with suppress(DatabaseError):
                    rows(connection, "SELECT 1/0")
                watched.tick(observer)
                watched.read("/sessions")
                watched.read("/api/drilldown/sessions")
        rows(admin, "SET log_min_duration_statement = 0")
        rows(admin, LAST)
        _wait(watched, Execution, "the last line of the log", "span_id = 'a1b2c3d4e5f60719'")
        _read_pages(watched)
        _find(watched, cases)


def test_senders(watched: Watched) -> None:
    """Every field that an Agent or a tracer fills: over HTTP into the store, and back in pages and APIs."""
    cases = combinations(list(FIELDS), seed=SEED, most=CASES // 2)
    for case in cases:
        path, body = FIELDS[case.place](case.planted)
        answer = watched.console.send("POST", path, body, {"Content-Type": "application/json"})
        watched.said.append(answer.body)
        assert answer.status < 500, (case.place, case.spelling, answer)
    sent = sum("span" in case.place or "tag" in case.place for case in cases)
    _wait(watched, Span, "the spans", at_least=sent // 2)
    _read_pages(watched)
    _find(watched, cases)


def test_techniques_are_many() -> None:
    """What runs on every build is more than two hundred combinations of place and spelling."""
    tried = {
        (case.place, case.spelling)
        for places in (SQL, FIELDS)
        for case in combinations(list(places), seed=SEED, most=CASES // 2)
    }
    assert len(tried) > LEAST_TECHNIQUES
    assert {place for place, _ in tried} == {*SQL, *FIELDS}


def _batches(cases: Sequence[tuple[int, Technique]]) -> Iterator[list[tuple[int, Technique]]]:
    waiting = iter(cases)
    while batch := list(islice(waiting, TOGETHER)):
        yield batch


def _run(watched: Watched, batch: Sequence[tuple[int, Technique]], observer: Connection) -> None:
    """Run statements in transactions that stay open, failed ones too, while the observers look."""
    with ExitStack() as stack:
        for number, case in batch:
            connection = stack.enter_context(watched.database.connect(Role.SUPERUSER))
            # Two of a batch may want the same lock; the second need not get it.
            rows(connection, "BEGIN; SET LOCAL lock_timeout = 300")
            with suppress(DatabaseError):
                rows(connection, case.sql(number))
        watched.tick(observer)
        watched.read("/sessions")
        watched.read("/api/drilldown/sessions")


def _drop(database: Database, name: str) -> None:
    with database.connect(Role.SUPERUSER) as connection:
        rows(connection, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        rows(connection, f"DROP ROLE IF EXISTS {name}")


def _wait(
    watched: Watched, record: type, what: str, condition: str = "1 = 1", at_least: int = 1
) -> None:
    def fewer() -> str | None:
        found = len(watched.console.reader.select(record, condition, limit=at_least))
        return None if found >= at_least else f"{found} of {at_least}"

    await_state(f"{what} is stored", fewer, within_s=DEADLINE_S)


def _read_pages(watched: Watched) -> None:
    """Read every kind of page and answer, of what is stored now; pages are compared by their text."""
    reader = watched.console.reader
    read = watched.read
    watched.ask_mcp()
    for path in ("/", "/traces", "/queries", "/sessions", "/drills", "/compare", "/metrics", "/healthz",
                 "/api/drilldown/queries", "/jaeger/api/services"):  # fmt: skip
        read(path)
    traces = "SELECT DISTINCT trace_id, span_id FROM {} WHERE trace_id IS NOT NULL LIMIT ?"
    for table in ("spans", "executions", "plans"):
        for trace, span in reader.rows(traces.format(table), [PAGES_OF_EACH_KIND]):
            for path in (f"/traces/{trace}", f"/traces/{trace}/{span}", f"/api/drilldown/trace/{trace}",
                         f"/jaeger/api/traces/{trace}"):  # fmt: skip
                read(path)
    for (key,) in reader.rows("SELECT key FROM statements LIMIT ?", [PAGES_OF_EACH_KIND]):
        read(f"/queries/{key}")
        read(f"/api/drilldown/query/{key}")
    for service in json.loads(read("/jaeger/api/services"))["data"] or ():
        if re.fullmatch(r"[\w-]+", service):
            read(f"/jaeger/api/traces?service={service}")
            read(f"/traces?service={service}")


def _find(watched: Watched, cases: Sequence[Technique]) -> None:
    """Fail with the techniques whose values are found anywhere, in any case of letters."""
    text = watched.everything().decode("utf-8", "replace").lower()
    # Bytes: a letter of the text has four where any of them needs four.
    folded = text.encode()
    found = [
        (case.place, case.spelling, value)
        for case in cases
        for value in dict.fromkeys(case.values)
        if any(form in folded for form in _forms(value))
    ]
    shown = [(*what, _around(text, what[2].lower())) for what in found[:20]]
    assert not found, f"{len(found)} values found:\n" + "\n".join(map(str, shown))


def _forms(value: str) -> set[bytes]:
    """Return a value in small letters as it may be stored: as it is, and as JSON escapes it."""
    return {value.lower().encode(), json.dumps(value)[1:-1].lower().encode()}


def _around(text: str, value: str) -> str:
    at = max(text.find(value), 0)
    return repr(text[max(at - 80, 0) : at + 80])
