"""Real rules, Prometheus and Alertmanager: an alert reaches the console; a cause suppresses its effects."""

import subprocess
import time
from pathlib import Path

import pytest
import yaml
from pydantic import SecretStr

from lab.console.notifications import NotificationFile, Received
from lab.foundation.paths import Paths
from lab.foundation.readiness import await_state
from lab.foundation.settings import ROOT, LabSettings
from lab.stack.native import binaries
from lab.stack.native.alertmanager import fetch_alertmanager, find
from lab.stack.native.commands import COMMANDS, Launch
from tests.fix_console import start_console
from tests.fix_postgres import free_port
from tests.fix_prometheus import running, running_prometheus

TOKEN = "a-token-of-this-test-" + "0" * 16
NOTIFIED_S = 150
CONFIGURATION = ROOT / "prometheus" / "alertmanager.yml"


@pytest.mark.parametrize("release", binaries.MONITORING_RELEASES)
def test_amtool_accepts_the_configuration(release: str) -> None:
    amtool = fetch_alertmanager(release) / "usr" / "bin" / "amtool"
    reported = subprocess.run(
        [amtool, "check-config", CONFIGURATION], capture_output=True, text=True, check=False
    )
    assert reported.returncode == 0, reported.stdout + reported.stderr


def test_inhibition_names_alerts_that_exist() -> None:
    rules = yaml.safe_load((ROOT / "prometheus" / "rules" / "alerts.yml").read_text())
    names = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    text = str(yaml.safe_load(CONFIGURATION.read_text())["inhibit_rules"])
    for word in text.replace("|", " ").replace('"', " ").replace("'", " ").split():
        name = word.strip("[]{}:,")
        if name[:1].isupper():
            assert any(known.startswith(name.removesuffix(".*")) for known in names), name


@pytest.mark.real_clock  # of Prometheus and Alertmanager; no record is stored
def test_an_alert_reaches_the_console_and_its_page(tmp_path: Path) -> None:
    """No service and no exporter runs: ExporterDown fires, ExporterBlind does not; Watchdog arrives."""
    console = start_console(tmp_path, LAB_CONSOLE_TOKEN=TOKEN)
    settings = LabSettings(
        _env_file=None,
        lab_state_dir=tmp_path,
        lab_console_token=SecretStr(TOKEN),
        console_port=console.port,
        alertmanager_port=free_port(),
        exporter_port=free_port(),
        embedded_agent_port=free_port(),
    )
    received = NotificationFile(Paths.of(settings))
    find()  # so that Prometheus has it as a target
    command = COMMANDS["alertmanager"](Launch(settings=settings, services=()))

    def missing() -> str | None:
        found: Received = received.read()
        names = {(one.name, one.status) for one in found.notifications}
        expected = ("ExporterDown", "firing") in names and found.watchdog_ns is not None
        return None if expected else f"{sorted(names)}, watchdog {found.watchdog_ns}"

    try:
        with (
            running(command, f"http://127.0.0.1:{settings.alertmanager_port}/-/ready"),
            running_prometheus(settings),
        ):
            await_state("the alert reaches the console", missing, within_s=NOTIFIED_S)
            names = {one.name for one in received.read().notifications}
            assert "ExporterBlind" not in names
            bearer = {"Authorization": f"Bearer {TOKEN}", "Accept": "text/html"}
            page = console.send("GET", "/alerts", headers=bearer)
            assert page.status == 200
            text = page.body.decode()
            assert '<a href="/runbook/ExporterDown">' in text
            assert "Watchdog at" in text
            runbook = console.send("GET", "/runbook/ExporterDown", headers=bearer)
            assert runbook.status == 200
    finally:
        console.stop()


def test_only_alertmanager_with_the_token_may_notify(tmp_path: Path) -> None:
    console = start_console(tmp_path, LAB_CONSOLE_TOKEN=TOKEN)
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    began = time.time_ns()
    try:
        assert console.send("POST", "/api/alerts", b'{"alerts": []}').status == 401
        assert console.send("POST", "/api/alerts", b"{}", bearer).status == 400
        assert console.send("POST", "/api/alerts", b" " * 1_000_001, bearer).status == 413
        body = (
            b'{"version": "4", "alerts": [{"status": "resolved", "startsAt": "2026-01-01T00:00:00Z",'
            b' "labels": {"alertname": "Deadlock", "severity": "warning", "datname": "<b>"},'
            b' "annotations": {"summary": "<script>"}}]}'
        )
        assert console.send("POST", "/api/alerts", body, bearer).status == 204
        [one] = NotificationFile(Paths(state=tmp_path)).read().notifications
        assert (one.name, one.status, one.labels) == ("Deadlock", "resolved", {"datname": "<b>"})
        assert one.received_ns >= began
        text = console.send("GET", "/alerts", headers=bearer).body.decode()
        assert "&lt;script&gt;" in text
        assert "<script>" not in text
    finally:
        console.stop()
