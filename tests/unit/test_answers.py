"""Answers of the MCP tools over one store with known records: as in tests/unit/answers.

A change of an answer is a change of what agents read: it is reviewed in that file. To write it again, delete
it and run the test.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from mcp.server.mcpserver import MCPServer

from lab.foundation import clock
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import moment, nanoseconds
from lab.mcp.server import build
from lab.mcp.sources import Sources
from lab.stack.backend import Mode
from lab.telemetry.store import ActivityRound, Bounds, Record, Snapshot, Source, Writer
from tests import evidence as of
from tests.fix_store import HOUR_NS, Tally
from tests.mcp_client import Caller, in_process

KEPT = Path(__file__).with_name("answers")
S = 1_000_000_000
# The time at which the questions are asked: two minutes after the first trace.
NOW = moment(of.START) + timedelta(minutes=2)
WINDOW = {"start": f"{moment(of.START):%Y-%m-%dT%H:%M:%SZ}", "end": f"{NOW:%Y-%m-%dT%H:%M:%SZ}"}
TRACES = [of.trace_id(number) for number in (1, 2, 3)]
# Nothing listens there: what needs Prometheus or PostgreSQL says so.
NOBODY = 1


def records() -> list[Record]:
    """Three traces: one waits for a lock and has a plan, one is fast, one fails; and what DBM received."""
    slow = of.statement(1, ms=390)
    fast = of.statement(2, ms=2)
    failing = of.statement(3, ms=20, error=True, resource="UPDATE y SET a = ? WHERE b = ?")
    blocker = of.sample(
        None, at_ns=of.START + 2 * S, pid=7, application="migration", state="idle in transaction",
        xact_start_ns=of.START, queryid=77,
    )  # fmt: skip
    waiting = of.sample(
        slow, at_ns=of.START + 2 * S, blocking_pids=(7,), wait_event_type="Lock", wait_event="relation",
        query_start_ns=of.START + S, xact_start_ns=of.START, statement="risk_distribution",
    )  # fmt: skip
    schema = {
        "name": "customers",
        "columns": [{"name": "cpf", "data_type": "text", "nullable": False}],
        "indexes": [{"name": "customers_pkey", "definition": "CREATE UNIQUE INDEX x"}],
    }
    return [
        of.root(1, start_ns=slow.start_ns - of.MS), of.root(2, ms=3),
        of.root(3, ms=30, error=True, service="credit-servicing", resource="pay"),
        slow, fast, failing, of.thresholds(), of.known(), of.known(77, name="pay", text="UPDATE y SET a = ?"),
        of.logged(slow, ms=380), of.plan(slow, ms=379), of.plan(fast, executed=False, table="customers"),
        replace(of.logged(failing, ms=150, queryid=77), service="credit-servicing", statement="pay"),
        of.lock_wait(slow, ms=300, blocked_by=7), of.failed(failing, "deadlock detected", "40P01"),
        of.deltas(of.QUERYID, calls=5, exec_time_ms=400.0, shared_blks_hit=30, shared_blks_read=10, rows=50),
        of.deltas(of.QUERYID, after_s=20, calls=7, exec_time_ms=100.0),
        of.deltas(77, after_s=20, calls=3, exec_time_ms=9.0, wal_bytes=800),
        ActivityRound(at_ns=of.START + 2 * S, source=Source.EMBEDDED, interval_s=10.0, sessions=3),
        ActivityRound(at_ns=of.START + 12 * S, source=Source.EMBEDDED, interval_s=10.0, sessions=1),
        blocker, waiting, of.sample(None, at_ns=of.START + 12 * S, pid=9),
        *of.metric("postgresql.dead_rows", (of.START, 10.0), (of.START + 15 * S, 12.5), table="customers"),
        *of.metric("postgresql.connections", (of.START, 4.0), db="creditdb"),
        Snapshot(kind="table creditdb.1", host="here", at_ns=of.START, payload=json.dumps(schema)),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> LabSettings:
    made = LabSettings(
        _env_file=None, lab_state_dir=tmp_path_factory.mktemp("lab") / "state", postgres_port=NOBODY,
        prometheus_port=NOBODY, console_port=NOBODY,
    )  # fmt: skip
    with Writer(Paths.of(made).store, Bounds(age_ns=HOUR_NS, size_bytes=10**9), Tally()) as writer:
        writer.commit(records(), timeout_s=60)
    return made


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock stands still."""
    monkeypatch.setattr(clock, "now", lambda: NOW)
    monkeypatch.setattr(clock, "now_ns", lambda: nanoseconds(NOW))


def relative(text: str) -> str:
    """Replace what differs between two runs: times by the seconds since the first trace, and cursors."""
    begin = moment(of.START)

    def written(found: re.Match[str]) -> str:
        day = found["day"] or f"{begin:%Y-%m-%d}"
        at = datetime.fromisoformat(f"{day}T{found['time']}+00:00")
        seconds = (at - begin).total_seconds()
        # A time without its day may be of the day before, or after.
        seconds = seconds if found["day"] else (seconds + 43_200) % 86_400 - 43_200
        return f"T{seconds:+.0f}" if abs(seconds) < 4_000 else found[0]

    def counted(found: re.Match[str]) -> str:
        return f"T{int(found[0][:10]) - of.START // S:+}{'.' * (len(found[0]) > 10)}{found[0][10:]}"

    text = re.sub(r"(?:(?P<day>\d{4}-\d\d-\d\d)[T ])?(?P<time>\d\d:\d\d:\d\d)", written, text)
    text = re.sub(rf"\b{str(of.START)[:5]}\d{{5}}(?:\d{{3}}){{0,3}}\b", counted, text)
    return re.sub(r'"next_cursor":"[^"]+"', '"next_cursor":"..."', text)


def compare_with(name: str, found: dict[str, Any]) -> None:
    file = KEPT / name
    if not file.exists():
        text = json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True)
        file.write_text(f"{text}\n", encoding="utf-8")
        pytest.fail(f"{file} was written; review it, and run the test again.")
    kept = json.loads(file.read_text(encoding="utf-8"))
    assert sorted(found) == sorted(kept)
    for key, value in found.items():
        assert value == kept[key], (
            f"{key}: is the change meant? Then delete {file} and run the test."
        )


CALLS: tuple[tuple[str, Mapping[str, object]], ...] = (
    ("dbm_activity", {}), ("dbm_activity", {"state": "any", "group_by": "state"}),
    ("dbm_activity", {"state": "any", "group_by": "queryid"}),
    ("dbm_activity", {"state": "any", "group_by": "application", "limit": 1}),
    ("dbm_activity_samples", {}), ("dbm_activity_samples", {"only_blocked": True}),
    ("dbm_activity_samples", {"waiting_for": "Lock"}), ("dbm_activity_samples", {"pid": 9}),
    ("dbm_activity_samples", {"state": "active", "service": "risk"}),
    ("dbm_activity_samples", {"queryid": "77", "limit": 1}), ("dbm_blocking", {}),
    ("dbm_query_metrics", {}), ("dbm_query_metrics", {"by": "calls", "limit": 1}),
    ("dbm_query_metrics_over_time", {"statement": "risk_distribution"}),
    ("dbm_query_metrics_over_time", {"queryid": "77"}),
    ("dbm_plans", {}), ("dbm_plans", {"statement": "risk_distribution", "include_plan": True}),
    ("dbm_settings", {}), ("dbm_schema", {}), ("agent_metrics", {}),
    ("agent_metrics", {"name": "postgresql.dead_rows"}),
    ("agent_metrics", {"name": "postgresql.dead_rows", "tags": ["table:none"]}),
    ("apm_operations", {}), ("apm_operations", {"limit": 1}),
    ("apm_search_traces", {}), ("apm_search_traces", {"status": "error"}),
    ("apm_search_traces", {"min_duration_ms": 30, "limit": 1}),
    ("apm_search_traces", {"order": "newest", "service": "credit-risk"}),
    *(("apm_trace", {"trace_id": trace}) for trace in TRACES),
    ("apm_trace", {"trace_id": TRACES[0], "include_tags": True}),
    *(("lab_trace", {"trace_id": trace}) for trace in TRACES), ("lab_trace", {"trace_id": "explained"}),
    *(("lab_execution", {"trace_id": t, "span_id": of.span_id(2)}) for t in TRACES),
    ("lab_statement", {"key": "risk_distribution"}), ("lab_statement", {"key": "77"}),
    ("log_events", {}), ("log_events", {"kinds": ["lock_wait"]}), ("log_events", {"pid": 1}),
    ("log_executions", {}), ("log_executions", {"min_duration_ms": 200, "slowest_first": True}),
    ("log_executions", {"statement": "pay"}), ("log_plans", {}),
    ("log_plans", {"include_plan": True, "trace_id": TRACES[0]}), ("truth_drills", {}),
)  # fmt: skip


@pytest.mark.usefixtures("now")
def test_answers_of_the_tools(settings: LabSettings) -> None:
    """Each with the time range of the store where it takes one."""
    server: MCPServer = build(Sources(settings=settings, requested=Mode.NATIVE))
    answers: dict[str, Any] = {}

    async def work(caller: Caller) -> None:
        takes = {tool.name: tool.input_schema["properties"] for tool in await caller.tools()}
        for tool, arguments in CALLS:
            times = WINDOW if "start" in takes[tool] else {}
            answer = await caller.call(tool, **{**times, **arguments})
            text = relative(answer.text)
            key = f"{tool} {json.dumps(arguments)}"
            answers[key] = text if answer.failed else json.loads(text)

    in_process(server, work)
    compare_with("mcp.json", answers)
