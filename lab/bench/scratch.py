"""A scratch database: the lab's empty schema, on the running lab's server or on one of the benchmark."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from lab import seed as seeding
from lab.bench import process
from lab.bench.own_console import free_port
from lab.clients.database import Role, connect, dsn, identifier, rows
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.seed import SeedReport
from lab.stack.mode import running_settings
from lab.stack.native import commands
from lab.stack.native.binaries import postgres_bin
from lab.stack.native.commands import Launch
from lab.terminal.options import number
from lab.terminal.progress import bar
from lab.terminal.screen import err
from workload.limits import MAX_SCALE

DATABASE = "creditlab_bench"
HOST = "127.0.0.1"
START_S = 60
Scale = Annotated[
    float,
    typer.Option(
        help="Size of the data: 1 is 10,000 customers.",
        parser=number(0.01, MAX_SCALE),
        metavar="N",
    ),
]


@contextmanager
def scratch_database(settings: LabSettings, name: str) -> Iterator[LabSettings]:
    """Yield settings that point to a new database, initialized by postgres/init.

    When the lab's server accepts connections, the database is created there with this name, and dropped
    at the end in any case; one left by an interrupted run is dropped first. Else a temporary server is
    started.

    Raises:
        DatabaseError: the superuser's password of the running server is wrong.
        LabError: a server does not start.
    """
    running = running_settings(settings)
    own = running.model_copy(update={"postgres_db": name})
    cluster, _ = commands.cluster(Launch(settings=own, services=()))
    if not cluster.is_ready():
        with temporary_server(settings) as temporary:
            yield temporary
        return
    try:
        _drop(running, name)
        cluster.initialise()
        yield cluster.settings
    finally:
        _drop(running, name)


def postgres_version() -> dict[str, str]:
    """Return the version of PostgreSQL for the conditions of a measurement."""
    return {"postgresql": postgres_bin().version}


def checkpoint(settings: LabSettings) -> None:
    """Run CHECKPOINT: dirty buffers of earlier work must not slow down the next measurement."""
    with connect(dsn(settings, Role.SUPERUSER)) as connection:
        rows(connection, "CHECKPOINT")


def seeded(settings: LabSettings, scale: float) -> SeedReport:
    """Load the seed into an empty database, with a progress bar, then run CHECKPOINT."""
    with bar(err) as progress:
        wanted = settings.model_copy(update={"seed_scale": scale})
        report = seeding.ensure(wanted, progress=progress)
    checkpoint(settings)
    return report


@contextmanager
def temporary_server(settings: LabSettings) -> Iterator[LabSettings]:
    """Yield settings that point to a new server with the lab's roles and its empty schema.

    It has the lab's configuration and no other observer: the server of a running lab has its own observers
    and load, and its settings must not change. Its state directory is removed at the end.

    Args:
        settings: source of the passwords and of the superuser's name.

    Raises:
        LabError: when there is no PostgreSQL 15, or it does not start.
    """
    parent = Paths.of(settings).state
    parent.mkdir(parents=True, exist_ok=True)
    # On the lab's disk: /tmp may be in memory, where a commit is too fast.
    with tempfile.TemporaryDirectory(prefix="bench-", dir=parent) as directory:
        state = Path(directory)
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
        launch = Launch(settings=own, services=())
        cluster, _ = commands.cluster(launch)
        cluster.create()
        command = commands.postgres(launch)
        with process.running("postgres", command, state, stop_signal="INT") as server:
            server.await_ready(lambda: None if cluster.is_ready() else "it is starting", START_S)
            cluster.initialise()
            yield own


def _drop(settings: LabSettings, name: str) -> None:
    maintenance = dsn(settings, Role.SUPERUSER, database="postgres")
    with connect(maintenance) as connection:
        quoted = identifier(name, connection)
        rows(connection, f"DROP DATABASE IF EXISTS {quoted} WITH (FORCE)")
