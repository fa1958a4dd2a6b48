"""The observers of the benchmark's server, and a receiver that discards their payloads.

The work of a real receiver, such as an Agent's processes or the lab's console, may be on another machine;
`compare` measures the processes of a running lab.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic

from lab.bench.own_console import free_port
from lab.bench.process import Process, running
from lab.clients import http
from lab.foundation.errors import LabError
from lab.foundation.settings import LabSettings
from lab.stack.components import SERVICES, find
from lab.stack.native.commands import COMMANDS, Launch

START_S = 60
# As in prometheus/prometheus.yml.
SCRAPE_TIMEOUT_S = 9
# As of an Agent: a tracer that computes statistics itself need not send the spans that sampling rejects.
INFO = {
    "version": "7.60.0",
    "endpoints": ["/v0.4/traces", "/v0.5/traces", "/v0.6/stats"],
    "client_drop_p0s": True,
}
TAKEN = {"rate_by_service": {"service:,env:": 1.0}}


class _Forgetting(BaseHTTPRequestHandler):
    """Answers requests like an Agent and an intake."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(INFO if self.path == "/info" else {})

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self.rfile.read(length)
        assert isinstance(self.server, _Receiver)
        self.server.received.append(length)
        self._answer(TAKEN)

    do_PUT = do_POST  # noqa: N815 - the base class calls this name

    def _answer(self, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's
        """Say nothing."""


class _Receiver(ThreadingHTTPServer):
    """Keeps the length of each payload, in bytes."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Forgetting)
        self.received: list[int] = []


@dataclass(frozen=True, kw_only=True)
class Sink:
    """The receiver's port, and what it has received."""

    port: int
    lengths: list[int]

    @property
    def received(self) -> int:
        """Bytes of payloads so far."""
        return sum(self.lengths)


@contextmanager
def sink() -> Iterator[Sink]:
    """Yield a receiver of spans and payloads."""
    server = _Receiver()
    thread = threading.Thread(target=server.serve_forever, name="sink", daemon=True)
    thread.start()
    try:
        yield Sink(port=server.server_port, lengths=server.received)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def observer(component: str, settings: LabSettings, state: Path) -> Iterator[Process]:
    """Run the exporter or the agent of a lab for the server of these settings.

    Raises:
        LabError: when it does not start.
    """
    found = find(component)
    command = COMMANDS[found.name](Launch(settings=settings, services=SERVICES))
    with running(component, command, state) as process:
        process.await_ready(lambda: found.probe(settings), START_S)
        yield process


def observed(settings: LabSettings, *, console_port: int) -> LabSettings:
    """Return settings with free ports, so that both observers start beside a running lab."""
    return settings.model_copy(
        update={
            "exporter_port": free_port(),
            "embedded_agent_port": free_port(),
            "console_port": console_port,
            "datadog_agent": "embedded",
        }
    )


@contextmanager
def scraped(settings: LabSettings, *, every_s: float) -> Iterator[list[int]]:
    """Scrape the exporter during a block, in the middle of each interval; yield the lengths of the pages.

    Raises:
        LabError: at the end of the block, when a scrape failed.
    """
    over = threading.Event()
    failures: list[str] = []
    pages: list[int] = []

    def scrape_until_over() -> None:
        due = monotonic() + every_s / 2
        while not over.wait(max(due - monotonic(), 0)):
            try:
                pages.append(_scrape(settings.exporter_port))
            except http.NoResponseError as error:
                failures.append(str(error))
            due += every_s

    thread = threading.Thread(target=scrape_until_over, name="scraper", daemon=True)
    thread.start()
    try:
        yield pages
    finally:
        over.set()
        thread.join()
    if failures:
        raise LabError(f"A scrape of the benchmark's exporter failed: {failures[0]}")


def _scrape(port: int) -> int:
    """Return the length of the exporter's page."""
    answer = http.send("GET", "127.0.0.1", port, "/metrics", timeout_s=SCRAPE_TIMEOUT_S)
    if not answer.is_ok:
        raise http.NoResponseError(f"status {answer.status}")
    return len(answer.body)
