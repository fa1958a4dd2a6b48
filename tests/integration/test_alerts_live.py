"""Alerts that no drill fires, by a real fault.

PostgreSQL, postgres_exporter and Prometheus are real, with the lab's rules. Only the times that an alert must
last (`for`) are shorter than in the lab.
"""

import os
import re
import subprocess
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
# Else autovacuum would freeze the few rows at once.
NO_FREEZING = tuple(
    (f"autovacuum_{kind}freeze_max_age", "2000000000") for kind in ("", "multixact_")
)
XID, MULTIXACT = 600_000_000, 700_000_000
SEGMENT_BYTES, PAGES, XIDS_PER_PAGE, MULTIXACTS_PER_PAGE = 262_144, 32, 32_768, 2_048
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
        options=(*NOT_DURABLE, *NO_FREEZING),
    )


def leave_invalid_index(database: Database) -> None:
    """Let CREATE UNIQUE INDEX CONCURRENTLY fail by two equal rows."""
    with database.connect(Role.OWNER) as connection:
        rows(connection, "CREATE TABLE twice AS SELECT 1 AS n FROM generate_series(1, 2)")
        with pytest.raises(DatabaseError):
            rows(connection, "CREATE UNIQUE INDEX CONCURRENTLY on_twice ON twice (n)")


def age(server: Cluster) -> None:
    """Advance the ids of the stopped server by more than half a billion, and add the files that they need."""
    data = server.data
    pages = {
        "pg_xact": XID // XIDS_PER_PAGE,
        "pg_multixact/offsets": MULTIXACT // MULTIXACTS_PER_PAGE,
    }
    for directory, page in pages.items():
        segment = data / directory / f"{page // PAGES:04X}"
        segment.write_bytes(bytes(SEGMENT_BYTES))
        os.chown(segment, data.stat().st_uid, data.stat().st_gid)
    arguments = ("-D", str(server._seen(data)), "-x", str(XID), "-m", f"{MULTIXACT},1")
    done = subprocess.run(
        server._as_server("pg_resetwal", *arguments), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_fault_fires_its_alert(server: Cluster, tmp_path: Path) -> None:
    """A failed CREATE INDEX; no service, no console; a failing rule; a restart; ids that are not frozen."""
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
        age(server)
        with running(server):
            fires(prometheus, "DatabaseRestarted", "WraparoundNear", "MultixactNear")
