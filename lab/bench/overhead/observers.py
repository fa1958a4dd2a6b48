"""The observers of the benchmark's own server, and somebody who takes what they send and forgets it.

What the real receiver does with it, an Agent's processes or the lab's console, is work of its own on a
machine that may be another one; `compare` has the processes of a lab that runs.
"""

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic

from lab.bench.overhead.process import Process, running
from lab.bench.own_console import free_port
from lab.foundation.errors import LabError
from lab.foundation.settings import LabSettings
from lab.stack.components import SERVICES, find
from lab.stack.native.command import Launch
from lab.stack.native.commands import COMMANDS

START_S = 60
# As prometheus/prometheus.yml has it.
SCRAPE_TIMEOUT_S = 9
INFO = {"version": "7.0.0", "endpoints": ["/v0.5/traces"], "client_drop_p0s": False}
TAKEN = {"rate_by_service": {"service:,env:": 1.0}}


class _Forgetting(BaseHTTPRequestHandler):
    """Answers as an Agent and an intake do."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(INFO if self.path == "/info" else {})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(TAKEN)

    do_PUT = do_POST  # noqa: N815 - the base class looks for this name

    def _answer(self, told: object) -> None:
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's
        """Say nothing."""


@contextmanager
def sink() -> Iterator[int]:
    """Give the port of somebody who takes spans and payloads."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Forgetting)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="sink", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def observer(component: str, settings: LabSettings, state: Path) -> Iterator[Process]:
    """Run the exporter or the agent of a lab against the server of these settings.

    Raises:
        LabError: when it does not start.
    """
    found = find(component)
    command = COMMANDS[found.name](Launch(settings=settings, services=SERVICES))
    with running(component, command, state) as process:
        process.await_ready(lambda: found.probe(settings), START_S)
        yield process


def observed(settings: LabSettings, *, console_port: int) -> LabSettings:
    """Return settings with which both observers start beside those of a lab that runs."""
    return settings.model_copy(
        update={
            "exporter_port": free_port(),
            "embedded_agent_port": free_port(),
            "console_port": console_port,
            "datadog_agent": "embedded",
        }
    )


@contextmanager
def scraped(settings: LabSettings, *, every_s: float) -> Iterator[None]:
    """Scrape the exporter during a block, at the middle of each interval.

    Raises:
        LabError: at the end of the block, when a scrape failed.
    """
    over = threading.Event()
    failures: list[str] = []

    def scrape_until_over() -> None:
        due = monotonic() + every_s / 2
        while not over.wait(max(due - monotonic(), 0)):
            if problem := _scrape(settings.exporter_port):
                failures.append(problem)
            due += every_s

    thread = threading.Thread(target=scrape_until_over, name="scraper", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    if failures:
        raise LabError(f"A scrape of the benchmark's exporter failed: {failures[0]}")


def _scrape(port: int) -> str | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SCRAPE_TIMEOUT_S)
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()
    return None if answer.status == http.client.OK else f"status {answer.status}"
