"""A hot standby that streams from its primary: doctor, live sessions and the collectors read it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.clients.database import Role, connect, dsn, rows
from lab.doctor import Status, examine
from lab.drilldown import sessions
from lab.foundation.readiness import await_state
from lab.stack.native.binaries import Program
from lab.stack.native.cluster import Cluster
from lab.telemetry.embedded.collector import Collector
from tests.fix_postgres import NOT_DURABLE, free_port, running, settings_for

WITHIN_S = 150
REPLICATION = "\nhost replication all samehost scram-sha-256\n"


@pytest.fixture
def standby(postgres: Program, tmp_path: Path) -> Iterator[Cluster]:
    """A copy of the primary's stopped data directory, which follows it."""

    def at(name: str, *options: tuple[str, str]) -> Cluster:
        return Cluster(
            settings=settings_for(port=free_port(), database="creditdb"),
            state=tmp_path / name,
            bin=postgres.path.parent,
            libraries=postgres.libraries,
            options=(*NOT_DURABLE, *options),
        )

    primary = at("primary")
    with running(primary):
        primary.initialise()
    s = primary.settings
    password = s.postgres_password.get_secret_value()
    source = (
        f"host={s.postgres_host} port={s.postgres_port} user={s.postgres_user} password={password}"
    )
    second = at("standby", ("primary_conninfo", source))
    shutil.copytree(primary.state, second.state)
    (second.data / "standby.signal").touch()
    owner = primary.data.stat()
    for path in (second.data, *second.data.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)
    with running(primary):
        hba = primary.state / "conf" / "pg_hba.conf"
        hba.write_text(hba.read_text() + REPLICATION)
        with connect(dsn(s, Role.SUPERUSER)) as connection:
            rows(connection, "SELECT pg_reload_conf()")
        with running(second):
            yield second


def test_a_streaming_standby_is_read_as_it_is(standby: Cluster) -> None:
    """Everything that is replicated is there; nothing that reads it writes."""
    settings = standby.settings
    with connect(dsn(settings, Role.SUPERUSER)) as connection:

        def not_streaming() -> str | None:
            seen = rows(connection, "SELECT status FROM pg_stat_wal_receiver")
            return None if seen == [("streaming",)] else str(seen)

        await_state("the standby streams", not_streaming, within_s=WITHIN_S)
    report = examine(dsn(settings, Role.SUPERUSER))
    assert report.is_standby
    assert [check.name for check in report.checks if check.status is not Status.OK] == []
    assert sessions.live(settings).absent == {}
    sent: list[object] = []
    collector = Collector(host="h", database="creditdb", put=lambda *item: sent.append(item))
    with connect(dsn(settings, Role.DATADOG)) as connection:
        collector.metadata(connection)
        collector.sessions(connection)
        collector.statements(connection)
        [[plan]] = rows(connection, "SELECT datadog.explain_statement('SELECT 1')")
    assert sent
    assert plan[0]["Plan"]["Node Type"] == "Result"
