"""The intake over HTTP: what senders get back, what is counted, and what ends up in the store."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import zlib
from pathlib import Path
from typing import TypeVar

import pytest
import zstandard

from lab.foundation.readiness import await_state
from lab.foundation.settings import ROOT
from lab.telemetry.store import ActivitySample, Plan, QueryMetrics, Record, Span
from tests import payloads
from tests.fix_console import RunningConsole, start_console

DEADLINE_S = 150
ATTEMPTS = 5
R = TypeVar("R", bound=Record)
ZSTD = {"Content-Encoding": "zstd", "DD-API-KEY": "0" * 32}


def zstd(body: bytes) -> bytes:
    stream = zstandard.ZstdCompressor().compressobj()
    return stream.compress(body) + stream.flush()


def stored(console: RunningConsole, kind: type[R], count: int, trace_id: str = "") -> list[R]:
    condition = "trace_id = ?" if trace_id else "? = ''"
    found: list[R] = []

    def fewer() -> str | None:
        found[:] = console.reader.select(kind, condition, [trace_id])
        return None if len(found) >= count else f"{len(found)} records"

    await_state(f"{count} {kind.__name__} records are stored", fewer, within_s=DEADLINE_S)
    return found


def test_an_agents_requests(console: RunningConsole) -> None:
    """Each stream of an Agent is answered as Datadog does and stored; what was sent twice is there once."""
    for path, body in {
        "/api/v2/databasequery": payloads.samples(),
        "/api/v2/dbmmetrics": payloads.metrics(queryid=7),
        "/api/v2/dbmactivity": payloads.activity(),
        "/api/v2/dbmmetadata": payloads.metadata(),
        "/api/v2/dbmhealth": b"[{}]",
        "/api/v0.2/traces": payloads.agent_traces(),
        "/api/v0.2/stats": b"\x80",
        "/api/v1/check_run": b"[]",
        "/api/v2/series": payloads.series(),
        "/intake/": b"{}",
        "/api/v1/metadata": b"{}",
    }.items():
        for _ in range(2):
            # An Agent logs an error for statistics that are answered with another status than Datadog's.
            wanted = 202 if path == "/api/v0.2/stats" else 200
            assert console.send("POST", path, zstd(body), ZSTD).status == wanted, path
    assert console.send("GET", "/api/v1/validate").json() == {"valid": True}
    assert len(stored(console, Span, 2, payloads.TRACE_ID)) == 2
    assert len(stored(console, QueryMetrics, 1)) == 1
    assert len(stored(console, ActivitySample, 1)) == 1
    assert len(stored(console, Plan, 1)) == 1
    assert console.metric('lab_intake_items_total{stream="dbm_metrics"}') == 4
    labels = '{queryid="7",role="credit_app",source="agent"}'
    assert console.metric(f"lab_dbm_statement_calls_total{labels}") == 6
    files = b"".join(f.read_bytes() for f in (console.state / "store").iterdir())
    assert [s for s in payloads.SECRETS if s.encode() in files] == []


def test_what_is_refused_is_counted(console: RunningConsole) -> None:
    """Malformed bodies get a 4xx that an Agent does not repeat, and a counted reason."""
    bomb = zlib.compress(b" " * 30_000_000)
    for path, body, headers, status, reason in [
        ("/api/v2/dbmmetrics", b"nonsense", {}, 400, "malformed"),
        ("/api/v2/dbmmetrics", b"nonsense", {"Content-Encoding": "zstd"}, 400, "malformed"),
        ("/api/v2/dbmmetrics", b"x", {"Content-Encoding": "br"}, 415, "encoding"),
        ("/api/v2/dbmmetrics", bomb, {"Content-Encoding": "deflate"}, 413, "too_large"),
    ]:  # fmt: skip
        before = console.metric(
            f'lab_intake_rejected_total{{reason="{reason}",stream="dbm_metrics"}}'
        )
        answer = console.send("POST", path, body, headers)
        assert answer.status == status
        assert answer.json()["errors"]
        after = console.metric(
            f'lab_intake_rejected_total{{reason="{reason}",stream="dbm_metrics"}}'
        )
        assert after == before + 1


def test_unknown_paths(console: RunningConsole) -> None:
    """A POST to an unknown path is answered so that it is not repeated; a GET finds nothing."""
    before = console.metric("lab_intake_unknown_total")
    assert console.send("POST", "/api/v9/novelty", b"x").status == 200
    assert console.send("GET", "/nowhere").status == 404
    assert console.metric("lab_intake_unknown_total") == before + 2


def test_a_length_that_is_too_large_is_refused_before_it_is_sent(console: RunningConsole) -> None:
    """Content-Length alone is enough to refuse a body."""
    with socket.create_connection(("127.0.0.1", console.port), timeout=60) as sock:
        sock.sendall(
            b"POST /v0.5/traces HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n"
        )
        assert b" 413 " in sock.recv(200)


def test_rubbish_instead_of_http(console: RunningConsole) -> None:
    """A client that breaks off, or speaks no HTTP, changes nothing for the others."""
    for rubbish in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20,
        b"POST /v0.5/traces HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nhalf",
        b"POST /v0.5/traces HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET " + b"/" * 100_000,
    ):
        with socket.create_connection(("127.0.0.1", console.port), timeout=60) as sock:
            sock.sendall(rubbish)
    assert console.send("POST", "/v0.5/traces", payloads.v05()).status == 200
    assert len(stored(console, Span, 2, payloads.TRACE_ID)) == 2


PROGRAM = """
from ddtrace import patch
from ddtrace.trace import tracer
with tracer.trace("credit.operation", resource="lookup", span_type="worker") as root:
    root.set_tag("credit.outcome", "ok")
    root.set_tag("customer.name", "Marilda Sigilosa")
    with tracer.trace("postgres.query", resource="SELECT '39053344705'", span_type="sql"):
        print(f"{root.trace_id:032x} {root.span_id:016x}")
tracer.flush()
"""


@pytest.mark.parametrize("version", ["v0.4", "v0.5"])
def test_a_real_ddtrace(console: RunningConsole, version: str) -> None:
    """What ddtrace sends is stored under the ids that ddtrace itself gave."""
    before = console.metric("lab_intake_unknown_total")
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "DD_TRACE_AGENT_URL": console.url, "DD_TRACE_API_VERSION": version,
             "DD_SERVICE": "credit-customers", "DD_ENV": "lab"},
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    trace_id, root_id = answer.stdout.split()
    stored(console, Span, 2, trace_id)
    root, child = console.reader.trace(trace_id)
    assert (root.span_id, root.parent_id, child.parent_id) == (root_id, None, root_id)
    assert (root.resource, child.resource) == ("lookup", "SELECT ?")
    assert root.tags["credit.outcome"] == "ok"
    assert root.tags["env"] == "lab"
    assert "customer.name" not in root.tags
    stream = f"traces_{version.replace('.', '')}"
    assert console.metric(f'lab_intake_requests_total{{stream="{stream}"}}') >= 1
    # At its end the tracer asks for what the intake can do, and reports its own telemetry.
    assert console.metric('lab_intake_requests_total{stream="info"}') >= 1
    assert console.metric("lab_intake_unknown_total") == before


def test_a_token_when_it_is_set(tmp_path: Path) -> None:
    """Agents give it as API key, readers as bearer; a tracer of this machine has none."""
    console = start_console(tmp_path, LAB_CONSOLE_TOKEN="s3cret-token", BIND_ADDRESS="127.0.0.1")
    try:
        body = payloads.v05()
        assert console.send("POST", "/v0.5/traces", body).status == 200
        wanted = {"s3cret-token": 200, "wrong": 403, "": 403}
        for token, status in wanted.items():
            given = {"DD-API-KEY": token} if token else {}
            assert console.send("POST", "/intake/", b"{}", given).status == status
        assert console.send("GET", "/metrics").status == 401
        bearer = {"Authorization": "Bearer s3cret-token"}
        assert console.send("GET", "/metrics", headers=bearer).status == 200
    finally:
        console.stop()


def refusal(tmp_path: Path, **environment: str) -> str:
    answer = subprocess.run(
        [sys.executable, "-P", "-m", "lab.console"], cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "LAB_STATE_DIR": str(tmp_path), **environment}, check=False, timeout=60,
    )  # fmt: skip
    assert answer.returncode == 2
    assert "Traceback" not in answer.stderr
    return answer.stderr


def test_it_does_not_listen_to_others_without_a_token(tmp_path: Path) -> None:
    """Bound elsewhere than loopback it demands a token, and says how to set one."""
    assert "LAB_CONSOLE_TOKEN" in refusal(tmp_path, BIND_ADDRESS="0.0.0.0")  # noqa: S104


def test_a_taken_port(tmp_path: Path, console: RunningConsole) -> None:
    """A port that is taken is named, with the setting that changes it."""
    assert "CONSOLE_PORT" in refusal(tmp_path, CONSOLE_PORT=str(console.port))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_what_was_stored_survives_the_process(tmp_path: Path, how: signal.Signals) -> None:
    """After SIGTERM all that was answered is in the store; after SIGKILL all that was seen there still is."""
    console = start_console(tmp_path)
    sent = 20
    for _ in range(sent):
        assert console.send("POST", "/v0.5/traces", payloads.v05()).status == 200
    if how == signal.SIGKILL:
        stored(console, Span, 2, payloads.TRACE_ID)
    console.process.send_signal(how)
    console.process.wait(DEADLINE_S)
    again = start_console(tmp_path)
    try:
        assert len(again.reader.select(Span)) == 2
    finally:
        again.stop()


def test_health_and_rates(console: RunningConsole) -> None:
    """/healthz tells the rates that `status` shows."""
    console.send("POST", "/v0.5/traces", payloads.v05(500))
    health = console.send("GET", "/healthz")
    assert health.status == http.client.OK
    assert health.json()["state"] == "running"
    assert health.json()["rates"]["spans_per_s"] > 0


def test_it_answers_while_it_decodes(console: RunningConsole) -> None:
    """A health check during large payloads is answered before they are, in one of five turns."""
    body = payloads.v05(40_000)
    for _ in range(ATTEMPTS):
        busy = [
            threading.Thread(target=console.send, args=("POST", "/v0.5/traces", body))
            for _ in range(3)
        ]
        for thread in busy:
            thread.start()
        assert console.send("GET", "/healthz").status == http.client.OK
        under_way = [thread for thread in busy if thread.is_alive()]
        for thread in busy:
            thread.join()
        if under_way:
            return
    raise AssertionError(f"{ATTEMPTS} health checks were answered after all payloads")
