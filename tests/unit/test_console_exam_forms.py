"""The console's forms and receiver of an exam: what is refused, with its reason."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.testclient import TestClient

from lab.exam import relay
from tests.unit.test_console_application import HTML, client_of, console_of


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    return client_of(console_of(tmp_path))


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"minutes": "x"}, 'minutes "x": a number from 1 to 120 is expected.'),
        ({"minutes": "15"}, "No door is open: at least one observer is expected."),
    ],
)
def test_an_exam_that_cannot_start_leads_back_with_the_reason(
    client: TestClient, fields: dict[str, str], error: str
) -> None:
    """And with what was filled in."""
    location = client.post("/exam/start", data=fields).headers["location"]
    given = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
    assert given == {**fields, "error": error}


@pytest.mark.parametrize("confidence", ["x", "-1", "1.5"])
def test_a_confidence_is_a_percentage(client: TestClient, confidence: str) -> None:
    location = client.post("/exam/answer", data={"confidence": confidence}).headers["location"]
    [error] = parse_qs(urlsplit(location).query)["error"]
    assert error == f'confidence "{confidence}": a percentage is expected.'


def test_evidence_of_one_door(client: TestClient) -> None:
    """Without an exam every door is open; another word is no door, and all of them are named."""
    assert client.get("/exam/evidence/log", headers=HTML).status_code == 200
    unknown = client.get("/exam/evidence/window", headers=HTML)
    assert unknown.status_code == 404
    assert "There is no door window." in unknown.text
    assert "Doors: prometheus, datadog, apm, log, sql." in unknown.text
    assert client.get("/exam/none", headers=HTML).status_code == 404


def test_only_a_lab_in_containers_relays_its_exam(client: TestClient, tmp_path: Path) -> None:
    """Its body has a limit, and is an update."""
    answer = client.put(relay.PATH, content=b"{}")
    assert answer.status_code == 409
    assert answer.json() == {"errors": ["this console reads the exam's own files"]}
    contained = client_of(console_of(tmp_path, services_by_name=True))
    assert contained.put(relay.PATH, content=b"{}").status_code == 400
    large = contained.put(relay.PATH, content=b" " * (relay.MAX_BYTES + 1))
    assert large.status_code == 413
    assert contained.put(relay.PATH, content=b" " * relay.MAX_BYTES).status_code == 400
    refused = contained.post("/exam/start", data={"with": "log"}).headers["location"]
    assert "lab+runs+in+containers" in refused
