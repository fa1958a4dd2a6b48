"""The seed job of docker-compose.yml, against a real server: who gets in, and what others are told."""

import pytest
from pydantic import SecretStr

from lab.foundation.settings import LabSettings
from lab.seed import gatekeeper
from tests.fix_postgres import Database


def run(settings: LabSettings, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(LabSettings, "load", classmethod(lambda _: settings))
    return gatekeeper.main()


def test_an_empty_database_is_seeded_once(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second run finds what the first one loaded."""
    settings = database.settings.model_copy(update={"seed_scale": 0.01})
    assert run(settings, monkeypatch) == 0
    assert "rows loaded" in capsys.readouterr().out
    assert run(settings, monkeypatch) == 0
    assert "scale 0.01: the data are there" in capsys.readouterr().out


def test_every_refused_password_is_named_with_the_way_out(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is seeded, and no password is shown."""
    wrong = {"postgres_password": SecretStr("amiss-1"), "lab_db_password": SecretStr("amiss-2")}
    settings = database.settings.model_copy(update={"seed_scale": 0.01, **wrong})
    assert run(settings, monkeypatch) == 2
    told = capsys.readouterr().err
    assert "refuses the password in POSTGRES_PASSWORD, LAB_DB_PASSWORD:" in told
    assert "docker compose down -v" in told
    assert "amiss" not in told


def test_a_server_that_is_away_is_no_wrong_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = LabSettings.model_validate({"postgres_port": 1})
    assert run(settings, monkeypatch) == 2
    assert "password" not in capsys.readouterr().err.split("\n")[0]
