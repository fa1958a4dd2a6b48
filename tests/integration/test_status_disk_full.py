"""`status` while the store's disk is full: it says so and is not ready, until writes succeed again."""

import http.client
import time
from pathlib import Path

import msgspec

from lab.bench.own_console import own_console
from lab.foundation.outcome import Outcome
from lab.foundation.readiness import await_state
from lab.foundation.settings import LabSettings
from lab.stack.intake_rates import IntakeRates
from lab.stack.status import ComponentStatus, State, Status
from tests.payloads import v05

WITHIN_S = 150


def send(port: int) -> None:
    """Send a trace, so that something is to be written."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WITHIN_S)
    strings, [spans] = msgspec.msgpack.decode(v05())
    for span in spans:
        # Another trace each time: what is stored already is not written again.
        span[3] = time.monotonic_ns()
    body = msgspec.msgpack.encode([strings, [spans]])
    connection.request("PUT", "/v0.5/traces", body, {"Content-Type": "application/msgpack"})
    connection.getresponse().read()
    connection.close()


def test_a_full_disk_is_said_and_ends_by_itself(tmp_path: Path) -> None:
    """The console runs and answers, and every component is running: only what it reports tells."""
    log = tmp_path / "log"
    log.mkdir()
    with own_console(tmp_path / "state", log=log) as own:
        settings = LabSettings(_env_file=None, console_port=own.port)

        def status() -> Status:
            component = ComponentStatus(
                name="console", state=State.RUNNING, version=None, address="", pid=None
            )
            intake = IntakeRates.fetch(settings)
            return Status(mode="native", components=(component,), intake=intake)

        def is_failing(wanted: bool) -> str | None:
            send(own.port)
            failing = status().outcome is Outcome.FAILED
            return None if failing is wanted else str(status().intake)

        await_state("status says that all is well", lambda: is_failing(False), within_s=WITHIN_S)
        own.fill_disk()
        await_state(
            "status says that the disk is full", lambda: is_failing(True), within_s=WITHIN_S
        )
        assert "(disk full?)" in str(status().intake)
        assert status().to_json()["ready"] is False
        own.restore()
        await_state("status says that it is over", lambda: is_failing(False), within_s=WITHIN_S)
        assert "disk" not in str(status().intake)
