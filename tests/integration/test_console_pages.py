"""The console's pages in a real browser, over a store of the test's own: what a reader sees and may see."""

import http.client
import json
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec
import pytest
from playwright.sync_api import Browser

from lab.bench.large_store import fill
from lab.console.pages import PAGES
from lab.console.pages.expression import EXAMPLES
from lab.drills.journal import Entry, Step
from lab.drills.running import DrillFiles
from lab.foundation.paths import Paths
from lab.telemetry.store import (
    ActivityRound,
    ActivitySample,
    Bounds,
    Event,
    Execution,
    Plan,
    Record,
    Source,
    Span,
    Statement,
    Writer,
)
from tests.fix_browser import Visit, visit
from tests.fix_console import RunningConsole, start_console
from tests.fix_store import HOUR_NS, Tally

EVIL = "<img src=x onerror=alert(1)>"
BREAKS_OUT = "</script><script>alert(2)</script>"
TRACE, ROOT, STATEMENT = "ab" * 16, "cd" * 8, "ef" * 8
QUERYID = 77
RUN = "0123456789ab"
HTML = {"Accept": "text/html"}
ATTEMPTS = 5
TOKEN = "a token that nobody guesses"


def evil_records(now_ns: int) -> list[Record]:
    """Return a trace, its execution and plan, its blocker and an event, all with markup in their texts."""
    who: dict[str, Any] = {"trace_id": TRACE, "service": f"credit-{EVIL}"}
    plan = {"Node Type": f"Seq Scan {EVIL}", "Relation Name": EVIL, "Filter": BREAKS_OUT}
    figures = {
        "Plan Rows": 1, "Total Cost": 1.0, "Actual Rows": 500, "Actual Loops": 1,
        "Actual Startup Time": 0.1, "Actual Total Time": 900.0,
    }  # fmt: skip
    definition = json.dumps({"Plan": {**plan, **figures}})
    source = Source.EMBEDDED
    return [
        Span(
            **who, span_id=ROOT, parent_id=None, name="credit.operation", resource=EVIL, kind="worker",
            start_ns=now_ns, duration_ns=10**9, error=True, tags={"env": EVIL},
        ),
        Span(
            trace_id=TRACE, service="postgres", span_id=STATEMENT, parent_id=ROOT, name="postgres.query",
            resource=f"SELECT {BREAKS_OUT}", kind="sql", start_ns=now_ns + 1000, duration_ns=9 * 10**8,
            error=False, tags={"db.system": "postgresql"},
        ),
        Statement(
            key=str(QUERYID), queryid=QUERYID, signature=None, name=EVIL, owner=EVIL, text=BREAKS_OUT,
            seen_ns=now_ns,
        ),
        Execution(
            **who, at_ns=now_ns + 9 * 10**8, source=Source.LOG, duration_ns=9 * 10**8, queryid=QUERYID,
            span_id=STATEMENT, statement=EVIL, pid=4711, database="creditdb", role=EVIL, application=EVIL,
        ),
        Plan(
            **who, at_ns=now_ns + 9 * 10**8, source=Source.LOG, executed=True, duration_ns=9 * 10**8,
            queryid=QUERYID, signature=None, span_id=STATEMENT, statement=EVIL, pid=4711,
            database="creditdb", shape="0" * 16, definition=definition,
        ),
        ActivityRound(at_ns=now_ns + 10**8, source=source, interval_s=1.0, sessions=2),
        *(
            ActivitySample(
                at_ns=now_ns + 10**8, source=source, pid=pid, database="creditdb", role=EVIL,
                application=EVIL, backend_type="client backend", state="active", wait_event_type="Lock",
                wait_event=EVIL, queryid=QUERYID, signature=None, trace_id=trace_id, span_id=span_id,
                service=None, statement=EVIL, query_start_ns=None, xact_start_ns=None,
                blocking_pids=blockers,
            )
            for pid, trace_id, span_id, blockers in (
                (4711, TRACE, STATEMENT, (4712,)), (4712, None, None, ()),
            )
        ),
        Event(
            **who, at_ns=now_ns, kind="error", pid=4711, message=BREAKS_OUT, severity="ERROR",
            sqlstate="XX000", database=None, role=None, application=None, queryid=QUERYID,
            span_id=STATEMENT, statement=EVIL, text=None,
        ),
        *(
            Event(
                at_ns=now_ns, kind="lock_wait", pid=4711, message="still waiting for ShareLock",
                severity="LOG", sqlstate=None, database=None, role="credit_app", application=None,
                queryid=None, trace_id=None, span_id=None, service=None, statement="pay", text=None,
                duration_ns=waited_ns,
            )
            for waited_ns in (10**9, 6 * 10**8)
        ),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Execution]:
    """A store with two thousand spans up to now, markup among them, and an execution in it."""
    state = tmp_path_factory.mktemp("pages")
    store = Paths(state=state).store
    execution = fill(store, 2_000)
    bounds = Bounds(age_ns=24 * HOUR_NS, size_bytes=10**9)
    with Writer(store, bounds, Tally()) as writer:
        writer.commit(evil_records(time.time_ns() - 2 * 10**9), timeout_s=60)
    journal = DrillFiles(Paths(state=state)).journal
    journal.parent.mkdir(parents=True)
    journal.write_bytes(b"\n".join(map(msgspec.json.encode, drill_steps())))
    return state, execution


def drill_steps() -> list[Entry]:
    """Return the lines of a drill that began a minute ago, so that the chart has a whole step of it."""
    details = {Step.INJECT: {"intensity": 1.0}, Step.PROVEN: {"says": EVIL, "pids": [1]}}
    at_ns = time.time_ns() - 60 * 10**9
    return [
        Entry(at_ns=at_ns, run=RUN, drill="deadlocks", step=step, detail=json.dumps(detail))
        for step, detail in details.items()
    ]


@pytest.fixture(scope="module")
def console(known: tuple[Path, Execution]) -> Iterator[RunningConsole]:
    """A console over that store; neither PostgreSQL nor Prometheus is there."""
    nowhere = {"POSTGRES_PORT": "1", "PROMETHEUS_PORT": "1"}
    running = start_console(known[0], **nowhere)
    yield running
    running.stop()


@pytest.fixture
def reader(browser: Browser, console: RunningConsole) -> Iterator[Visit]:
    """A reader's tab."""
    seen = visit(browser, console.url)
    yield seen
    seen.page.context.close()


def get(console: RunningConsole, path: str, **headers: str) -> tuple[int, str]:
    answer = console.send("GET", path, headers={**HTML, **headers})
    return answer.status, answer.body.decode()


def test_markup_shows_as_text_and_nothing_of_it_runs(reader: Visit) -> None:
    """Every value with markup is seen as it was written, on every page that shows it."""
    for path in (
        "/", "/traces?window=15m", f"/traces/{TRACE}", f"/traces/{TRACE}/{STATEMENT}",
        f"/queries/{QUERYID}", f"/drills/{RUN}",
        f"/traces?{urlencode({'service': EVIL, 'operation': BREAKS_OUT})}",
        f"/nothing/{EVIL}",
    ):  # fmt: skip
        reader.open(path)
        text = reader.page.inner_text("body") + " ".join(
            reader.page.eval_on_selector_all("option, input", "all => all.map(one => one.value)")
        )
        assert EVIL in text or BREAKS_OUT in text, path
        assert reader.page.locator("img").count() == 0
    complaints = [c for c in reader.complaints if "404" not in c]
    assert complaints == []


def test_a_page_lets_no_script_in_whatever_is_in_it(console: RunningConsole) -> None:
    """The policy that comes with a page names no source of scripts but the console's own files."""
    answer = http.client.HTTPConnection("127.0.0.1", console.port)
    answer.request("GET", "/")
    policy = answer.getresponse().headers["Content-Security-Policy"]
    answer.close()
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy


def test_an_execution_shows_its_own_plan_and_who_blocked_it(reader: Visit) -> None:
    """In the trace a click on the statement leads to its plan, its slowest node and its blocker."""
    reader.open(f"/traces/{TRACE}")
    reader.page.click(".span.statement a")
    assert reader.page.url.endswith(f"/traces/{TRACE}/{STATEMENT}")
    text = reader.page.inner_text("main")
    for words in (
        "Executed plan",
        "slowest node: 900 ms of 900 ms (100 %)",
        "pid 4712",
        "500",
    ):
        assert words in text
    assert reader.page.inner_text("tr.worst .node").startswith("Seq Scan")


@pytest.mark.parametrize(
    ("pasted", "leads_to"),
    [
        (TRACE, f"/traces/{TRACE}"),
        (f" 00-{TRACE.upper()}-{STATEMENT}-01 ", f"/traces/{TRACE}/{STATEMENT}"),
        (str(QUERYID), f"/queries/{QUERYID}"),
        ("browse_products", "/queries/browse_products"),
    ],
)
def test_what_is_pasted_leads_to_its_page_by_keyboard(
    reader: Visit, pasted: str, leads_to: str
) -> None:
    """`/` focuses the search; a trace id, a traceparent, a queryid and a name lead to their pages."""
    reader.open("/sessions")
    reader.page.keyboard.press("/")
    reader.page.keyboard.insert_text(pasted)
    with reader.page.expect_navigation():
        reader.page.keyboard.press("Enter")
    assert reader.page.url == f"{reader.base}{leads_to}"


def test_a_range_of_a_chart_is_selected_with_the_mouse_and_stays_on_other_pages(
    reader: Visit,
) -> None:
    """Dragging gives `from` and `to`; the menu keeps them; a click on a bar lists the traces of its time."""
    reader.open("/")
    box = reader.page.locator("#load .plot").bounding_box()
    assert box
    y = box["y"] + box["height"] / 2
    reader.page.mouse.move(box["x"] + box["width"] * 0.5, y)
    reader.page.mouse.down()
    reader.page.mouse.move(box["x"] + box["width"] - 1, y, steps=4)
    reader.page.mouse.up()
    reader.page.wait_for_url("**from=*")
    chosen = parse_qs(urlsplit(reader.page.url).query)
    assert 400 < int(chosen["to"][0]) - int(chosen["from"][0]) < 500
    reader.page.click("nav >> text=Queries")
    reader.page.wait_for_url("**/queries?**")
    assert parse_qs(urlsplit(reader.page.url).query) == chosen
    reader.open("/")
    box = reader.page.locator("#load .plot").bounding_box()
    assert box
    reader.page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + box["height"] / 2)
    reader.page.wait_for_url("**/traces?from=*")
    assert reader.complaints == []


def test_pages_pause_ids_are_copied_and_a_wrong_parameter_is_reported(reader: Visit) -> None:
    reader.open("/queries?window=2h&all=1&by=sideways")
    notes = reader.page.locator("[role=status]").all_inner_texts()
    assert [note.split(" was ignored")[0] for note in notes] == ['window="2h"', 'by="sideways"']
    reader.open("/compare?window=7y")
    note = reader.page.locator("[role=status]").inner_text()
    assert note == 'window="7y" was ignored: expected one of 5m, 10m, 30m, 1h.'
    reader.open("/")
    assert "2 up to 1.00 s" in " ".join(reader.page.inner_text(".k-lock_wait").split())
    pause = reader.page.locator(".pause")
    pause.click()
    assert (pause.inner_text(), pause.get_attribute("aria-pressed")) == ("Resume", "true")
    reader.open(f"/traces/{TRACE}")
    reader.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    reader.page.locator(".copies").first.click()
    assert reader.page.evaluate("navigator.clipboard.readText()") == TRACE
    reader.open("/prometheus")
    assert reader.page.locator(".plain li").count() == len(EXAMPLES)
    assert reader.complaints == []


def test_a_table_is_sorted_by_the_column_that_is_clicked_and_turned_by_a_second_click(
    reader: Visit,
) -> None:
    """The first click puts the largest first; the heading has the order for screen readers."""
    reader.open("/queries")
    heading = reader.page.locator(".sortable thead th").nth(1)
    for order in ("descending", "ascending"):
        heading.click()
        assert heading.get_attribute("aria-sort") == order
    heading.press("Enter")
    assert heading.get_attribute("aria-sort") == "descending"


def test_a_chart_can_be_read_by_keyboard(reader: Visit) -> None:
    """With the load's chart in focus the arrows show the values of one moment after another."""
    reader.open("/")
    chart = reader.page.locator("#load .chart")
    chart.focus()
    reader.page.keyboard.press("ArrowLeft")
    first = chart.locator(".when").inner_text()
    reader.page.keyboard.press("ArrowLeft")
    assert chart.locator(".when").inner_text() != first
    reader.page.keyboard.press("Escape")
    assert not chart.locator(".reading").is_visible()


def test_a_fault_is_marked_behind_the_load_and_leads_to_its_run(reader: Visit) -> None:
    """The drill that runs is a band of the overview's chart; its name leads to what is known of it."""
    reader.open("/")
    assert reader.page.locator("#load rect.fault").count() == 1
    reader.page.click("#load .legend a")
    assert reader.page.url == f"{reader.base}/drills/{RUN}"
    text = reader.page.inner_text("main")
    assert [word for word in ("fault active", "injected", "no verdicts") if word not in text] == []
    reader.open("/drills")
    assert reader.page.inner_text("tbody th a") == "deadlocks"


def test_the_keyboard_reaches_content_links_and_pages(reader: Visit) -> None:
    """The first stop skips to the content, every stop is visible, and `g q` opens the queries."""
    reader.open("/traces")
    reader.page.keyboard.press("Tab")
    assert reader.page.evaluate("document.activeElement.className") == "skip"
    for _ in range(25):
        reader.page.keyboard.press("Tab")
        assert reader.page.evaluate("document.activeElement.getClientRects().length") > 0
    reader.page.keyboard.press("Escape")
    reader.page.evaluate("document.activeElement.blur()")
    with reader.page.expect_navigation():
        reader.page.keyboard.type("gq")
    assert reader.page.url == f"{reader.base}/queries"


def test_times_are_the_readers_own_and_keep_utc(reader: Visit) -> None:
    """A time is shown in the browser's zone; its title has UTC."""
    reader.open(f"/traces/{TRACE}")
    time_ = reader.page.locator("main time").first
    shown, title = time_.inner_text(), time_.get_attribute("title") or ""
    assert title.endswith(" UTC")
    hours = (int(title[11:13]) - int(shown[11:13])) % 24
    assert hours == 3  # São Paulo


def test_colours_follow_the_system_until_the_reader_chooses(reader: Visit) -> None:
    """The button goes from the system's colours to light and dark, and the choice is remembered."""
    ground = "getComputedStyle(document.body).backgroundColor"
    reader.open("/queries")
    light = reader.page.evaluate(ground)
    reader.page.click(".theme")
    reader.page.click(".theme")
    dark = reader.page.evaluate(ground)
    assert dark != light
    reader.open("/sessions")
    assert reader.page.evaluate(ground) == dark


@pytest.mark.parametrize(
    "path",
    [
        f"/traces/{'0' * 32}", "/traces/abc", f"/traces/{TRACE}/{'0' * 16}", "/queries/123",
        "/queries/brwse_products", "/drills/123", "/go?q=%3F", "/no/such/page",
    ],
)  # fmt: skip
def test_an_unknown_path_gets_a_page_with_the_reason(reader: Visit, path: str) -> None:
    """The status is 404, and the page has the requested path and links to continue."""
    assert reader.open(path).status == 404
    assert reader.page.inner_text("h1") == "Not found"
    assert reader.page.locator("main a.button").count() == 3


def test_a_similar_name_is_suggested(console: RunningConsole) -> None:
    """A misspelt statement is answered with the one that was meant."""
    assert "browse_products" in get(console, "/queries/brwse_products")[1]


def test_a_program_gets_json_for_what_is_not_there(console: RunningConsole) -> None:
    """An agent that requests an unknown path gets the error as JSON."""
    answer = console.send("GET", "/no/such/page")
    assert (answer.status, answer.json()) == (404, {"errors": ["no such page"]})


def test_sources_that_are_away_leave_the_rest_standing(console: RunningConsole) -> None:
    """Without Prometheus and PostgreSQL the pages are shown, with the error of each."""
    status, overview = get(console, "/")
    assert status == 200
    assert "Prometheus does not answer" in overview
    assert "Database load" in overview
    status, sessions = get(console, "/sessions")
    assert (status, "No PostgreSQL answers" in sessions) == (200, True)
    status, compared = get(console, "/compare?window=10m")
    assert status == 200
    for words in ("No PostgreSQL answers", "Prometheus does not answer", "cannot answer"):
        assert words in compared
    assert "No PostgreSQL answers" not in get(console, "/compare")[1]


def test_another_host_name_is_refused(console: RunningConsole) -> None:
    """A site whose name leads to this machine cannot read pages in a visitor's browser."""
    for path in ("/", "/traces", f"/traces/{TRACE}"):
        for host in ("evil.example", "127.0.0.1.evil.example", "[::1", "192.168.0.1"):
            assert get(console, path, Host=host)[0] == 421
    for host in (f"localhost:{console.port}", "127.0.0.1", "[::1]:8088"):
        assert get(console, "/", Host=host)[0] == 200


def test_readers_do_not_hold_up_what_comes_in(known: tuple[Path, Execution]) -> None:
    """While every thread for pages waits for a Prometheus that never answers, the console does."""
    silent = socket.create_server(("127.0.0.1", 0))
    port = str(silent.getsockname()[1])
    running = start_console(known[0], PROMETHEUS_PORT=port, POSTGRES_PORT="1")
    try:
        with ThreadPoolExecutor() as pool:
            with silent:
                # Prometheus has three seconds to answer: on a stalled machine they may pass.
                for _ in range(ATTEMPTS):
                    asked = [pool.submit(running.send, "GET", "/") for _ in range(6)]
                    with silent.accept()[0]:
                        assert running.send("GET", "/healthz").status == 200
                        assert running.send("POST", "/v0.4/traces", b"\x90").status == 200
                        if answered := not any(future.done() for future in asked):
                            break
                assert answered
            # Nothing listens any more: the pages are shown, each with the error of Prometheus.
            assert {future.result().status for future in asked} == {200}
    finally:
        running.stop()


def test_with_a_token_pages_are_for_those_who_know_it(tmp_path: Path, browser: Browser) -> None:
    """A form requests the token; a wrong one is refused, the right one kept; a bearer token needs no form."""
    running = start_console(
        tmp_path, LAB_CONSOLE_TOKEN=TOKEN, POSTGRES_PORT="1", PROMETHEUS_PORT="1"
    )
    try:
        for path in PAGES:
            assert get(running, re.sub(r"\{[^}]+\}", "1", path))[0] == 401
        assert get(running, "/queries", Authorization=f"Bearer {TOKEN}")[0] == 200
        assert (
            "No drill run is recorded"
            in get(running, "/drills", Authorization=f"Bearer {TOKEN}")[1]
        )
        seen = visit(browser, running.url)
        seen.open("/queries?by=calls")
        seen.page.fill("[name=token]", "guess")
        seen.page.click("button[type=submit]")
        assert "token is wrong" in seen.page.inner_text("main")
        seen.page.fill("[name=token]", TOKEN)
        seen.page.click("main button[type=submit]")
        assert seen.page.url == f"{running.url}/queries?by=calls"
        [cookie] = seen.page.context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        assert TOKEN not in cookie["value"]
        seen.page.context.close()
        assert running.send("POST", "/login", b"token=" + b"x" * 5000).status == 413
        form = urlencode({"token": TOKEN, "then": "//evil.example"}).encode()
        connection = http.client.HTTPConnection("127.0.0.1", running.port)
        connection.request("POST", "/login", form)
        assert connection.getresponse().headers["Location"] == "/"
        connection.close()
    finally:
        running.stop()
