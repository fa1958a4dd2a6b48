"""A separate PostgreSQL of the benchmark, with the lab's configuration and no other observer.

The server of a running lab has its own observers and load, and its settings must not change.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from lab.bench.overhead.process import running
from lab.bench.own_console import free_port
from lab.clients.database import Connection, Role, connect, dsn, rows
from lab.foundation.paths import Paths
from lab.foundation.readiness import await_state
from lab.foundation.settings import LabSettings
from lab.stack.environment import plain
from lab.stack.native.binaries import postgres_bin
from lab.stack.native.cluster import Cluster
from lab.stack.native.command import Command

DATABASE = "creditlab_bench_overhead"
HOST = "127.0.0.1"
START_S = 60
RELOAD_S = 10
OFF = "-1"


@contextmanager
def own_server(settings: LabSettings, state: Path) -> Iterator[LabSettings]:
    """Yield settings that point to a new server with the lab's roles and its empty schema.

    Args:
        settings: source of the passwords and of the superuser's name.
        state: directory for data and log, created and removed by the caller.

    Raises:
        LabError: when there is no PostgreSQL 15, or it does not start.
    """
    own = settings.model_copy(
        update={
            "postgres_host": HOST,
            "postgres_port": free_port(),
            "postgres_db": DATABASE,
            "postgres_log_dir": None,
            "bind_address": HOST,
            "lab_state_dir": state,
        }
    )
    program = postgres_bin()
    cluster = Cluster(
        settings=own,
        state=Paths.of(own).postgres,
        bin=program.path.parent,
        libraries=program.libraries,
    )
    cluster.create()
    command = Command(argv=tuple(cluster.command()), environment=plain(), version=program.version)
    with running("postgres", command, state, stop_signal="INT") as server:
        server.await_ready(lambda: None if cluster.is_ready() else "it is starting", START_S)
        cluster.initialise()
        yield own


def set_auto_explain(settings: LabSettings, *, on: bool) -> None:
    """Turn auto_explain on or off for all sessions, open ones included; wait until it is effective.

    Raises:
        DatabaseError: when the server refuses.
        NotReadyError: when the server does not reload its configuration.
    """
    with connect(dsn(settings, Role.SUPERUSER)) as connection:
        value = "DEFAULT" if on else OFF
        rows(connection, f"ALTER SYSTEM SET auto_explain.log_min_duration = {value}")
        rows(connection, "SELECT pg_reload_conf()")
        what = f"auto_explain is {'on' if on else 'off'}"
        await_state(what, partial(_otherwise, connection, on), within_s=RELOAD_S)


def _otherwise(connection: Connection, on: bool) -> str | None:
    [[threshold]] = rows(connection, "SHOW auto_explain.log_min_duration")
    return None if (threshold != OFF) is on else f"its threshold is {threshold}"
