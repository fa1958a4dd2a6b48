"""Alerts that no drill fires, by a real fault.

PostgreSQL, postgres_exporter and Prometheus are real, with the lab's rules. Only the times that an alert must
last (`for`) are shorter than in the lab.
"""

import re
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from lab.clients.database import Role, rows
from lab.foundation.errors import DatabaseError
from lab.foundation.readiness import await_state
from lab.stack.native.binaries import Program
from lab.stack.native.cluster import Cluster
from tests.fix_postgres import NOT_DURABLE, Database, free_port, running, settings_for
from tests.fix_prometheus import (
    Prometheus,
    exporter_command,
    exporter_settings,
    running_exporter,
    running_prometheus,
)

pytestmark = pytest.mark.real_clock  # of Prometheus and the exporter

FIRING_SECONDS = 180
# Two series match where one is expected.
FAILING = {
    "groups": [{"name": "failing", "rules": [{"record": "a:up:sum", "expr": "up * on () up"}]}]
}


def fires(prometheus: Prometheus, *expected: str) -> None:
    """Wait until these alerts fire at the same time."""

    def missing() -> str | None:
        found = prometheus.query('ALERTS{alertstate="firing"}')
        names = {labels["alertname"] for labels, _ in found}
        return None if set(expected) <= names else f"firing: {sorted(names)}"

    await_state(f"{', '.join(expected)} fire", missing, within_s=FIRING_SECONDS)


def impatient(configuration: Path) -> None:
    """Let an alert fire after a second, and add a rule that fails."""
    alerts = configuration / "rules" / "alerts.yml"
    alerts.write_text(re.sub(r"(?m)^( +for:) \w+$", r"\1 1s", alerts.read_text()))
    (configuration / "rules" / "failing.yml").write_text(yaml.safe_dump(FAILING))


@pytest.fixture
def server(postgres: Program, tmp_path: Path) -> Cluster:
    """A server of the test's own."""
    return Cluster(
        settings=settings_for(port=free_port(), database="creditdb"),
        state=tmp_path / "server",
        bin=postgres.path.parent,
        libraries=postgres.libraries,
        options=NOT_DURABLE,
    )


def leave_invalid_index(database: Database) -> None:
    """Let CREATE UNIQUE INDEX CONCURRENTLY fail by two equal rows."""
    with database.connect(Role.OWNER) as connection:
        rows(connection, "CREATE TABLE twice AS SELECT 1 AS n FROM generate_series(1, 2)")
        with pytest.raises(DatabaseError):
            rows(connection, "CREATE UNIQUE INDEX CONCURRENTLY on_twice ON twice (n)")


def test_every_fault_fires_its_alert(server: Cluster, tmp_path: Path) -> None:
    """A failed CREATE INDEX; no service and no console; a rule that fails; a restart of the server."""
    database = Database(settings=server.settings)
    settings = exporter_settings(database, tmp_path)
    with ExitStack() as stack:
        with running(server):
            server.initialise()
            stack.enter_context(running_exporter(settings, exporter_command(settings)))
            prometheus = stack.enter_context(running_prometheus(settings, prepare=impatient))
            leave_invalid_index(database)
            fires(
                prometheus, "InvalidIndex", "LabTargetDown", "TargetsMissing", "RuleEvaluationFails"
            )
        with running(server):
            fires(prometheus, "DatabaseRestarted")
