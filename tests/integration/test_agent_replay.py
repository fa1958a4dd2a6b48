"""What an Agent sends, through the console's intake: its plans and samples join statements by signature.

The payloads have the shapes of Datadog's postgres check: only query metrics carry a queryid; plans, activity
and full texts carry a signature, and the traceparent among their comments.
"""

from typing import Any

import pytest

from lab.drilldown.remote import API
from lab.foundation.readiness import await_state
from lab.telemetry.store import ActivityRound, ActivitySample, Plan, QueryMetrics, Source, Span
from tests import payloads
from tests.fix_console import RunningConsole

QUERYID = 7001
STATEMENT = "find_customer"
STORED_WITHIN_S = 150


@pytest.fixture
def replayed(console: RunningConsole) -> RunningConsole:
    """A console that has received one statement's metrics, texts, plan, activity and span from an Agent."""
    for path, body in {
        "/api/v0.2/traces": payloads.agent_traces(),
        "/api/v2/dbmmetrics": payloads.metrics(queryid=QUERYID),
        "/api/v2/databasequery": payloads.samples(),
        "/api/v2/dbmactivity": payloads.activity(),
    }.items():
        answer = console.send("POST", path, body)
        assert answer.status == 200, answer.body
    await_state("everything is stored", lambda: unstored(console), within_s=STORED_WITHIN_S)
    return console


def unstored(console: RunningConsole) -> str | None:
    """Probe: None when the last record of each payload can be read."""
    missing = [
        kind.__name__
        for kind in (Span, QueryMetrics, Plan, ActivitySample)
        if not console.reader.select(kind, limit=1)
    ]
    return f"no {', '.join(missing)}" if missing else None


def read(console: RunningConsole, path: str) -> Any:
    answer = console.send("GET", path)
    assert answer.status == 200, answer.body
    return answer.json()


@pytest.mark.parametrize("key", [str(QUERYID), STATEMENT, "1f2e3d"])
def test_a_statement_has_its_plans_by_queryid_name_or_signature(
    replayed: RunningConsole, key: str
) -> None:
    found = read(replayed, f"{API}/query/{key}")
    assert found["queryids"] == [str(QUERYID)]
    assert sum(period["estimated"] for period in found["plans"]) == 1
    assert "plans" not in found["absent"]
    assert "credit-customers" in found["services"]
    assert [total["calls"] for total in found["totals"]] == [3]


def test_an_execution_has_the_queryid_and_the_plan_of_its_signature(
    replayed: RunningConsole,
) -> None:
    """The span that the traceparent names has the plan as its own."""
    report = read(replayed, f"{API}/trace/{payloads.TRACE_ID}")
    own, _ = report["statements"]
    assert own["queryid"] == str(QUERYID)
    assert own["plan"]["source"] == "estimated"
    assert "for this execution" in own["plan"]["note"]


def test_a_plan_that_is_sent_again_is_stored_once(replayed: RunningConsole) -> None:
    """A session that stays idle after its statement is sampled with the same plan again and again."""
    before = len(replayed.reader.select(Plan))
    taken = replayed.reader.select(ActivityRound)
    assert replayed.send("POST", "/api/v2/databasequery", payloads.samples()).status == 200
    last = payloads.activity(later_ms=1_000)
    assert replayed.send("POST", "/api/v2/dbmactivity", last).status == 200

    def unread() -> str | None:
        now = len(replayed.reader.select(ActivityRound))
        return None if now > len(taken) else f"{now} rounds"

    await_state("the later sample is stored", unread, within_s=STORED_WITHIN_S)
    assert len(replayed.reader.select(Plan)) == before


def test_a_round_without_sessions_is_stored(replayed: RunningConsole) -> None:
    assert {(r.interval_s, r.source) for r in replayed.reader.select(ActivityRound)} == {
        (10.0, Source.AGENT)
    }


def test_pages_show_it(replayed: RunningConsole) -> None:
    page = replayed.send("GET", f"/queries/{QUERYID}").body.decode()
    assert "no plan was logged or sampled" not in page
    assert "Index Scan" in page
