""".env.example against the settings: one list of all settings, none missing, none unknown."""

import re
from collections import Counter
from pathlib import Path

import pytest
from pydantic import SecretStr

from lab.foundation.settings import ROOT, DatadogSettings, LabSettings

LINES = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
KNOB = re.compile(r"^(?:# )?([A-Z][A-Z0-9_]+)=(.*)$")
KNOBS = [(match[1], match[2]) for line in LINES if (match := KNOB.match(line))]
FIELDS = {**LabSettings.model_fields, **DatadogSettings.model_fields}
# What the settings do not read: Compose and the Agent's entrypoint do.
COMPOSE_ONLY = {
    "DATADOG_HOST",
    "LAB_INTAKE",
    "GRAFANA_PORT",
    "GRAFANA_ADMIN_USER",
    "GRAFANA_ADMIN_PASSWORD",
    "PROMETHEUS_TARGETS",
    "POSTGRES_IMAGE",
    "PYTHON_IMAGE",
    "DATADOG_AGENT_IMAGE",
    "EXPORTER_IMAGE",
    "PROMETHEUS_IMAGE",
    "ALERTMANAGER_IMAGE",
    "GRAFANA_IMAGE",
}
# Their defaults are places of this clone, or "none": the example shows them empty.
EMPTY = {
    "DATADOG_CHECK_SOURCE",
    "DATADOG_CHECK_PYTHON",
    "DD_API_KEY",
    "DD_APP_KEY",
    "GRAFANA_URL",
    "LAB_CONSOLE_TOKEN",
    "LAB_CONTROL_TOKEN",
    "LAB_DATADOG_SITE",
    "LAB_STATE_DIR",
    "POSTGRES_LOG_DIR",
    "PROMETHEUS_UI_URL",
    "PROMETHEUS_URL",
    "WORKLOAD_POOL_SIZE",
    "WORKLOAD_RANDOM_SEED",
    "WORKLOAD_REPLICAS_HOST",
}


def default(field: str) -> str:
    value = FIELDS[field].default
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def test_every_setting_stands_there_exactly_once_and_nothing_else_does() -> None:
    fields = {name.upper() for name in FIELDS}
    knobs = Counter(name for name, _ in KNOBS)
    assert set(knobs) == fields | COMPOSE_ONLY
    assert [name for name, times in knobs.items() if times > 1] == []


@pytest.mark.parametrize(("name", "value"), KNOBS, ids=[name for name, _ in KNOBS])
def test_the_value_shown_is_the_default(name: str, value: str) -> None:
    if name in EMPTY:
        assert value == ""
    elif name not in COMPOSE_ONLY:
        assert value in (default(name.lower()), default(name.lower()).lower())


def test_every_knob_taken_into_use_as_it_stands_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person who uncomments every line gets the defaults: quoting and empty values do no harm."""
    for name in FIELDS:
        monkeypatch.delenv(name.upper(), raising=False)
    file = tmp_path / ".env"
    file.write_text("\n".join(f"{name}={value}" for name, value in KNOBS))
    assert LabSettings(_env_file=file) == LabSettings(_env_file=None)
    assert DatadogSettings(_env_file=file) == DatadogSettings(_env_file=None)


def test_no_secret_but_the_documented_lab_defaults_is_in_the_file() -> None:
    knobs = dict(KNOBS)
    assert knobs["DD_API_KEY"] == knobs["DD_APP_KEY"] == ""
