"""PgBouncer in transaction mode, with a pool of one session per user, before the benchmark's server."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from lab.bench.own_console import free_port
from lab.bench.process import running
from lab.clients.database import Role, connect, dsn, rows
from lab.foundation.debian import fetch
from lab.foundation.errors import DatabaseError
from lab.foundation.paths import PACKAGES
from lab.foundation.settings import LabSettings
from lab.stack.environment import plain
from lab.stack.native.binaries import Program, fetched, first_fitting
from lab.stack.native.commands import Command
from lab.stack.native.identity import Identity

START_S = 60
# From this version on, PgBouncer supports prepared statements in transaction mode.
PREPARED_SINCE = (1, 21)
CONFIGURATION = """
[databases]
* = host={host} port={port}
[pgbouncer]
listen_addr = {host}
listen_port = {own_port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = transaction
default_pool_size = 1
"""


@dataclass(frozen=True, kw_only=True)
class Bouncer:
    """A running PgBouncer: its port, its process, and whether it supports prepared statements."""

    port: int
    process: psutil.Process
    version: str
    prepared: bool


def program() -> Program:
    """Return PgBouncer of this machine, else of Debian's packages.

    Raises:
        LabError: when it is neither installed nor can be fetched.
    """

    def fits(version: tuple[int, ...]) -> bool:
        return version >= (1,)

    on_path = shutil.which("pgbouncer")
    found = first_fitting([Path(on_path)] if on_path else [], fits)
    if found:
        return found
    root = fetch(("pgbouncer",), release="bookworm", into=PACKAGES / "pgbouncer", libraries=True)
    return fetched(root, "usr/sbin/pgbouncer", "PgBouncer", fits)


@contextmanager
def bouncer(settings: LabSettings, logs: Path) -> Iterator[Bouncer]:
    """Run PgBouncer before the server of these settings, for the role of the services.

    Raises:
        LabError: when it does not start.
    """
    own, port = program(), free_port()
    prepared = tuple(map(int, own.version.split(".")[:2])) >= PREPARED_SINCE
    # PgBouncer refuses to run as root, and another user may not enter the lab's directory.
    identity = Identity.for_server(Path("/nonexistent"))
    with tempfile.TemporaryDirectory(prefix="creditlab-pgbouncer-") as directory:
        place = Path(directory)
        users, configuration = place / "users.txt", place / "pgbouncer.ini"
        users.write_text(
            f'"{Role.APP.value}" "{settings.credit_app_password.get_secret_value()}"\n'
        )
        text = CONFIGURATION.format(
            host=settings.postgres_host, port=settings.postgres_port, own_port=port, users=users
        )
        configuration.write_text(text + "max_prepared_statements = 200\n" * prepared)
        for path in (place, users, configuration):
            identity.own(path)
        argv = (str(own.path), *(() if identity.is_caller else ("--user", identity.name)))
        command = Command(
            argv=(*argv, str(configuration)),
            environment={**plain(), **own.environment()},
            version=own.version,
        )
        behind = settings.model_copy(update={"postgres_port": port})
        with running("pgbouncer", command, logs) as process:
            process.await_ready(lambda: _refusal(behind), START_S)
            yield Bouncer(
                port=port, process=process.running, version=own.version, prepared=prepared
            )


def _refusal(settings: LabSettings) -> str | None:
    try:
        with connect(dsn(settings, Role.APP)) as connection:
            rows(connection, "SELECT 1")
    except DatabaseError as error:
        return str(error)
    return None
