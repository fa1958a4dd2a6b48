"""Prometheus scrapes the console with its token, with the configuration of each mode."""

import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from lab.drills import reporting
from lab.drills.reporting import PATH, Detection, DrillReport
from lab.drills.running import DrillFiles, Running
from lab.drills.summary import MAX_BYTES
from lab.foundation import clock
from lab.foundation.paths import Paths
from lab.foundation.readiness import await_state
from lab.foundation.settings import LabSettings
from lab.stack import mode
from lab.stack.docker.backend import DockerBackend
from tests.dashboards import FILES, load
from tests.fix_console import start_console
from tests.fix_postgres import free_port
from tests.fix_prometheus import running_prometheus

SCRAPED_S = 120
UP = 'up{job="lab", component="console"}'
TOKEN = "a-token-of-this-test-" + "0" * 16


@pytest.mark.real_clock  # of Prometheus; no record is stored
def test_prometheus_reads_the_running_drill_from_a_console_that_requires_a_token(
    tmp_path: Path,
    monitoring: Path,  # noqa: ARG001 - what runs, for each release
) -> None:
    """Native mode's configuration; the annotation that every dashboard has then names the drill."""
    console = start_console(tmp_path, LAB_CONSOLE_TOKEN=TOKEN)
    try:
        assert console.send("GET", "/metrics").status == 401
        settings = LabSettings(
            _env_file=None,
            lab_state_dir=tmp_path,
            lab_console_token=SecretStr(TOKEN),
            console_port=console.port,
            embedded_agent_port=free_port(),
        )
        place = DrillFiles(Paths.of(settings))
        place.write(
            Running(
                run="0" * 12,
                drill="row-lock",
                intensity=1.0,
                pid=os.getpid(),
                began_ns=clock.now_ns(),
            )
        )
        [drills] = {
            mark["expr"]
            for file in FILES
            for mark in load(file)["annotations"]["list"]
            if mark["name"] == "Drills"
        }
        with running_prometheus(settings) as prometheus:

            def unmarked() -> str | None:
                # At the same moment: a scrape that fails on a busy machine ends both for a second.
                found = prometheus.query(f"({drills}) and on () ({UP} == 1)")
                return None if found == [({"drill": "row-lock"}, 1.0)] else f"marks: {found}"

            await_state("the running drill is a mark", unmarked, within_s=SCRAPED_S)
    finally:
        console.stop()


def test_a_console_in_a_container_exports_the_drills_that_are_reported_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in Docker mode: its state directory is not the runner's, and it requires its token."""
    console = start_console(tmp_path, LAB_CONSOLE_TOKEN=TOKEN)
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    settings = LabSettings(
        _env_file=None, lab_console_token=SecretStr(TOKEN), console_port=console.port
    )
    monkeypatch.setattr(mode, "running", lambda _: iter([DockerBackend(settings=settings)]))
    monkeypatch.setattr(DockerBackend, "running_settings", lambda _: settings)
    found = Detection(drill="row-lock", observer="datadog_dbm", seen="seen", after_s=4.5)
    try:
        reporting.send(settings, DrillReport(running="row-lock", detections=(found,)))
        text = console.send("GET", "/metrics", headers=bearer).body.decode()
        assert 'lab_drill_running{drill="row-lock"} 1.0' in text
        of = 'drill="row-lock",observer="datadog_dbm"'
        assert f"lab_drill_detection_seconds{{{of}}} 4.5" in text
        assert f'lab_drill_verdict{{{of},verdict="seen"}} 1.0' in text
        assert console.send("PUT", PATH, b"{}").status == 401
        assert console.send("PUT", PATH, b"[]", bearer).status == 400
        assert console.send("PUT", PATH, b" " * (MAX_BYTES + 1), bearer).status == 413
        foreign = {**bearer, "Origin": "http://example.com"}
        assert console.send("PUT", PATH, b"{}", foreign).status == 403
    finally:
        console.stop()
