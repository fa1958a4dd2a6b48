"""Texts of statements by Loki's API: by name, in any exam only with the doors of the log and of Datadog."""

from pathlib import Path
from urllib.parse import quote

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from lab.console import loki
from lab.console.access import Access
from lab.drilldown import Drilldown
from lab.exam.doors import Door
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.telemetry.intake import Gate
from lab.telemetry.store import Bounds, Writer
from tests import evidence as of
from tests.exam_records import begin
from tests.fix_store import HOUR_NS, Tally

ALL = '{job="statements"}'


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabSettings:
    monkeypatch.setenv("LAB_STATE_DIR", str(tmp_path))
    return LabSettings.load()


@pytest.fixture
def client(settings: LabSettings) -> TestClient:
    """The API on a store with three texts: two named statements, and one without a name."""
    bounds = Bounds(age_ns=24 * HOUR_NS, size_bytes=10**9)
    with Writer(Paths.of(settings).store, bounds, Tally()) as writer:
        named = of.known(), of.known(7, name="ageing", text="SELECT $1")
        writer.commit([*named, of.known(8, name=None, text="SELECT 2")], timeout_s=60)
    routes = loki.routes(Drilldown.of(settings), Access(Gate(None), None))
    return TestClient(Starlette(routes=routes))


def ask(client: TestClient, query: str) -> dict[str, str]:
    answer = client.get(f"/loki/api/v1/query_range?query={quote(query)}&limit=10")
    assert answer.status_code == 200, answer.text
    found = answer.json()["data"]["result"]
    return {one["stream"].get("statement", ""): one["values"][0][1] for one in found}


def test_texts_are_found_by_name_and_the_log_has_none(client: TestClient) -> None:
    assert ask(client, '{job="statements", statement="ageing"}') == {"ageing": "SELECT $1"}
    assert set(ask(client, ALL)) == {"ageing", "risk_distribution", ""}
    assert ask(client, '{job="statements"} |= "SELECT 2"') == {"": "SELECT 2"}
    assert ask(client, '{job="postgres"}') == {}


def test_the_door_of_the_log_alone_opens_no_texts(
    settings: LabSettings, client: TestClient
) -> None:
    begin(settings, Door.LOG)
    assert ask(client, '{job="postgres"}') == {}
    answer = client.get(f"/loki/api/v1/query_range?query={quote(ALL)}")
    assert answer.status_code == 400
    assert "Closed in this exam" in answer.text
    begin(settings, Door.LOG, Door.DATADOG)
    assert ask(client, ALL)
