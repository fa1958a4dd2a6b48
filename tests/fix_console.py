"""A console on a free port in a process of its own, and a client for its HTTP side."""

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.foundation.readiness import await_state
from lab.foundation.settings import ROOT
from lab.telemetry.store import Reader
from tests.fix_postgres import free_port

START_S = 240
STOP_S = 150


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the console answered."""

    status: int
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, kw_only=True)
class RunningConsole:
    """A console under test; `sender` is the address that requests come from, of 127.0.0.0/8."""

    port: int
    state: Path
    process: subprocess.Popen[bytes]
    sender: str | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def reader(self) -> Reader:
        return Reader(self.state / "store" / "store.sqlite")

    def send(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        sender = (self.sender, 0) if self.sender else None
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=120, source_address=sender
        )
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return Answer(status=response.status, body=response.read())
        finally:
            connection.close()

    def metric(self, line: str) -> float:
        """Return a sample of /metrics by its name and labels, 0 when it is not there."""
        for sample in self.send("GET", "/metrics").body.decode().splitlines():
            if sample.startswith(f"{line} "):
                return float(sample.rpartition(" ")[2])
        return 0.0

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(STOP_S)


def start_console(state: Path, log: Path | None = None, /, **environment: str) -> RunningConsole:
    """Start a console, what it writes going to `log` if given, and wait until it answers."""
    port = free_port()
    settings = {"LAB_STATE_DIR": str(state), "CONSOLE_PORT": str(port)}
    # Not those of a lab that runs on this machine.
    settings |= {name: str(free_port()) for name in ("POSTGRES_PORT", "PROMETHEUS_PORT")}
    settings |= environment
    with ExitStack() as files:
        output = files.enter_context(log.open("ab")) if log else None
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "lab.console"],
            cwd=ROOT,
            env={**os.environ, **settings},
            stdout=output,
            stderr=output,
        )
    console = RunningConsole(port=port, state=state, process=process)

    def silent() -> str | None:
        assert process.poll() is None, f"the console ended with status {process.returncode}"
        try:
            status = console.send("GET", "/healthz").status
        except OSError as error:
            return str(error)
        return None if status == http.client.OK else f"status {status}"

    try:
        await_state("the console answers /healthz", silent, within_s=START_S)
    except BaseException:
        process.kill()
        process.wait()
        raise
    return console


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    """A running console, shared by a module's tests: its counters and its store continue."""
    running = start_console(tmp_path_factory.mktemp("console"))
    try:
        yield running
    finally:
        running.stop()
