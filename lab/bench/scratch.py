"""A scratch database: the lab's empty schema, on the running lab's server or on one of the benchmark."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import seed as seeding
from lab.bench.own_server import own_server
from lab.clients.database import Role, connect, dsn, identifier, rows
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.seed import SeedReport
from lab.stack.mode import running_settings
from lab.stack.native.binaries import postgres_bin
from lab.stack.native.cluster import Cluster
from lab.terminal.progress import bar
from lab.terminal.screen import err


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
    cluster = _cluster(running.model_copy(update={"postgres_db": name}))
    if not cluster.is_ready():
        with temporary_server(settings) as own:
            yield own
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
    """Yield settings that point to a new server; its state directory is removed at the end.

    Raises:
        LabError: when there is no PostgreSQL 15, or it does not start.
    """
    parent = Paths.of(settings).state
    parent.mkdir(parents=True, exist_ok=True)
    with (
        # On the lab's disk: /tmp may be in memory, where a commit is too fast.
        tempfile.TemporaryDirectory(prefix="bench-", dir=parent) as directory,
        own_server(settings, Path(directory)) as own,
    ):
        yield own


def _cluster(settings: LabSettings) -> Cluster:
    program = postgres_bin()
    return Cluster(
        settings=settings,
        state=Paths.of(settings).postgres,
        bin=program.path.parent,
        libraries=program.libraries,
    )


def _drop(settings: LabSettings, name: str) -> None:
    maintenance = dsn(settings, Role.SUPERUSER, database="postgres")
    with connect(maintenance) as connection:
        quoted = identifier(name, connection)
        rows(connection, f"DROP DATABASE IF EXISTS {quoted} WITH (FORCE)")
