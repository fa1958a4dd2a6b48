"""A scratch database: the lab's schema, empty, on the lab's server, dropped when the benchmark ends."""

from collections.abc import Iterator
from contextlib import contextmanager

from lab.clients.database import Role, connect, dsn, identifier, rows
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.stack.native.binaries import postgres_bin
from lab.stack.native.cluster import Cluster


@contextmanager
def scratch_database(settings: LabSettings, name: str) -> Iterator[LabSettings]:
    """Yield settings that point to a new database of this name, initialized by postgres/init.

    A database left by an interrupted run is dropped first; at the end it is dropped in any case.

    Raises:
        DatabaseError: the server does not answer, or the superuser's password is wrong.
    """
    scratch = settings.model_copy(update={"postgres_db": name})
    program = postgres_bin()
    cluster = Cluster(
        settings=scratch,
        state=Paths.of(settings).postgres,
        bin=program.path.parent,
        libraries=program.libraries,
    )
    try:
        _drop(settings, name)
        cluster.initialise()
        yield scratch
    finally:
        _drop(settings, name)


def checkpoint(settings: LabSettings) -> None:
    """Run CHECKPOINT: dirty buffers of earlier work must not slow down the next measurement."""
    with connect(dsn(settings, Role.SUPERUSER)) as connection:
        rows(connection, "CHECKPOINT")


def _drop(settings: LabSettings, name: str) -> None:
    maintenance = dsn(settings, Role.SUPERUSER, database="postgres")
    with connect(maintenance) as connection:
        quoted = identifier(name, connection)
        rows(connection, f"DROP DATABASE IF EXISTS {quoted} WITH (FORCE)")
