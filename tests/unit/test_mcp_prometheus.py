"""PromQL tools beside a Prometheus that answers anything: names in labels, result types, sizes, no JSON."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from mcp.server.mcpserver import MCPServer

from lab.clients import promql
from lab.clients.prometheus import Alert
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import moment
from lab.mcp.answer import MAX_BYTES
from lab.mcp.server import build
from lab.mcp.sources import Sources
from lab.mcp.tools import prometheus as prometheus_tools
from lab.stack.backend import Mode
from tests.mcp_client import Answer, Caller, in_process

NOW = 1_700_000_000
NATIVE = "histogram of 3 values"
PERSON = "maria.silva@example.com"


class _Server(ThreadingHTTPServer):
    answer: bytes = b""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Send the prepared answer."""
        assert isinstance(self.server, _Server)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.server.answer)

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@pytest.fixture(scope="module")
def prometheus() -> Iterator[_Server]:
    server = _Server(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def server(prometheus: _Server, tmp_path_factory: pytest.TempPathFactory) -> MCPServer:
    state: Path = tmp_path_factory.mktemp("state")
    url = f"http://127.0.0.1:{prometheus.server_address[1]}"
    settings = LabSettings(_env_file=None, lab_state_dir=state, prometheus_url=url)
    return build(Sources(settings=settings, requested=Mode.NATIVE))


def asked(server: MCPServer, tool: str, **arguments: object) -> Answer:
    answers: list[Answer] = []

    async def work(mcp: Caller) -> None:
        answers.append(await mcp.call(tool, **arguments))

    in_process(server, work)
    return answers[0]


def result(kind: str, rows: Any, **beside: object) -> bytes:
    document = {"status": "success", "data": {"resultType": kind, "result": rows}, **beside}
    return json.dumps(document).encode()


def test_names_in_labels_are_redacted(prometheus: _Server, server: MCPServer) -> None:
    """Of roles, databases, applications and tables, as the store keeps them; other labels are unchanged."""
    labels = {
        "usename": PERSON, "datname": "joao_da_silva", "application_name": "cliente 529.982.247-25",
        "table": "customers", "queryid": "-8637536096757576377", "instance": "127.0.0.1:5432", "le": "0.99",
    }  # fmt: skip
    prometheus.answer = result("vector", [{"metric": labels, "value": [NOW, "1"]}])
    [row] = asked(server, "promql_query", query="x").json()["rows"]
    kept = {name: row["labels"][name] for name in ("table", "queryid", "instance", "le")}
    assert kept == {name: labels[name] for name in kept}
    for name in ("usename", "datname", "application_name"):
        assert row["labels"][name].startswith("redacted_")


@pytest.mark.parametrize(
    ("kind", "rows", "expected"),
    [
        ("scalar", [NOW, "1.5"], [{"value": 1.5}]),
        ("string", [NOW, "text"], [{"value": "text"}]),
        ("vector", [], []),
        ("vector", [{"metric": {}, "value": [NOW, "NaN"]}], [{"value": "NaN"}]),
        ("vector", [{"metric": {}, "value": [NOW, "1e400"]}], [{"value": "+Inf"}]),
        ("vector", [{"metric": {}, "histogram": [NOW, {"count": "3"}]}], [{"value": NATIVE}]),
        (
            "matrix",
            [{"metric": {"a": "b"}, "values": [[NOW, "1"], [NOW + 1, "2"]]}],
            [
                {
                    "labels": {"a": "b"},
                    "points": [["2023-11-14T22:13:20.000Z", 1], ["2023-11-14T22:13:21.000Z", 2]],
                }
            ],
        ),
    ],
)  # fmt: skip
def test_every_result_type_is_returned(
    prometheus: _Server, server: MCPServer, kind: str, rows: Any, expected: Any
) -> None:
    prometheus.answer = result(kind, rows, warnings=["a warning"])
    found = asked(server, "promql_query", query="x").json()
    assert (found["result_type"], found["warnings"]) == (kind, ["a warning"])
    assert found["rows"] == expected


def test_an_answer_that_is_too_large_is_cut_with_the_counts(
    prometheus: _Server, server: MCPServer
) -> None:
    rows = [{"metric": {"a": "x" * 200, "n": str(n)}, "value": [NOW, "1"]} for n in range(1_000)]
    prometheus.answer = result("vector", rows)
    answer = asked(server, "promql_query", query="x", limit=500)
    assert len(answer.text) <= MAX_BYTES + 500
    found = answer.json()
    assert found["series_found"] == 1_000
    assert found["series_shown"] == len(found["rows"]) < 500
    assert "topk" in found["more"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"no JSON", "Prometheus does not answer at"),
        (b"", "./creditlab up"),
        (b'{"status": "error", "errorType": "bad_data", "error": "parse error"}', "bad_data): parse error"),
        (b'{"status": "error", "errorType": "timeout", "error": "query timed out"}', "timeout"),
    ],
)  # fmt: skip
def test_what_is_no_result_gets_a_sentence(
    prometheus: _Server, server: MCPServer, answer: bytes, said: str
) -> None:
    prometheus.answer = answer
    found = asked(server, "promql_query", query="x")
    assert found.failed
    assert said in found.text


def test_the_size_of_an_answer_is_bounded(
    prometheus: _Server, server: MCPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing larger is parsed, and the sentence names what to do."""
    monkeypatch.setattr(promql, "MAX_BYTES", 1_000_000)
    prometheus.answer = b" " * 2_000_000
    found = asked(server, "promql_query", query="x")
    assert found.failed
    assert "is larger than 1 MB. Aggregate with sum by (...)" in found.text


def test_a_range_has_null_where_there_is_no_sample(prometheus: _Server, server: MCPServer) -> None:
    prometheus.answer = result(
        "matrix", [{"metric": {}, "values": [[NOW + 10, "4"], [NOW + 30, "2"]]}]
    )
    found = asked(
        server, "promql_range", query="x", start="2023-11-14T22:13:20Z", end="2023-11-14T22:13:50Z", step_s=10
    ).json()  # fmt: skip
    [row] = found["rows"]
    assert row["values"] == [None, 4, None, 2]
    assert (row["min"], row["max"], row["last"]) == (2, 4, 2)
    assert found["first"] == "2023-11-14T22:13:20.000Z"


@pytest.mark.parametrize(
    ("asked_for", "expected"),
    [
        ((60, None), (5, 13)),
        ((1_800, None), (30, 61)),
        ((1_801, None), (31, 59)),
        ((599, 1), (1, 600)),
        ((90, 60), (60, 2)),
    ],
)
def test_a_range_has_a_point_for_each_step(
    prometheus: _Server,
    server: MCPServer,
    asked_for: tuple[int, int | None],
    expected: tuple[int, int],
) -> None:
    """By default a sixtieth of the range, and five seconds at least; both ends are points."""
    seconds, step_s = asked_for
    prometheus.answer = result("matrix", [{"metric": {}, "values": [[NOW, "1"]]}])
    end = f"{moment((NOW + seconds) * 10**9):%Y-%m-%dT%H:%M:%SZ}"
    start = f"-{seconds}s"
    found = asked(server, "promql_range", query="x", start=start, end=end, step_s=step_s).json()
    values = found["rows"][0]["values"]
    assert (found["step_s"], len(values)) == expected
    assert values[0] == 1


def test_a_step_that_is_too_small_is_refused_with_one_that_is_not(
    prometheus: _Server, server: MCPServer
) -> None:
    prometheus.answer = result("matrix", [])
    asked_for = {"query": "x", "start": "-600s", "end": "2023-11-14T22:13:20Z"}
    found = asked(server, "promql_range", step_s=1, **asked_for)
    assert (
        "step_s=1 gives 601 points in 600 s; at most 600 are returned. Use step_s=2" in found.text
    )
    assert not asked(server, "promql_range", step_s=2, **asked_for).failed
    week = {"query": "x", "end": "2023-11-14T22:13:20Z"}
    assert not asked(server, "promql_range", start="-7d", **week).failed
    longer = asked(server, "promql_range", start="-169h", **week)
    assert "is 169.0 h long; at most 168.0 h are allowed" in longer.text


@pytest.mark.parametrize(("limit", "shown"), [(20, 10), (5, 5)])
def test_a_range_has_six_thousand_values_at_most(
    prometheus: _Server, server: MCPServer, limit: int, shown: int
) -> None:
    """Ten series of 600 points; what is left out is counted."""
    rows = [{"metric": {"n": str(n)}, "values": [[NOW, "1"]]} for n in range(12)]
    prometheus.answer = result("matrix", rows)
    end = f"{moment((NOW + 599) * 10**9):%Y-%m-%dT%H:%M:%SZ}"
    found = asked(
        server, "promql_range", query="x", start="-599s", end=end, step_s=1, limit=limit
    ).json()
    assert (found["series_found"], found["series_shown"], len(found["rows"])) == (12, shown, shown)
    assert "topk" in found["more"]
    rows[shown:] = []
    prometheus.answer = result("matrix", rows)
    whole = asked(
        server, "promql_range", query="x", start="-599s", end=end, step_s=1, limit=limit
    ).json()
    assert "more" not in whole


def test_series_are_listed_in_pages_and_in_order(prometheus: _Server, server: MCPServer) -> None:
    labels = [{"a": name, "usename": PERSON} for name in ("c", "a", "b")]
    prometheus.answer = json.dumps({"status": "success", "data": labels}).encode()
    first = asked(server, "promql_series", selector="x", limit=2).json()
    assert ([row["a"] for row in first["rows"]], first["found"]) == (["a", "b"], 3)
    assert first["rows"][0]["usename"].startswith("redacted_")
    last = asked(server, "promql_series", selector="x", limit=2, cursor=first["next_cursor"]).json()
    assert [row["a"] for row in last["rows"]] == ["c"]
    assert "next_cursor" not in last


def test_an_alert_has_its_first_time_and_whether_it_fires_now() -> None:
    """Pending or firing, whichever was first; names of roles are redacted."""
    labels = {"alertname": "Deadlock", "usename": PERSON, "severity": "warning"}
    alert = Alert(name="Deadlock", labels=labels, pending_ns=NOW * 10**9, firing_ns=None)
    pending = prometheus_tools._alert(alert, set())
    assert (pending["first_seen"], pending["pending_since"], pending["firing_since"]) == (
        "2023-11-14T22:13:20.000Z", "2023-11-14T22:13:20.000Z", None
    )  # fmt: skip
    assert (pending["firing_now"], pending["runbook"]) == (False, "creditlab://runbooks/Deadlock")
    assert set(pending["labels"]) == {"usename", "severity"}
    assert PERSON not in str(pending)
    now = {tuple(sorted({"__name__": "ALERTS", "alertstate": "firing", **labels}.items()))}
    fires = prometheus_tools._alert(replace(alert, firing_ns=NOW * 10**9 - 5_000_000_000), now)
    assert (fires["first_seen"], fires["firing_now"]) == ("2023-11-14T22:13:15.000Z", True)
