"""The console on the whole lab under load, in a real browser: every page with real data, as people see it.

Pictures of every page are kept in .lab/pictures, in light and dark, on a wide and on a narrow screen.
"""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from playwright.sync_api import Browser

from lab.clients.database import Connection, Role, connect, dsn, rows
from lab.console.overview import database_load
from lab.drilldown import Drilldown
from lab.drilldown.execution import StatementExecution
from lab.drilldown.links import query_path, trace_path
from lab.foundation.readiness import await_state
from tests.fix_browser import visit
from tests.fix_lab import Lab

pytestmark = pytest.mark.acceptance

WITHIN_S = 150
# Rows, not the table: who waits for a table waits before its plan begins, and auto_explain has no word of it.
LOCK = "SELECT count(*) FROM (SELECT FROM customers FOR UPDATE) AS locked"
LOCK_WAIT = "SELECT 1 FROM events WHERE kind = 'lock_wait' AND trace_id IS NOT NULL LIMIT 1"
WAITED = """
SELECT trace_id, span_id
FROM events e JOIN plans p USING (trace_id, span_id) JOIN spans s USING (trace_id, span_id)
WHERE e.kind = 'lock_wait' AND p.executed GROUP BY trace_id, span_id ORDER BY max(e.at_ns)
"""
MARKUP = "<img src=x onerror=alert(1)>"
SCREENS = [(1440, False), (1440, True), (400, False), (400, True)]


@pytest.fixture(scope="module")
def drilldown(lab: Lab) -> Drilldown:
    """The drilldown that the pages use."""
    return Drilldown.of(lab.settings)


@pytest.fixture(scope="module")
def url(lab: Lab) -> str:
    """The console's address, as `up` prints it among its pages."""
    address = f"http://127.0.0.1:{lab.settings.console_port}"
    assert f"Console     {address}" in lab.run("up").stdout
    return address


@pytest.fixture(scope="module")
def blocked(lab: Lab, drilldown: Drilldown, browser: Browser, url: str) -> StatementExecution:
    """A workload execution that waited for a lock of this test, with its plan; its session was seen live."""
    with connect(
        dsn(lab.settings, Role.OWNER), application_name=MARKUP, autocommit=False
    ) as connection:
        rows(connection, LOCK)
        await_state(
            "a lock wait is in the log", partial(_no_lock_wait, drilldown), within_s=WITHIN_S
        )
        _see_who_waits(connection, browser, url)
    await_state("a plan of who waited is here", partial(_no_plan, drilldown), within_s=WITHIN_S)
    await_state("the wait is part of the load", partial(_no_load, drilldown), within_s=WITHIN_S)
    execution = _execution(drilldown)
    assert execution
    return execution


def _execution(drilldown: Drilldown) -> StatementExecution | None:
    """Return the first one that a sample has seen wait: one a second, and the load's own waits are short."""
    executions = (
        drilldown.execution(trace_id, span_id)
        for trace_id, span_id in drilldown.reader.rows(WAITED)
    )
    return next((one for one in executions if one.waits and one.blocked_by), None)


def _no_lock_wait(drilldown: Drilldown) -> str | None:
    return None if drilldown.reader.rows(LOCK_WAIT) else "no such event"


def _no_plan(drilldown: Drilldown) -> str | None:
    """Who was cancelled by its lock time-out has none; who waited when the lock was given up has."""
    return None if _execution(drilldown) else "no such plan"


def _no_load(drilldown: Drilldown) -> str | None:
    """The load ends with the last step of ten seconds that is over."""
    now = datetime.now(UTC)
    events = database_load(drilldown.reader, since=now - timedelta(minutes=15), until=now).events
    return None if any(event.type == "Lock" for event in events) else "no lock in it"


def _see_who_waits(connection: Connection, browser: Browser, url: str) -> None:
    """The sessions' page shows who holds the lock and who waits below; our name's markup is text."""
    [[pid]] = rows(connection, "SELECT pg_backend_pid()")
    seen = visit(browser, url)
    seen.open("/sessions")
    # The load has locks of its own, and who waits for ours gives up and comes back.
    holder = seen.page.locator("tr.holder", has_text=f"pid {pid}").first.inner_text()
    assert "holds the lock" in holder
    assert "Lock:" in seen.page.inner_text("main")
    assert seen.page.locator("img").count() == 0
    seen.keep_picture("sessions-blocked")
    assert seen.complaints == []
    seen.page.context.close()


@pytest.mark.parametrize(("width", "dark"), SCREENS)
def test_every_page_shows_real_data(
    browser: Browser, url: str, blocked: StatementExecution, width: int, dark: bool
) -> None:
    """Each page loads without a complaint of the browser, fits the screen, and shows what the lab does."""
    trace = trace_path(blocked.trace_id)
    pages: dict[str, tuple[str, list[str | None]]] = {
        "overview": ("/", ["Database load", "Lock:", "Lock wait", "embedded agent, not Datadog's"]),
        "traces": ("/traces?order=slowest", ["traces", "Duration"]),
        "trace": (trace, ["Waterfall", blocked.statement]),
        "execution": (trace_path(blocked.trace_id, blocked.span_id), ["Executed plan", "slowest node"]),
        "queries": ("/queries", ["customer_history", "embedded agent, not Datadog's"]),
        "query": (query_path(blocked.queryid or ""), [blocked.statement, "Plans over time", "Prometheus"]),
        "sessions": ("/sessions?idle=1", ["All sessions", "idle"]),
        "drills": ("/drills", ["Drills"]),
        "exercise": ("/exercises/1", ["Symptom", "PostgreSQL log"]),
        "tour": ("/tour?lang=en", ["An incident", "Start an exam"]),
        "exam": ("/exam", ["Start an exam"]),
        "saved": ("/saved?page=/queries", ["Save a page"]),
        "compare": ("/compare?window=5m", ["calls of", "cannot answer", "credit_app"]),
    }  # fmt: skip
    seen = visit(browser, url, width=width, dark=dark)
    for name, (path, words) in pages.items():
        assert seen.open(path).status == 200
        text = seen.page.inner_text("main")
        assert [word for word in words if word and word not in text] == [], name
        assert "No answer" not in text
        assert not seen.is_wider_than_the_screen(), name
        assert seen.keep_picture(name).stat().st_size > 0
    assert seen.complaints == []
    seen.page.context.close()


def test_from_an_incident_to_its_plan_and_its_blocker(
    browser: Browser, url: str, blocked: StatementExecution
) -> None:
    """From the overview's lock wait to its trace, to its statement, to the session with the lock."""
    seen = visit(browser, url)
    seen.open("/")
    seen.page.locator(".k-lock_wait a", has_text="trace").last.click()
    # A trace of this moment may not have arrived: its page waits for it.
    seen.page.wait_for_selector("main >> text=Waterfall")
    seen.open(trace_path(blocked.trace_id))
    seen.page.click(f"a.line[href$='{blocked.span_id}']")
    text = seen.page.inner_text("main")
    assert "Lock:" in text
    assert f"pid {blocked.blocked_by[0].pid}" in text
    seen.page.locator("dl.facts a").first.click()
    assert seen.page.inner_text("h1").startswith(blocked.statement or "")
    seen.page.context.close()


def test_a_live_page_stays_fresh_by_itself(browser: Browser, url: str) -> None:
    """The live parts of a page are replaced without a reload."""
    seen = visit(browser, url)
    seen.open("/sessions")
    seen.page.evaluate("document.querySelector('#sessions').dataset.old = 'yes'")
    seen.page.wait_for_selector("#sessions:not([data-old])", timeout=WITHIN_S * 1000)
    assert seen.complaints == []
    seen.page.context.close()
