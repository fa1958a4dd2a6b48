"""The seed job of docker-compose.yml, against a real server: who gets in, and which error others receive."""

import os
import subprocess
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from lab.clients.database import Role, connect, dsn, rows
from lab.foundation.settings import ROOT, LabSettings
from lab.seed import gatekeeper
from lab.stack.native.binaries import postgres_bin
from lab.stack.native.cluster import Cluster
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
    assert "scale 0.01: already loaded" in capsys.readouterr().out


def test_every_refused_password_is_named_with_the_way_out(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is seeded, and no password is shown."""
    wrong = {"postgres_password": SecretStr("amiss-1"), "lab_db_password": SecretStr("amiss-2")}
    settings = database.settings.model_copy(update={"seed_scale": 0.01, **wrong})
    assert run(settings, monkeypatch) == 2
    reported = capsys.readouterr().err
    assert "refuses the password in POSTGRES_PASSWORD, LAB_DB_PASSWORD:" in reported
    assert "docker compose down -v" in reported
    assert "amiss" not in reported


def test_a_server_that_is_away_is_no_wrong_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = LabSettings.model_validate({"postgres_port": 1})
    assert run(settings, monkeypatch) == 2
    assert "password" not in capsys.readouterr().err.split("\n")[0]


INIT = sorted((ROOT / "postgres" / "init").glob("*.sql"))


@pytest.fixture
def empty(cluster: Cluster, database: Database) -> Iterator[Database]:
    """A database as the official image makes it, before the first file of postgres/init."""
    name = f"{database.name}_interrupted"
    administer = dsn(cluster.settings, Role.SUPERUSER, database="postgres")
    with connect(administer) as connection:
        rows(connection, f"CREATE DATABASE {name} TEMPLATE template0")
        try:
            yield Database(settings=database.settings.model_copy(update={"postgres_db": name}))
        finally:
            rows(connection, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("files", range(len(INIT)))
def test_an_interrupted_initialization_is_never_taken_for_a_whole_one(
    cluster: Cluster,
    empty: Database,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    files: int,
) -> None:
    """PostgreSQL was killed after so many files, the last one run but for its last statement."""
    for file in INIT[: files + 1]:
        text = file.read_text()
        if file is INIT[files]:
            text = text.rpartition("\nGRANT EXECUTE")[0] if "GRANT EXECUTE" in text else ""
        psql(cluster, empty, text)
    assert run(empty.settings, monkeypatch) == 2
    reported = capsys.readouterr().err
    assert "was interrupted" in reported
    assert "docker compose down -v" in reported


def test_a_database_that_was_never_made_is_an_interrupted_initialization(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = database.settings.model_copy(update={"postgres_db": "never_made"})
    assert run(settings, monkeypatch) == 2
    assert "docker compose down -v" in capsys.readouterr().err


def psql(cluster: Cluster, database: Database, text: str) -> None:
    program = postgres_bin()
    subprocess.run(
        [program.beside("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", database.dsn(Role.SUPERUSER)],
        input=text,
        env={**os.environ, **program.environment(), **passwords(cluster)},
        capture_output=True,
        text=True,
        check=True,
    )


def passwords(cluster: Cluster) -> dict[str, str]:
    """What 10-roles.sql reads, so that the other tests' roles keep theirs."""
    s = cluster.settings
    return {
        "CREDIT_OWNER_PASSWORD": s.credit_owner_password.get_secret_value(),
        "CREDIT_APP_PASSWORD": s.credit_app_password.get_secret_value(),
        "DATADOG_DB_PASSWORD": s.datadog_db_password.get_secret_value(),
        "EXPORTER_DB_PASSWORD": s.exporter_db_password.get_secret_value(),
        "LAB_DB_PASSWORD": s.lab_db_password.get_secret_value(),
    }
