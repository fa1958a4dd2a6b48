"""What a request through a door shows: the data of its response, not the identifiers that it asked for."""

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from lab.console.app import Console
from lab.exam import requests
from lab.exam.doors import EXPLAINED, Door
from lab.exam.requests import shown
from lab.foundation import clock
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import NS_PER_S
from lab.telemetry.store import Bounds, Execution, Record, Source, Span, Writer
from tests.exam_records import EXAM, begin
from tests.fix_store import HOUR_NS, Tally

TRACE, STATEMENT = "ab" * 16, "ef" * 8
UNKNOWN = "12" * 16
QUERYID = 777_000_111_222_333_444
HTML = {"accept": "text/html"}


def _records() -> list[Record]:
    now_ns = clock.now_ns() - 2 * NS_PER_S
    span: dict[str, Any] = {"trace_id": TRACE, "start_ns": now_ns, "error": False}
    return [
        Span(**span, service="credit-risk", span_id="cd" * 8, parent_id=None, name="credit.operation",
             resource="ageing", kind="worker", duration_ns=10**9, tags={}),
        Span(**span, service="postgres", span_id=STATEMENT, parent_id="cd" * 8, name="postgres.query",
             resource="SELECT 1", kind="sql", duration_ns=9 * 10**8, tags={"db.system": "postgresql"}),
        Execution(trace_id=TRACE, service="credit-risk", at_ns=now_ns + 9 * 10**8, source=Source.LOG,
                  duration_ns=9 * 10**8, queryid=QUERYID, span_id=STATEMENT, statement="ageing",
                  pid=4711, database="creditdb", role="credit_app", application="credit-risk"),
    ]  # fmt: skip


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabSettings:
    monkeypatch.setenv("LAB_STATE_DIR", str(tmp_path))
    for port in ("POSTGRES_PORT", "PROMETHEUS_PORT"):
        monkeypatch.setenv(port, "1")
    settings = LabSettings.load()
    bounds = Bounds(age_ns=24 * HOUR_NS, size_bytes=10**9)
    with Writer(Paths.of(settings).store, bounds, Tally()) as writer:
        writer.commit(_records(), timeout_s=60)
    return settings


@pytest.fixture
def client(settings: LabSettings) -> TestClient:
    """The console's pages over that store, without its threads."""
    application = Console(settings).application()
    return TestClient(application, base_url="http://127.0.0.1", follow_redirects=False)


def test_a_trace_is_open_with_the_apm_door_alone(settings: LabSettings, client: TestClient) -> None:
    """It has the spans, and nothing of the log: neither the execution nor its pid."""
    place = begin(settings, Door.APM)
    page = client.get(f"/traces/{TRACE}", headers=HTML)
    assert page.status_code == 200
    assert "SELECT 1" in page.text
    assert f"/traces/{TRACE}/{STATEMENT}" not in page.text
    document = client.get(f"/jaeger/api/traces/{TRACE}")
    assert "lab.server_ms" not in document.text
    closed = client.get(f"/traces/{TRACE}/{STATEMENT}", headers=HTML)
    assert closed.headers["location"].startswith("/exam?closed=")
    log = requests.read(place.files(EXAM).requests)
    assert [(each.door, each.shown) for each in log] == [("apm", (f"trace:{TRACE}",))] * 2


def test_with_all_its_doors_a_trace_has_its_executions(
    settings: LabSettings, client: TestClient
) -> None:
    place = begin(settings, *EXPLAINED)
    assert f"/traces/{TRACE}/{STATEMENT}" in client.get(f"/traces/{TRACE}", headers=HTML).text
    assert "lab.server_ms" in client.get(f"/jaeger/api/traces/{TRACE}").text
    assert client.get(f"/traces/{TRACE}/{STATEMENT}", headers=HTML).status_code == 200
    log = requests.read(place.files(EXAM).requests)
    assert {each.door for each in log} == {"apm+datadog+log"}
    assert f"plan:{QUERYID}" in log[2].shown


@pytest.mark.parametrize(
    "path",
    [
        f"/traces/{UNKNOWN}",
        f"/traces/{UNKNOWN}/{STATEMENT}",
        f"/jaeger/api/traces/{UNKNOWN}",
        f"/api/drilldown/trace/{UNKNOWN}",
        f"/traces?id={UNKNOWN}",
        f"/traces?operation={UNKNOWN}",
        f"/queries/{QUERYID + 1}",
        f"/api/drilldown/query/{QUERYID + 1}",
        f"/queries?key={QUERYID + 1}&pid=31337",
        f"/plans?query={QUERYID + 1}",
        "/sessions?pid=31337&sort=pid+31337",
        "/prometheus?expr=rate(pg_never_scraped_total[1m])",
        "/exam/evidence/prometheus?expr=pg_never_scraped_total",
        "/exam/evidence/log?from=2026-11-28T19:03:26",
        "/loki/api/v1/query_range?query=%7Bservice%3D%22x%22%7D&since=2026-11-28T19:03:26",
    ],
)
def test_what_a_request_names_is_not_shown_by_its_echo(
    settings: LabSettings, client: TestClient, path: str
) -> None:
    """Guessed identifiers and metrics in a URL are no evidence, whatever the page repeats of them."""
    place = begin(settings, *Door)
    client.get(path, headers=HTML)
    [request] = requests.read(place.files(EXAM).requests)
    assert request.size >= 0
    named = {f"trace:{UNKNOWN}", f"plan:{QUERYID + 1}", "sample:31337", "log:2026-11-28T19:03:26",
             "series:pg_never_scraped_total"}  # fmt: skip
    assert not named & set(request.shown), path


def test_the_console_reports_no_observer_behind_a_closed_door(
    settings: LabSettings, client: TestClient
) -> None:
    """/healthz has the rate of the Agent's events, which is 0 when the Agent is stopped."""
    assert "rates" in client.get("/healthz").json()
    begin(settings, Door.PROMETHEUS)
    assert client.get("/healthz").json().keys() == {"service", "version", "state"}
    begin(settings, *Door)
    assert "rates" in client.get("/healthz").json()


def test_the_metrics_of_an_expression_are_shown_by_its_series() -> None:
    """An aggregation has no name in its result; a page without series, or its examples, shows none."""
    asked = "promql_query query=sum(pg_locks_count)"
    assert shown({"prometheus"}, asked, "[]") == ()
    assert "series:pg_locks_count" in shown({"prometheus"}, asked, '[{"value": 3}]')
    form = (
        '<textarea name="expr">sum(pg_locks_count)</textarea><a href="?expr=pg_locks_count">1h</a>'
    )
    examples = "<section data-no-evidence><code>pg_examples_total</code></section>"
    address = "/prometheus?expr=sum(pg_locks_count)"
    assert shown({"prometheus"}, address, form + examples) == ()
    series = '<section data-expression=" sum(pg_locks_count) "><td>3</td></section>'
    assert shown({"prometheus"}, address, form + series) == ("series:pg_locks_count",)
