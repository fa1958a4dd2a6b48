"""prometheus/ against promtool, the exporter's names and the services' table of metrics."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from lab.foundation.addresses import DEFAULT_CONSOLE, DEFAULT_GRAFANA
from lab.foundation.settings import ROOT, LabSettings
from lab.stack.prometheus_configuration import (
    CONSOLE_TOKEN,
    configure,
)
from tests.promql import metric_names
from workload.metrics import TABLE, Kind
from workload.settings import Settings

PROMETHEUS = ROOT / "prometheus"
RULE_FILES = sorted((PROMETHEUS / "rules").glob("*.yml"))
RULE_TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))
SERVICES = ("proposals", "underwriting", "customers", "servicing", "risk")


def load_rules(file: Path) -> list[dict[str, Any]]:
    groups = yaml.safe_load(file.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def rule_id(rule: dict[str, Any]) -> str:
    labels = ",".join((rule.get("labels") or {}).values())
    return f"{rule.get('record') or rule['alert']}[{labels}]"


def recorded_names() -> set[str]:
    rules = [rule for file in RULE_FILES for rule in load_rules(file)]
    return {rule["record"] for rule in rules if "record" in rule}


def workload_series() -> set[str]:
    """Return every series name that the services' metrics become in Prometheus."""
    names: set[str] = set()
    for metric in TABLE:
        if metric.kind is Kind.COUNTER:
            names.add(f"{metric.name}_total")
        elif metric.kind is Kind.HISTOGRAM:
            names |= {f"{metric.name}_{part}" for part in ("bucket", "count", "sum")}
        else:
            names.add(metric.name)
    return names


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", "--lint=all", "--lint-fatal", *RULE_FILES),
        ("test", "rules", *RULE_TESTS),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_promtool_accepts_rules_and_rule_tests(
    arguments: tuple[str | Path, ...], monitoring: Path
) -> None:
    """Prometheus 2.53 and 3.5, whose ranges differ at the left end, give the same results."""
    reported = subprocess.run(
        [monitoring / "promtool", *arguments],
        # A third of its processor time is the collection of garbage.
        env={**os.environ, "GOGC": "off", "GOMEMLIMIT": "600MiB"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert reported.returncode == 0, reported.stdout + reported.stderr


def test_promtool_accepts_the_configuration_that_up_writes(
    monitoring: Path, tmp_path: Path
) -> None:
    """With the file of the console's token, which the configuration names."""
    settings = LabSettings(
        _env_file=None, lab_console_token=SecretStr("t" * 32), console_port=18088
    )
    configure(tmp_path / "etc", settings, {"risk": 8005})
    rules = (tmp_path / "etc" / "rules" / "alerts.yml").read_text()
    assert "runbook_url: http://127.0.0.1:18088/runbook/Watchdog\n" in rules
    assert DEFAULT_CONSOLE not in rules
    token = tmp_path / "etc" / CONSOLE_TOKEN
    assert (token.read_text(), token.stat().st_mode & 0o777) == ("t" * 32, 0o600)
    command = [str(monitoring / "promtool"), "check", "config", "--lint=all", "--lint-fatal"]
    reported = subprocess.run(
        [*command, tmp_path / "etc" / "prometheus.yml"], capture_output=True, text=True, check=False
    )
    assert reported.returncode == 0, reported.stdout + reported.stderr


def test_the_entry_point_of_compose_writes_the_token_where_the_configuration_reads_it() -> None:
    configuration = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    [lab] = [job for job in configuration["scrape_configs"] if job["job_name"] == "lab"]
    assert lab["authorization"] == {"credentials_file": str(CONSOLE_TOKEN)}
    script = (PROMETHEUS / "docker-entrypoint.sh").read_text()
    assert f'>"$1/{CONSOLE_TOKEN.name}"\n' in script
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    token = compose["console"]["environment"]["LAB_CONSOLE_TOKEN"]
    for name in ("prometheus", "alertmanager"):
        directory = f"/etc/{name}/{CONSOLE_TOKEN.parent}"
        [tmpfs] = compose[name]["tmpfs"]
        assert tmpfs.startswith(f"{directory}:")
        assert compose[name]["entrypoint"][2:] == [directory, f"/bin/{name}"]
        assert compose[name]["environment"] == {"CONSOLE_TOKEN": token}
    receiver = (PROMETHEUS / "alertmanager.yml").read_text()
    assert f"{{credentials_file: /etc/alertmanager/{CONSOLE_TOKEN}}}\n" in receiver


def test_promtool_notices_a_rule_that_computes_something_else(
    monitoring: Path, tmp_path: Path
) -> None:
    """The rule tests can fail: a factor slipped into one rule is found."""
    for folder in ("rules", "tests"):
        (tmp_path / folder).mkdir()
    [rule_tests] = [file for file in RULE_TESTS if file.name == "recording.yml"]
    (tmp_path / "tests" / rule_tests.name).write_text(rule_tests.read_text())
    rules = (PROMETHEUS / "rules" / "recording.yml").read_text()
    (tmp_path / "rules" / "recording.yml").write_text(
        rules.replace("expr: sum by (service) (", "expr: 2 * sum by (service) (", 1)
    )
    reported = subprocess.run(
        [monitoring / "promtool", "test", "rules", tmp_path / "tests" / rule_tests.name],
        capture_output=True,
        text=True,
        check=False,
    )
    assert reported.returncode != 0
    assert "service:credit_operations:rate1m" in reported.stdout + reported.stderr


@pytest.mark.parametrize("rule", [r for f in RULE_FILES for r in load_rules(f)], ids=rule_id)
def test_every_rule_reads_only_metrics_that_somebody_declares(rule: dict[str, Any]) -> None:
    """A `credit_` metric is one of workload/metrics.py, and a recorded one is recorded here.

    The names that PostgreSQL's exporter gives are held against a live scrape in
    tests/integration/test_exporter.py.
    """
    own = {name for name in metric_names(rule["expr"]) if name.startswith("credit_") or ":" in name}
    known = workload_series() | recorded_names() | {"credit_statement_info"}
    assert own <= known


def test_every_recording_rule_has_a_unit_test() -> None:
    text = "".join(file.read_text() for file in RULE_TESTS)
    assert {name for name in recorded_names() if name not in text} == set()


def test_every_alert_has_a_severity_a_runbook_and_a_unit_test() -> None:
    headings = re.findall(r"^## (\w+)$", (ROOT / "docs" / "alerts.md").read_text(), re.MULTILINE)
    alerts = [r for file in RULE_FILES for r in load_rules(file) if "alert" in r]
    assert [alert["alert"] for alert in alerts] == headings
    tested = "".join(file.read_text() for file in RULE_TESTS)
    for alert in alerts:
        severities = {"none"} if alert["alert"] == "Watchdog" else {"critical", "warning"}
        assert alert["labels"]["severity"] in severities
        notes = alert["annotations"]
        assert notes["runbook"] == f"docs/alerts.md#{alert['alert'].lower()}"
        assert notes["runbook_url"] == f"{DEFAULT_CONSOLE}/runbook/{alert['alert']}"
        board = notes["dashboard_url"].removeprefix(f"{DEFAULT_GRAFANA}/d/")
        assert (ROOT / "grafana" / "dashboards" / f"{board}.json").is_file()
        assert notes["summary"]
        assert notes["description"].endswith(".")
        assert f"runbook: {alert['annotations']['runbook']}\n" in tested


def test_the_documentation_lists_every_rule_and_every_series_of_our_own() -> None:
    text = (ROOT / "docs" / "prometheus.md").read_text()
    queries = yaml.safe_load((PROMETHEUS / "exporter" / "queries.yaml").read_text())
    series = {
        column if column == "info" else f"_{column}"
        for query in queries.values()
        for metric in query["metrics"]
        for column, mapping in metric.items()
        if mapping["usage"] in {"COUNTER", "GAUGE"}
    }
    assert {name for name in recorded_names() | series if name not in text} == set()


def test_every_query_of_the_exporter_ends_in_a_name() -> None:
    """The observer's own statements can be identified in the statistics that it reads."""
    queries = yaml.safe_load((PROMETHEUS / "exporter" / "queries.yaml").read_text())
    names = [
        re.search(r"/\*service='postgres-exporter',statement='(\w+)'\*/$", query["query"].strip())
        for query in queries.values()
    ]
    assert None not in names


def test_no_scrape_lasts_longer_than_its_interval() -> None:
    """A scrape that is still running when the next is due would pile up connections."""
    configuration = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    default = configuration["global"]["scrape_interval"]
    for job in configuration["scrape_configs"]:
        interval = seconds(job.get("scrape_interval", default))
        assert seconds(job.get("scrape_timeout", "10s")) <= interval, job["job_name"]


def test_docker_targets_are_the_compose_services_at_their_default_ports() -> None:
    """Every file_sd file of prometheus.yml has its Docker version, with each service once."""
    configuration = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    wanted = {
        Path(pattern).name
        for job in configuration["scrape_configs"]
        for discovery in job["file_sd_configs"]
        for pattern in discovery["files"]
    }
    folder = PROMETHEUS / "targets.docker"
    assert {file.name for file in folder.glob("*.json")} == wanted | {"alertmanager.json"}
    [alertmanager] = json.loads((folder / "alertmanager.json").read_text())
    port = LabSettings.model_fields["alertmanager_port"].default
    assert alertmanager == {"targets": [f"alertmanager:{port}"]}
    [console] = json.loads((folder / "lab.json").read_text())
    port = LabSettings.model_fields["console_port"].default
    assert console == {"targets": [f"console:{port}"], "labels": {"component": "console"}}
    services = json.loads((folder / "workload.json").read_text())
    assert {group["labels"]["service"]: group["targets"] for group in services} == {
        f"credit-{name}": [f"{name}:{Settings.model_fields[f'{name}_port'].default}"]
        for name in SERVICES
    }


def seconds(duration: str) -> int:
    assert duration.endswith("s")
    return int(duration.removesuffix("s"))
