"""The console as an application without its threads: token, login, forms, receivers, and error documents."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.testclient import TestClient

from lab.console import forms, notifications
from lab.console.app import Console
from lab.console.notifications import KEPT, NotificationFile
from lab.drills.summary import MAX_BYTES
from lab.exam import relay
from lab.foundation import clock
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings

TOKEN = "a token of this test"
HTML = {"accept": "text/html,application/xhtml+xml"}
BEARER = {"Authorization": f"Bearer {TOKEN}"}
ALERT = {
    "status": "firing",
    "labels": {"alertname": "LongTransaction", "severity": "warning", "datname": "creditdb"},
    "annotations": {"summary": "A transaction is open."},
    "startsAt": "2026-11-22T10:00:00Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "fingerprint": "1",
}


def console_of(state: Path, **settings: Any) -> Console:
    return Console(LabSettings(_env_file=None, lab_state_dir=state, **settings))


def client_of(console: Console, **options: Any) -> TestClient:
    return TestClient(
        console.application(), base_url="http://127.0.0.1:8088", follow_redirects=False, **options
    )


@pytest.fixture
def console(tmp_path: Path) -> Console:
    return console_of(tmp_path)


@pytest.fixture
def client(console: Console) -> TestClient:
    return client_of(console)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    """Of a console with a token; each test begins without a cookie."""
    return client_of(console_of(tmp_path_factory.mktemp("guarded"), lab_console_token=TOKEN))


@pytest.fixture(autouse=True)
def _no_cookie(guarded: TestClient) -> None:
    guarded.cookies.clear()


def webhook(*alerts: dict[str, Any]) -> bytes:
    return json.dumps({"version": "4", "alerts": alerts}).encode()


def test_its_health_has_what_the_metrics_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Troubles, rates, forms and refused records; rates of a minute are per second, or per minute."""
    # All came in one second, however slow this machine is.
    monkeypatch.setattr("lab.console.rates.monotonic", lambda: 1_000.0)
    console = console_of(tmp_path)
    client = client_of(console)
    metrics = console.metrics
    metrics.trouble("no directory")
    metrics.sampling_trouble("no role")
    metrics.lost("store_failed", 1)
    metrics.accepted("traces_v05", 7, 1)
    metrics.accepted("dbm_metrics", 2, 1)
    metrics.lines(3)
    metrics.unread("b")
    metrics.unread("a")
    metrics.refused("spans", "future", 4)
    metrics.size(99, 0)
    metrics.metric_points({"postgresql.commits": 1, "other": 2})
    found = client.get("/healthz").json()
    assert (found["service"], found["state"]) == ("console", "running")
    assert found["log_trouble"] == "no directory"
    assert found["sampling_trouble"] == "no role"
    assert found["store_trouble"].startswith("the store cannot be written")
    assert found["rates"] == {
        "spans_per_s": 7.0, "dbm_events_per_min": 120.0, "log_lines_per_s": 3.0,
    }  # fmt: skip
    assert found["unread_forms"] == ["a", "b"]
    assert found["metric_names"] == {"kept": 1, "counted": 1}
    assert found["refused_records"] == {"future": 4}
    assert (found["store_bytes"], found["traces_sampled_away"]) == (99, None)


def test_metrics_have_processors_memory_and_the_process(client: TestClient) -> None:
    """Of the host and of the console itself, beside its counters; each with a value above zero."""
    samples = dict(
        line.rpartition(" ")[::2]
        for line in client.get("/metrics").text.splitlines()
        if not line.startswith("#")
    )
    for name in (
        "lab_host_cpus", 'lab_host_cpu_seconds_total{mode="user"}',
        'lab_host_memory_bytes{kind="total"}', 'lab_host_memory_bytes{kind="available"}',
        "process_resident_memory_bytes",
    ):  # fmt: skip
        assert float(samples[name]) > 0, name
    total, available = (
        float(samples[f'lab_host_memory_bytes{{kind="{kind}"}}']) for kind in ("total", "available")
    )
    assert available < total
    assert 'lab_host_memory_bytes{kind="swap_used"}' in samples
    assert 'lab_host_network_bytes_total{direction="receive"}' in samples
    assert float(samples["lab_log_followed"]) == 0


def test_what_is_not_there_is_a_page_for_browsers_and_json_for_programs(client: TestClient) -> None:
    page = client.get("/no/such?x=1", headers=HTML)
    assert page.status_code == 404
    assert "There is no page /no/such." in page.text
    assert page.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    document = client.get("/no/such")
    assert (document.status_code, document.json()) == (404, {"errors": ["no such page"]})


def test_another_sites_form_is_refused(client: TestClient) -> None:
    """By its Origin; a form of the console's own page is not."""
    foreign = client.post("/saved/add", headers={"Origin": "http://evil.example"})
    assert foreign.status_code == 403
    assert "http://evil.example" in foreign.json()["errors"][0]
    own = client.post("/saved/add", headers={"Origin": "http://127.0.0.1:8088"})
    assert own.status_code == 303
    assert client.get("/healthz", headers={"Host": "evil.example"}).status_code == 421


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/metrics"), ("POST", "/saved/add"), ("POST", "/exam/start"), ("POST", "/api/alerts"),
        ("PUT", "/api/drills/summary"), ("PUT", relay.PATH), ("GET", "/api/drilldown/queries"),
        ("GET", "/jaeger/api/services"), ("GET", "/loki/api/v1/labels"),
    ],
)  # fmt: skip
def test_without_the_token_nothing_is_answered(guarded: TestClient, method: str, path: str) -> None:
    """Neither a metric nor a form, a receiver or an API; with the token each answers something else."""
    assert guarded.request(method, path).status_code == 401, path
    assert guarded.request(method, path, headers=BEARER).status_code != 401, path


def test_a_login_lasts_half_a_day_and_leads_back(guarded: TestClient) -> None:
    """A page asks for the token; a wrong one is refused, the right one sets a cookie that opens pages."""
    asked = guarded.get("/runbook/LongTransaction?x=1", headers=HTML)
    assert asked.status_code == 401
    assert "/runbook/LongTransaction?x=1" in asked.text
    assert 'credit_lab=""; ' in asked.headers["set-cookie"]
    then = {"then": "/runbook/LongTransaction?x=1"}
    wrong = guarded.post("/login", data={"token": "wrong", **then})
    assert wrong.status_code == 403
    right = guarded.post("/login", data={"token": f" {TOKEN} ", **then})
    assert (right.status_code, right.headers["location"]) == (303, then["then"])
    cookie = right.headers["set-cookie"]
    assert "Max-Age=43200" in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert TOKEN not in cookie
    assert guarded.get("/runbook/LongTransaction", headers=HTML).status_code == 200


@pytest.mark.parametrize("then", ["//evil.example", "/\\evil.example", "http://evil.example", ""])
def test_a_login_leads_to_no_other_site(guarded: TestClient, then: str) -> None:
    found = guarded.post("/login", data={"token": TOKEN, "then": then})
    assert found.headers["location"] == "/"


def test_a_login_form_has_a_limit(guarded: TestClient) -> None:
    """4,000 bytes of form are read, one more is not."""
    assert guarded.post("/login", content=b"a" * 4_000).status_code == 403
    assert guarded.post("/login", content=b"a" * 4_001).status_code == 413


def test_a_saved_link_is_added_and_deleted_by_form(client: TestClient) -> None:
    """The page follows; an error comes back with what was filled in, up to its limits."""
    added = client.post("/saved/add", data={"name": " slow ", "page": "/queries?window=1h"})
    assert (added.status_code, added.headers["location"]) == (303, "/saved")
    page = client.get("/saved", headers=HTML).text
    assert "slow" in page
    assert "/queries?window=1h" in page
    refused = client.post("/saved/add", data={"name": "x", "page": "/no" + "y" * 300})
    location = urlsplit(refused.headers["location"])
    given = {name: values[0] for name, values in parse_qs(location.query).items()}
    assert location.path == "/saved"
    assert given["error"].startswith('"/noyyy')
    assert given["error"].endswith("is no page of the console, such as /queries?window=1h.")
    assert (given["name"], len(given["page"])) == ("x", 200)
    assert client.post("/saved/delete", data={"key": "none"}).headers["location"] == "/saved"
    too_large = client.post("/saved/add", content=b"a" * (forms.MAX_BYTES + 1))
    assert (too_large.status_code, too_large.text) == (413, "the form is too large")
    assert client.post("/saved/add", content=b"a" * forms.MAX_BYTES).status_code == 303


def test_notifications_of_alertmanager_are_kept(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The latest ones, without Watchdog, of which the time counts while it fires."""
    monkeypatch.setattr(notifications, "KEPT", 3)
    monkeypatch.setattr(clock, "now_ns", lambda: 5_000)
    received = NotificationFile(Paths.of(LabSettings(_env_file=None, lab_state_dir=tmp_path)))
    assert received.read() == notifications.Received()
    watchdog = {**ALERT, "labels": {"alertname": "Watchdog"}}
    resolved = {**watchdog, "status": "resolved"}
    assert client.post("/api/alerts", content=webhook(ALERT, resolved)).status_code == 204
    [first] = received.read().notifications
    assert (first.name, first.severity, first.status) == ("LongTransaction", "warning", "firing")
    assert first.labels == {"datname": "creditdb"}
    assert (first.summary, first.started) == ("A transaction is open.", "2026-11-22T10:00:00Z")
    assert (first.received_ns, received.read().watchdog_ns) == (5_000, None)
    client.post("/api/alerts", content=webhook(watchdog))
    assert received.read().watchdog_ns == 5_000
    names = [{**ALERT, "labels": {"alertname": name}} for name in "abc"]
    monkeypatch.setattr(clock, "now_ns", lambda: 6_000)
    client.post("/api/alerts", content=webhook(*names))
    assert [one.name for one in received.read().notifications] == ["a", "b", "c"]
    assert received.read().watchdog_ns == 5_000
    assert KEPT == 500


def test_what_is_no_webhook_is_refused(client: TestClient) -> None:
    """Another document, an unknown status, and more than a megabyte; a damaged file counts as empty."""
    for body in (b"{}", b"no json", webhook({**ALERT, "status": "pending"})):
        found = client.post("/api/alerts", content=body)
        assert found.status_code == 400
        assert found.json()["errors"][0].startswith("The body is no webhook of Alertmanager: ")
    large = client.post("/api/alerts", content=b" " * (notifications.MAX_BYTES + 1))
    assert (large.status_code, large.json()) == (413, {"errors": ["more than 1,000,000 bytes"]})
    assert client.post("/api/alerts", content=b" " * notifications.MAX_BYTES).status_code == 400


def test_a_damaged_file_of_notifications_counts_as_empty(
    client: TestClient, tmp_path: Path
) -> None:
    paths = Paths.of(LabSettings(_env_file=None, lab_state_dir=tmp_path))
    assert client.post("/api/alerts", content=webhook(ALERT)).status_code == 204
    (paths.alerts / "received.json").write_text("{", encoding="utf-8")
    assert NotificationFile(paths).read() == notifications.Received()


def test_a_report_of_drills_is_kept(client: TestClient) -> None:
    """Of a runner elsewhere; it is in the metrics at once. Another body is refused, and a large one."""
    found = client.put("/api/drills/summary", content=b'{"running": "deadlocks"}')
    assert found.status_code == 204
    assert 'drill="deadlocks"' in client.get("/metrics").text
    other = client.put("/api/drills/summary", content=b"[]")
    assert other.status_code == 400
    assert other.json()["errors"][0].startswith("The body is no report of drills: ")
    large = client.put("/api/drills/summary", content=b" " * (MAX_BYTES + 1))
    assert (large.status_code, large.json()) == (413, {"errors": ["more than 100,000 bytes"]})
    assert client.put("/api/drills/summary", content=b" " * MAX_BYTES).status_code == 400


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/api/drilldown/queries?by=colour", 400, "colour"),
        ("/api/drilldown/slowest-explained?since=x", 400, 'since="x" is not a time: ISO 8601'),
        ("/api/drilldown/slowest-explained", 400, 'since="" is not a time'),
        ("/api/drilldown/trace/zz", 422, "zz"),
        ("/jaeger/api/traces?limit=x", 400, 'limit="x" is not a number.'),
    ],
)
def test_an_apis_error_has_its_status_and_the_value(
    client: TestClient, path: str, status: int, text: str
) -> None:
    """Malformed is not unknown, and neither is a store that is missing."""
    found = client.get(path)
    assert found.status_code == status, found.text
    assert text in found.text.replace('\\"', '"')
    assert found.headers["content-type"] == "application/json"
