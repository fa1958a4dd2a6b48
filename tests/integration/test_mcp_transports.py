"""`./creditlab mcp` as a process: what is on its output, how it ends, and who is let in over HTTP."""

import asyncio
import http.client
import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.foundation.settings import ROOT
from tests.fix_postgres import free_port
from tests.mcp_client import Caller, over_http, over_stdio

ENDS_WITHIN_S = 150
HELLO = {
    "jsonrpc": "2.0", "id": 1, "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"},
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Of a lab that does not run."""
    state = tmp_path_factory.mktemp("mcp") / "the state"
    ports = ("POSTGRES_PORT", "PROMETHEUS_PORT", "CONSOLE_PORT")
    return {
        **os.environ,
        **{name: str(free_port()) for name in ports},
        "LAB_STATE_DIR": str(state),
        "DOCKER_HOST": f"unix://{state}/no-engine",
    }


def start(environment: Mapping[str, str], *options: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [str(ROOT / "creditlab"), "mcp", *options],
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_output_is_the_protocol_and_ends_with_the_input(environment: dict[str, str]) -> None:
    """Each line is JSON-RPC, also beside a source that does not answer; end of input ends the process."""
    calls = [
        HELLO,
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
        {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "lab_sessions"}},
    ]
    lines = "\n".join(map(json.dumps, calls))
    process = start(environment)
    assert process.stdin
    assert process.stdout
    with process:
        process.stdin.write(f"{lines}\nno JSON\n")
        process.stdin.flush()
        answers = [json.loads(process.stdout.readline()) for _ in range(3)]
        process.stdin.close()
        rest = process.stdout.read()
        assert process.wait(ENDS_WITHIN_S) == 0
    assert [json.loads(line)["jsonrpc"] for line in rest.splitlines()] == ["2.0"] * rest.count("\n")
    by_id = {one.get("id"): one for one in answers}
    assert by_id[1]["result"]["serverInfo"]["name"] == "credit-lab"
    assert len(by_id[2]["result"]["tools"]) > 20
    result = by_id[3]["result"]
    assert result["isError"]
    assert "./creditlab status" in result["content"][0]["text"]


def test_the_script_of_the_document_runs(environment: dict[str, str]) -> None:
    """As written in docs/mcp.md: it prints the answer of a tool, also of a lab that is down."""
    document = (ROOT / "docs" / "mcp.md").read_text(encoding="utf-8")
    [script] = re.findall(r"```python\n(.*?)```", document, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-P", "-c", script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=ENDS_WITHIN_S,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_ctrl_c_ends_it_while_it_waits_for_input(environment: dict[str, str]) -> None:
    """The input stays open, as from an editor that hangs."""
    process = start(environment)
    assert process.stdin
    assert process.stdout
    with process:
        process.stdin.write(f"{json.dumps(HELLO)}\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == 1
        process.send_signal(signal.SIGINT)
        assert process.wait(ENDS_WITHIN_S) == -signal.SIGINT
        assert process.stderr
        assert "Traceback" not in process.stderr.read()


def test_the_sdk_connects_over_stdio(environment: dict[str, str]) -> None:
    """With one door, as a client's configuration starts it."""

    async def work(lab: Caller) -> None:
        assert "credit workload" in (lab.client.instructions or "")
        assert "closed: " in (await lab.call("log_events")).text
        assert "does not answer" in (await lab.call("promql_query", query="up")).text
        prompts = await lab.client.list_prompts()
        assert "explain_slow_trace" in {prompt.name for prompt in prompts.prompts}
        given = await lab.client.get_prompt("explain_slow_trace", {"trace_id": "slowest\n\nIgnore"})
        assert "the trace slowest Ignore of" in str(given.messages[0].content)

    over_stdio(environment, work, "--with", "prometheus")


@dataclass(frozen=True, kw_only=True)
class Served:
    """A server over HTTP."""

    url: str
    port: int
    token: str
    process: "subprocess.Popen[str]"

    def post(self, headers: Mapping[str, str], body: str | None = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ENDS_WITHIN_S)
        given = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "Authorization": f"Bearer {self.token}",
            **headers,
        }
        try:
            connection.request("POST", "/mcp", body or json.dumps(HELLO), given)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()


@pytest.fixture(scope="module")
def served(environment: dict[str, str]) -> Iterator[Served]:
    process = start(environment, "--http", "--port", "0")
    assert process.stderr
    with process:
        said = process.stderr.readline()
        found = re.search(r"(http://127\.0\.0\.1:(\d+)/mcp), bearer token: (.*)\n", said)
        assert found, said + process.stderr.read()
        token = Path(found[3])
        assert stat.S_IMODE(token.stat().st_mode) == 0o600
        yield Served(
            url=found[1],
            port=int(found[2]),
            token=token.read_text(encoding="utf-8").strip(),
            process=process,
        )
        process.send_signal(signal.SIGTERM)
        process.wait(ENDS_WITHIN_S)


def test_the_sdk_connects_over_http_with_the_token(served: Served) -> None:
    async def work(lab: Caller) -> None:
        assert len(await lab.tools()) > 20
        assert "There is no store" in (await lab.call("log_events")).text
        assert "CREATE TABLE" in await lab.read("creditlab://schema")
        together = await asyncio.gather(*(lab.call("log_plans") for _ in range(60)))
        refused = [answer for answer in together if "Too many concurrent calls" in answer.text]
        others = [answer for answer in together if answer not in refused]
        assert others
        assert all("There is no store" in answer.text for answer in others)

    over_http(served.url, served.token, work)


@pytest.mark.parametrize(
    ("headers", "status", "said"),
    [
        ({}, 200, "credit-lab"),
        ({"Host": "localhost:1"}, 200, "credit-lab"),
        ({"Host": "evil.example:80"}, 421, "is not a host name of this lab"),
        ({"Host": "127.0.0.1.evil.example"}, 421, "is not a host name of this lab"),
        ({"Origin": "https://evil.example"}, 403, "from a web page"),
        ({"Origin": "null"}, 403, "from a web page"),
        ({"Origin": "http://127.0.0.1:1234"}, 403, "from a web page"),
        ({"Sec-Fetch-Site": "cross-site"}, 403, "from a web page"),
        ({"Authorization": ""}, 401, "bearer token is missing or wrong"),
        ({"Authorization": "Bearer wrong"}, 401, "bearer token is missing or wrong"),
        ({"Content-Type": "text/plain"}, 400, "Content-Type"),
    ],
)
def test_who_is_let_in_over_http(
    served: Served, headers: dict[str, str], status: int, said: str
) -> None:
    """A wrong Host or Origin is refused with the token, too: DNS rebinding, and web pages."""
    found, body = served.post(headers)
    assert (found, said in body) == (status, True), body
    assert served.token not in body


def test_a_large_request_is_refused(served: Served) -> None:
    document: dict[str, Any] = {**HELLO, "params": {"padding": "x" * 200_000}}
    assert served.post({}, json.dumps(document))[0] == 413


def test_guessing_tokens_is_limited(served: Served) -> None:
    """The last test on this server: its address is refused for a minute."""
    answers = [served.post({"Authorization": f"Bearer {number}"})[0] for number in range(12)]
    assert answers[0] == 401
    assert answers[-1] == 429
    assert served.post({})[0] == 429


def test_a_port_in_use_is_named(environment: dict[str, str], served: Served) -> None:
    with start(environment, "--http", "--port", str(served.port)) as process:
        output, errors = process.communicate(timeout=ENDS_WITHIN_S)
    assert (process.returncode, output) == (2, "")
    assert f"cannot listen on 127.0.0.1:{served.port}" in errors
    assert "Choose a free port" in errors
