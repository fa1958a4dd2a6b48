"""Real PostgreSQL 15 for tests: one server for the session, one database cloned from a template for a test.

The server runs with the lab's own configuration, in a directory that only the caller may enter; only
durability is off, which no test asks for.
"""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count, cycle, islice

import pytest

from lab.clients.database import Connection, Role, connect, dsn, rows
from lab.foundation.errors import LabError
from lab.foundation.readiness import await_state
from lab.foundation.settings import LabSettings
from lab.stack.native.binaries import Program, postgres_bin
from lab.stack.native.cluster import Cluster

START_SECONDS = 120
STOP_SECONDS = 150
NOT_DURABLE = (("fsync", "off"), ("full_page_writes", "off"), ("synchronous_commit", "off"))
# Above the lab's own, below those that clients are given (32768, unless a machine says otherwise).
FIRST_PORT = 10_000
PORTS_EACH = 2_500

_numbers = count(1)


@dataclass(frozen=True, kw_only=True)
class Database:
    """A database with the lab's roles and schema; `settings` serves whatever reads settings."""

    settings: LabSettings

    @property
    def host(self) -> str:
        return self.settings.postgres_host

    @property
    def port(self) -> int:
        return self.settings.postgres_port

    @property
    def name(self) -> str:
        return self.settings.postgres_db

    def dsn(self, role: Role) -> str:
        return dsn(self.settings, role)

    @contextmanager
    def connect(self, role: Role) -> Iterator[Connection]:
        with connect(self.dsn(role), application_name="test") as connection:
            yield connection


def _ports() -> Iterator[int]:
    """Yield ports that the kernel gives to no client, other ones in each of the processes that test."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    # The pass with the shifted clock runs beside the other.
    block = worker % 4 + (4 if "DATEFUDGE" in os.environ else 0)
    first = FIRST_PORT + PORTS_EACH * block
    yield from islice(cycle(range(first, first + PORTS_EACH)), os.getpid() % PORTS_EACH, None)


_candidates = _ports()


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on now, another one at each call."""
    while True:
        port = next(_candidates)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def running(cluster: Cluster) -> Iterator[subprocess.Popen[bytes]]:
    """Make the cluster when it is not there, run its server, and stop it by its process id."""
    cluster.create()
    log = cluster.state / "server.log"
    with log.open("ab") as output:
        command = _by_this_clock(cluster.command())
        server = subprocess.Popen(command, stdout=output, stderr=output)

    def starting() -> str | None:
        if cluster.is_ready():
            return None
        assert server.poll() is None, f"PostgreSQL ended:\n{log.read_text()}"
        return log.read_text() or "no line in its log"

    try:
        await_state("PostgreSQL is ready", starting, within_s=START_SECONDS)
        yield server
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(STOP_SECONDS)


def _by_this_clock(command: list[str]) -> list[str]:
    """Hand on what shifts the clock of this process, if it is shifted: servers start with `env -i`."""
    shift = [f"{n}={os.environ[n]}" for n in ("LD_PRELOAD", "DATEFUDGE") if n in os.environ]
    at = command.index("-i", command.index("/usr/bin/env")) + 1
    return [*command[:at], *shift, *command[at:]]


@pytest.fixture(scope="session")
def postgres() -> Program:
    """PostgreSQL 15's server program, with the others beside it."""
    try:
        return postgres_bin()
    except LabError as error:
        if os.environ.get("CREDITLAB_ALLOW_NO_POSTGRES"):
            pytest.skip(f"CREDITLAB_ALLOW_NO_POSTGRES is set, and: {error}")
        raise


@pytest.fixture(scope="session")
def cluster(postgres: Program, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running server whose database `lab_template` has everything of postgres/init."""
    state = tmp_path_factory.mktemp("postgres")
    cluster = Cluster(
        settings=settings_for(port=free_port(), database="lab_template"),
        state=state,
        bin=postgres.path.parent,
        libraries=postgres.libraries,
        options=NOT_DURABLE,
    )
    try:
        with running(cluster):
            cluster.initialise()
            _administer(cluster, "ALTER DATABASE lab_template ALLOW_CONNECTIONS false")
            yield cluster
    finally:
        shutil.rmtree(state)


@pytest.fixture
def database(cluster: Cluster) -> Iterator[Database]:
    """A database of the test's own."""
    with new_database(cluster) as made:
        yield made


@contextmanager
def new_database(cluster: Cluster) -> Iterator[Database]:
    """Clone the template, and drop the clone afterwards."""
    name = f"test_{next(_numbers)}"
    _administer(cluster, f"CREATE DATABASE {name} TEMPLATE lab_template STRATEGY file_copy")
    # A database's own privileges are not copied with it.
    _administer(cluster, f"REVOKE TEMPORARY ON DATABASE {name} FROM public")
    try:
        yield Database(settings=cluster.settings.model_copy(update={"postgres_db": name}))
    finally:
        _administer(cluster, f"DROP DATABASE {name} WITH (FORCE)")


def settings_for(*, port: int, database: str) -> LabSettings:
    """Return the documented defaults with an address, whatever the machine's environment says."""
    defaults = {name: field.default for name, field in LabSettings.model_fields.items()}
    return LabSettings.model_construct(
        **defaults | {"postgres_port": port, "postgres_db": database}
    )


def _administer(cluster: Cluster, statement: str) -> None:
    with connect(dsn(cluster.settings, Role.SUPERUSER, database="postgres")) as connection:
        rows(connection, statement)
