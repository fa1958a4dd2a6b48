"""A separate PostgreSQL of the benchmark, with the lab's configuration and no other observer.

The server of a running lab has its own observers and load, and its settings must not change.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.bench.own_console import free_port
from lab.bench.process import running
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.stack.environment import plain
from lab.stack.native.binaries import postgres_bin
from lab.stack.native.cluster import Cluster
from lab.stack.native.command import Command

DATABASE = "creditlab_bench"
HOST = "127.0.0.1"
START_S = 60


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
