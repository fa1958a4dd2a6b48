"""The console in an exam: each page and API has its doors, closed ones answer so, requests are recorded."""

import re
from pathlib import Path

import pytest
import yaml
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from lab.console import api, jaeger, loki
from lab.console import exam as forms
from lab.console.access import Access
from lab.console.app import Console
from lab.console.doors import NEEDS, Doored
from lab.console.pages import PAGES
from lab.drilldown import Drilldown
from lab.drilldown.remote import RECORDED
from lab.exam import requests
from lab.exam.doors import EXPLAINED, Door
from lab.foundation.settings import ROOT, LabSettings
from lab.telemetry.intake import Gate
from tests.exam_records import EXAM, begin

# Documents, and the pages of the exam itself.
OPEN = {
    "/go", "/exam", "/exam/{exam}", "/tour", "/exercises", "/exercises/{number}", "/runbook/{alert}",
    "/saved",
}  # fmt: skip


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabSettings:
    monkeypatch.setenv("LAB_STATE_DIR", str(tmp_path))
    return LabSettings.load()


async def _echo(request: Request) -> HTMLResponse:
    return HTMLResponse(f'<td data-pid="4711"> {request.url.path}')


@pytest.fixture
def client(settings: LabSettings) -> TestClient:
    application = Starlette(
        routes=[Route("/{path:path}", _echo)],
        middleware=[Middleware(Doored, settings=settings)],
    )
    return TestClient(application, follow_redirects=False)


def _paths(settings: LabSettings) -> list[str]:
    drilldown, access = Drilldown.of(settings), Access(Gate(None), None)
    apis = [
        *api.routes(drilldown, access),
        *jaeger.routes(drilldown, access),
        *loki.routes(drilldown, access),
    ]
    return [*PAGES, *(route.path for route in apis)]


def test_every_page_and_api_names_its_doors(settings: LabSettings) -> None:
    for path in _paths(settings):
        filled = re.sub(r"\{door\}", "log", path)
        filled = re.sub(r"\{[^}]+\}", "x1", filled)
        matching = [pattern for pattern, _ in NEEDS if pattern.fullmatch(filled)]
        assert bool(matching) != (path in OPEN), f"{path}: NEEDS of lab/console/doors.py, or OPEN"


def test_every_door_has_a_page() -> None:
    for door in Door:
        assert any(needed == (door,) for _, needed in NEEDS)


def test_without_an_exam_nothing_is_closed_or_recorded(client: TestClient) -> None:
    for path in ("/", "/drills", "/compare", "/sessions", "/metrics"):
        assert client.get(path).status_code == 200


def test_a_closed_page_leads_to_the_exam_and_a_closed_api_says_so(
    settings: LabSettings, client: TestClient
) -> None:
    place = begin(settings, Door.LOG)
    page = client.get("/sessions", headers={"accept": "text/html"})
    assert (page.status_code, page.headers["location"]) == (303, "/exam?closed=%2Fsessions")
    api_answer = client.get("/api/drilldown/sessions")
    assert api_answer.status_code == 403
    assert "Closed in this exam (open: log)" in api_answer.json()["errors"][0]
    for path in ("/drills", "/drills/x", "/", "/traces", "/traces/1", "/queries", "/compare"):
        assert client.get(path).status_code == 403
    for path in ("/exam", "/metrics", "/healthz", "/api/v2/databasequery"):
        assert client.get(path).status_code == 200
    assert requests.read(place.files(EXAM).requests) == ()


def test_the_scraped_metrics_are_evidence_of_prometheus_for_a_person(
    settings: LabSettings, client: TestClient
) -> None:
    """Prometheus and the Agent scrape them in every exam."""
    begin(settings, Door.LOG)
    page = client.get("/metrics", headers={"accept": "text/html,*/*"})
    assert page.headers["location"] == "/exam?closed=%2Fmetrics"
    scraped = client.get("/metrics", headers={"accept": "application/openmetrics-text,*/*"})
    assert scraped.status_code == 200
    begin(settings, Door.PROMETHEUS)
    assert client.get("/metrics", headers={"accept": "text/html"}).status_code == 200


def test_an_open_page_is_recorded_with_what_it_showed(
    settings: LabSettings, client: TestClient
) -> None:
    place = begin(settings, *Door)
    assert client.get("/sessions?idle=1").status_code == 200
    assert client.get("/queries/x").status_code == 200
    assert client.get("/drills").status_code == 403, "drills are named there"
    sql, several = requests.read(place.files(EXAM).requests)
    assert (sql.door, sql.what, sql.shown) == ("sql", "/sessions?idle=1", ("sample:4711",))
    assert several.door == "prometheus+datadog+log"
    assert sql.size == len('<td data-pid="4711"> /sessions')


def test_a_request_that_its_client_records_is_refused_or_answered_only(
    settings: LabSettings, client: TestClient
) -> None:
    """With the lab in containers commands ask the console: they would count twice."""
    place = begin(settings, *EXPLAINED)
    assert client.get("/api/drilldown/trace/slowest", headers=RECORDED).status_code == 200
    assert client.get("/api/drilldown/sessions", headers=RECORDED).status_code == 403
    assert requests.read(place.files(EXAM).requests) == ()


@pytest.fixture
def posting(settings: LabSettings) -> TestClient:
    routes = forms.routes(settings, Access(Gate(None), None))
    return TestClient(Starlette(routes=routes), follow_redirects=False)


def test_the_form_of_the_page_submits_an_answer_and_shows_errors(
    settings: LabSettings, posting: TestClient
) -> None:
    def answer(**fields: str) -> str:
        done = posting.post("/exam/answer", data={"kind": "burst", "confidence": "90", **fields})
        assert done.status_code == 303
        return str(done.headers["location"])

    assert "No+exam+is+running" in answer()
    place = begin(settings, Door.LOG)
    assert "exactly+one+name" in answer(object="customers installments")
    assert "kind=burst" in answer(object="customers installments"), "the form keeps its values"
    assert "a+percentage" in answer(confidence="x")
    assert (
        answer(object="customers", also_kind="deadlocks", evidence="sample:1 sample:2") == "/exam"
    )
    assert place.files(EXAM).answer.exists()
    assert "only+the+first" in answer()
    assert posting.post("/exam/hint").headers["location"] == "/exam"
    assert posting.post("/exam/stop").headers["location"] == "/exam"
    assert place.files(EXAM).stop.exists()
    assert posting.post("/exam/answer", content=b"x" * 30_000).status_code == 413


def test_a_start_with_a_wrong_value_is_refused(posting: TestClient) -> None:
    done = posting.post("/exam/start", data={"with": "everything", "minutes": "15"})
    assert "There+is+no+door" in done.headers["location"]
    done = posting.post("/exam/start", data={"with": "log", "minutes": "soon"})
    assert "a+number+from+1+to+120" in done.headers["location"]


def test_a_start_without_a_door_is_refused(posting: TestClient) -> None:
    """All checkboxes are off."""
    done = posting.post("/exam/start", data={"minutes": "15"})
    assert "No+door+is+open" in done.headers["location"]


def test_the_console_in_a_container_starts_no_exam(settings: LabSettings) -> None:
    """It could stop no component, and heal nothing: docker-compose.yml names it so."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    assert compose["services"]["console"]["environment"]["SERVICES_BY_NAME"] == "true"
    inside = settings.model_copy(update={"services_by_name": True})
    client = TestClient(
        Starlette(routes=forms.routes(inside, Access(Gate(None), None))), follow_redirects=False
    )
    done = client.post("/exam/start", data={"with": "log", "minutes": "15"})
    assert "runs+in+containers" in done.headers["location"]
    page = TestClient(Console(inside).application(), base_url="http://127.0.0.1").get("/exam")
    assert "cannot inject a fault" in page.text
    assert 'action="/exam/start"' not in page.text


def test_the_page_follows_the_exam(settings: LabSettings) -> None:
    """Its clock counts down, and it shows no form any more when the answer is submitted."""
    client = TestClient(Console(settings).application(), base_url="http://127.0.0.1")
    assert 'data-state="none"' in client.get("/exam").text
    place = begin(settings, Door.LOG)
    running = client.get("/exam").text
    assert re.search(r'data-left="[0-9.]+"', running)
    assert f'data-state="{EXAM}running" data-refresh="5"' in running
    place.files(EXAM).answer.parent.mkdir()
    place.files(EXAM).answer.write_text("{}")
    graded = client.get("/exam").text
    assert f'data-state="{EXAM}grading" data-refresh="2"' in graded
    assert 'action="/exam/answer"' not in graded
