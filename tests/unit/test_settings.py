"""Where settings come from, which source wins, and what a malformed one says."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from workload.errors import SettingsError
from workload.settings import Settings, Shape


@pytest.fixture
def dotenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The .env file that settings read, in an environment that sets nothing."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    file = tmp_path / ".env"
    monkeypatch.setattr(Settings, "env_file", file)
    return file


def test_without_any_source_the_documented_defaults_hold(dotenv: Path) -> None:
    assert not dotenv.exists()
    settings = Settings.load()
    assert (settings.postgres_port, settings.workload_load) == (5432, 1.0)
    assert settings.workload_shape is Shape.STEADY


def test_the_environment_wins_over_the_file(dotenv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dotenv.write_text("POSTGRES_PORT=5433\nWORKLOAD_SHAPE=wave\n")
    monkeypatch.setenv("POSTGRES_PORT", "5434")
    settings = Settings.load()
    assert (settings.postgres_port, settings.workload_shape) == (5434, Shape.WAVE)


def test_an_empty_variable_is_as_good_as_none(
    dotenv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compose and .env.example leave many of them empty."""
    dotenv.write_text("WORKLOAD_THREADS=\n")
    monkeypatch.setenv("POSTGRES_PORT", "")
    settings = Settings.load()
    assert (settings.workload_threads, settings.postgres_port) == (4, 5432)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POSTGRES_PORT", "none"),
        ("POSTGRES_PORT", "65536"),
        ("WORKLOAD_LOAD", "-1"),
        ("WORKLOAD_THREADS", "0"),
        ("WORKLOAD_SHAPE", "square"),
        ("WORKLOAD_RETENTION_HOURS", "0"),
        ("RATE_PAY", "often"),
        ("DD_TRACE_ENABLED", "perhaps"),
        ("DD_DBM_PROPAGATION_MODE", "half"),
    ],
)
def test_a_malformed_setting_is_named_with_the_way_out(dotenv: Path, name: str, value: str) -> None:
    dotenv.write_text(f"{name}={value}\n")
    with pytest.raises(SettingsError) as refused:
        Settings.load()
    complaint, way_out = str(refused.value).splitlines()
    assert complaint.startswith(f"{name}: ")
    assert ".env" in way_out


def test_every_malformed_setting_is_named_at_once(dotenv: Path) -> None:
    dotenv.write_text("WORKLOAD_THREADS=0\nRATE_PAY=-1\n")
    with pytest.raises(SettingsError, match=r"(?s)WORKLOAD_THREADS.*RATE_PAY"):
        Settings.load()


def test_a_password_does_not_show(dotenv: Path) -> None:
    dotenv.write_text("CREDIT_APP_PASSWORD=hunter2\n")
    settings = Settings.load()
    assert "hunter2" not in f"{settings!r} {settings}"
    assert settings.credit_app_password.get_secret_value() == "hunter2"


@pytest.mark.usefixtures("dotenv")
def test_settings_do_not_change_once_read() -> None:
    settings = Settings.load()
    with pytest.raises(ValidationError):
        settings.workload_load = 2.0  # type: ignore[misc]
