"""postgres/conf and postgres/init agree with PostgreSQL 15, the settings, the doctor, the promises."""

import re
from pathlib import Path

import pytest

from lab.clients.database import Role, rows
from lab.doctor.rules.log import PREFIX
from lab.foundation.settings import ROOT, LabSettings
from tests.fix_postgres import Database

CONF = ROOT / "postgres" / "conf" / "postgresql.conf"
HBA = ROOT / "postgres" / "conf" / "pg_hba.conf"
ROLES = ROOT / "postgres" / "init" / "10-roles.sql"
SETTING = re.compile(r"^([a-z_.]+) = (?:'([^']*)'|(\S+))$")


def hba_lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if line and not line.startswith("#")]


PROMISED = {
    "shared_preload_libraries": "pg_stat_statements,auto_explain",
    "pg_stat_statements.track": "all",
    "auto_explain.log_min_duration": "200ms",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_buffers": "on",
    "auto_explain.log_timing": "on",
    "auto_explain.log_wal": "on",
    "auto_explain.log_triggers": "on",
    "auto_explain.log_format": "json",
    "track_io_timing": "on",
    "track_wal_io_timing": "on",
    "track_functions": "all",
    "log_min_duration_statement": "100ms",
    "log_lock_waits": "on",
    "log_destination": "stderr,jsonlog",
    "log_line_prefix": PREFIX,
    "log_rotation_age": "60min",
    "log_truncate_on_rotation": "on",
    "track_activity_query_size": "4096",
    "compute_query_id": "on",
    "password_encryption": "scram-sha-256",
    "jit": "off",
}


def configured() -> dict[str, str]:
    """Every setting of postgresql.conf; a line that is neither setting, comment nor empty fails."""
    found = {}
    for line in CONF.read_text().splitlines():
        if line and not line.startswith("#"):
            match = SETTING.match(line)
            assert match, f"not a setting: {line}"
            assert match[1] not in found, f"set twice: {match[1]}"
            found[match[1]] = match[2] if match[2] is not None else match[3]
    return found


@pytest.mark.parametrize("name", sorted(PROMISED))
def test_what_the_lab_promises_is_configured(name: str) -> None:
    assert configured()[name] == PROMISED[name]


def test_every_group_of_settings_gives_its_reason() -> None:
    """Settings are in paragraphs, and no setting comes before its comment."""
    explained = False
    for line in CONF.read_text().splitlines():
        if not line:
            explained = False
        elif line.startswith("#"):
            explained = not line.endswith("--")
        else:
            assert explained, f"no reason is given for: {line}"


def test_durability_is_not_for_sale() -> None:
    assert not {"fsync", "synchronous_commit", "full_page_writes"} & configured().keys()


def test_log_files_are_bounded_in_number_and_emptied_when_their_name_returns() -> None:
    """The name depends on the hour alone, and rotation by size would reopen the same name."""
    settings = configured()
    assert re.findall(r"%[a-zA-Z]", settings["log_filename"]) == ["%H"]
    assert settings["log_rotation_size"] == "0"
    assert not Path(settings["log_directory"]).is_absolute()


def test_the_server_takes_every_line_of_the_configuration(database: Database) -> None:
    """No line is unknown, malformed, or waiting for a restart that will not come."""
    with database.connect(Role.SUPERUSER) as connection:
        lines = rows(connection, "SELECT name, applied, error FROM pg_file_settings")
        rules = rows(connection, "SELECT error FROM pg_hba_file_rules WHERE error IS NOT NULL")
    assert {name for name, *_ in lines} == configured().keys()
    # Natively the command line wins over this one.
    assert {name for name, applied, _ in lines if not applied} == {"listen_addresses"}
    assert rules == []


def test_a_role_that_is_not_the_labs_connects_from_the_servers_own_addresses_only(
    database: Database,
) -> None:
    """The superuser is such a role, whatever its name; no role connects without a password."""
    roles = ["credit_owner", "credit_app", "datadog", "postgres_exporter", "lab"]
    with database.connect(Role.SUPERUSER) as connection:
        found = rows(
            connection,
            "SELECT type, user_name, address, auth_method FROM pg_hba_file_rules ORDER BY line_number",
        )
    assert found == [
        ("local", ["all"], None, "scram-sha-256"),
        ("host", roles, "all", "scram-sha-256"),
        ("host", ["all"], "samehost", "scram-sha-256"),
    ]


def test_in_docker_the_compose_network_is_added_and_nothing_else() -> None:
    """What the host sends to the published port arrives from the network's gateway."""
    native, docker = (hba_lines(HBA.with_name(n)) for n in (HBA.name, "pg_hba.docker.conf"))
    assert docker[:-1] == native
    assert docker[-1].split() == ["host", "all", "all", "samenet", "scram-sha-256"]


def test_each_way_of_running_names_its_file() -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    kubernetes = (ROOT / "k8s" / "base" / "postgres.yaml").read_text()
    assert re.findall(r"hba_file=(\S+)", compose) == ["/etc/postgresql/pg_hba.docker.conf"]
    assert re.findall(r"hba_file=(\S+)", kubernetes) == ["/etc/postgresql/pg_hba.conf"]


@pytest.mark.parametrize(
    ("variable", "field"),
    [
        ("CREDIT_OWNER_PASSWORD", "credit_owner_password"),
        ("CREDIT_APP_PASSWORD", "credit_app_password"),
        ("DATADOG_DB_PASSWORD", "datadog_db_password"),
        ("EXPORTER_DB_PASSWORD", "exporter_db_password"),
        ("LAB_DB_PASSWORD", "lab_db_password"),
    ],
)
def test_default_passwords_are_those_of_the_settings(variable: str, field: str) -> None:
    """The roles file falls back to what every client falls back to."""
    text = ROLES.read_text()
    psql_variable = re.search(rf"^\\getenv (\w+) {variable}$", text, re.MULTILINE)
    assert psql_variable
    fallback = re.search(rf"nullif\(:'{psql_variable[1]}', ''\), +'([^']+)'", text)
    assert fallback
    assert fallback[1] == LabSettings.model_fields[field].default.get_secret_value()
