"""The defaults in .env.example are those of the settings, and no setting has a default out of its range."""

import re
from typing import Any

import pytest
from pydantic import SecretStr

from lab.foundation.settings import ROOT, DatadogSettings, LabSettings, with_account_links
from workload.settings import Settings

EXAMPLE = dict(
    re.findall(r"^#? ?([A-Z_0-9]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE)
)
CLASSES = (Settings, LabSettings, DatadogSettings)
DEFAULTS: list[tuple[str, Any]] = [
    (name, field.default)
    for each in CLASSES
    for name, field in each.model_fields.items()
    # Natively; with Docker, Compose sets its own.
    if EXAMPLE.get(name.upper()) and name not in {"postgres_host", "bind_address", "lab_state_dir"}
]


@pytest.mark.parametrize(("name", "default"), DEFAULTS)
def test_the_example_shows_the_default(name: str, default: Any) -> None:
    shown = EXAMPLE[name.upper()]
    default = default.get_secret_value() if isinstance(default, SecretStr) else default
    if isinstance(default, bool):
        assert shown.lower() == str(default).lower()
    elif isinstance(default, int | float):
        assert float(shown) == default
    elif default is not None and "/" not in shown:
        assert shown == str(default)


@pytest.mark.parametrize("settings", CLASSES)
def test_every_default_is_valid(
    settings: type[Settings | LabSettings | DatadogSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    given = {name: f.default for name, f in settings.model_fields.items() if f.default is not None}
    settings(_env_file=None, **given)


def test_links_lead_to_the_site_of_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A site that is set for the links wins; without a key nothing is sent to an account."""
    monkeypatch.setenv("DD_SITE", "datadoghq.eu")
    monkeypatch.setenv("DD_API_KEY", "")
    plain = LabSettings(_env_file=None, lab_datadog_site=None)
    chosen = LabSettings(_env_file=None, lab_datadog_site="us5.datadoghq.com")
    assert with_account_links(plain).lab_datadog_site is None
    monkeypatch.setenv("DD_API_KEY", "0" * 32)
    assert with_account_links(plain).lab_datadog_site == "datadoghq.eu"
    assert with_account_links(chosen).lab_datadog_site == "us5.datadoghq.com"
