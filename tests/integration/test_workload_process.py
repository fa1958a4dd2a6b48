"""The process of a service from outside: how it starts, refuses to start, and ends."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

from lab.foundation.readiness import await_state
from lab.foundation.settings import ROOT
from tests.fix_postgres import Database, free_port, settings_for
from tests.fix_workload import environment_of, one, running_service

END_SECONDS = 150
SESSIONS = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'credit_app'
"""
OFF = {"DD_TRACE_ENABLED": "false"}


def test_sigterm_finishes_what_is_queued_and_ends_with_0(seeded: Database, tmp_path: Path) -> None:
    """Every proposal that arrived is in the database; the log's last word is `stopped`."""
    settings = seeded.settings.model_copy(
        # Few enough for a slow machine to finish within the ten seconds of a drain.
        update={"rate_submit": 50.0, "rate_browse": 0.0, "rate_withdraw": 0.0}
    )
    with running_service("proposals", settings, tmp_path, OFF) as process:
        await_state(
            "some submissions",
            lambda: None if process.total("credit_arrivals_total") > 20 else "fewer",
            within_s=END_SECONDS,
        )
        process.popen.send_signal(signal.SIGTERM)
        assert process.popen.wait(END_SECONDS) == 0
    assert '"message": "stopped"' in process.output.read_text().splitlines()[-1]
    assert process.errors.read_text() == ""

    def left() -> str | None:
        sessions = one(seeded, SESSIONS)
        return f"{sessions} sessions" if sessions else None

    # A backend ends a moment after its client.
    await_state("no session is left", left, within_s=END_SECONDS)


def test_a_traced_service_leaves_no_file_behind(tmp_path: Path) -> None:
    """The tracer, too, has nothing in the directory for temporary files when the process has ended."""
    place = tmp_path / "temporary"
    place.mkdir()
    settings = settings_for(port=free_port(), database="none").model_copy(
        update={"risk_port": free_port(), "workload_load": 0.0}
    )
    with running_service("risk", settings, tmp_path, {"TMPDIR": str(place)}):
        pass
    assert list(place.iterdir()) == []


def test_a_service_starts_without_a_database_and_ends_in_order(tmp_path: Path) -> None:
    """Healthy means that the process serves; the operations report that the database is unavailable."""
    settings = settings_for(port=free_port(), database="none").model_copy(
        update={"risk_port": free_port(), "workload_load": 10.0}
    )
    with running_service("risk", settings, tmp_path, OFF) as process:
        await_state(
            "attempts to connect",
            lambda: None if process.total("credit_database_errors_total") > 3 else "fewer",
            within_s=END_SECONDS,
        )
    assert process.popen.returncode == 0


def run(
    name: str, port_setting: str, port: int, **changes: str
) -> subprocess.CompletedProcess[str]:
    settings = settings_for(port=free_port(), database="none").model_copy(
        update={port_setting: port}
    )
    return subprocess.run(
        [sys.executable, "-m", "workload", name],
        cwd=ROOT,
        env=environment_of(settings, **changes),
        capture_output=True,
        text=True,
        timeout=END_SECONDS,
        check=False,
    )


def test_a_taken_port_is_one_line_and_status_2() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        ended = run("risk", "risk_port", port, **OFF)
    assert ended.returncode == 2
    assert ended.stderr == (
        f"cannot listen on 127.0.0.1:{port}: Address already in use; RISK_PORT in .env changes the port\n"
    )


def test_a_malformed_setting_is_named_and_status_2() -> None:
    ended = run("risk", "risk_port", free_port(), WORKLOAD_THREADS="many")
    assert ended.returncode == 2
    complaint, way_out = ended.stderr.splitlines()
    assert complaint.startswith("WORKLOAD_THREADS: ")
    assert "Correct it" in way_out


def test_an_unknown_service_is_refused_with_those_there_are() -> None:
    ended = run("treasury", "risk_port", free_port())
    assert ended.returncode == 2
    assert "underwriting" in ended.stderr
    assert "Traceback" not in ended.stderr
