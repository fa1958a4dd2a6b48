"""A real PgBouncer before the tests' server: in transaction mode one server session for all clients."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from lab.clients.database import Role, connect, rows
from lab.foundation.debian import fetch
from lab.foundation.errors import DatabaseError, LabError
from lab.foundation.paths import PACKAGES
from lab.foundation.readiness import await_state
from lab.stack.native.binaries import Program, fetched
from tests.fix_postgres import Database, free_port

START_SECONDS = 120
STOP_SECONDS = 150
Pooled = Callable[..., Database]


@pytest.fixture(scope="session")
def pgbouncer() -> Program:
    """PgBouncer of this machine, else of Debian."""
    if path := shutil.which("pgbouncer"):
        return Program(path=Path(path), version="")
    try:
        root = fetch(
            ("pgbouncer",), release="bookworm", into=PACKAGES / "pgbouncer", libraries=True
        )
    except LabError as error:
        if os.environ.get("CREDITLAB_ALLOW_NO_POSTGRES"):
            pytest.skip(f"CREDITLAB_ALLOW_NO_POSTGRES is set, and: {error}")
        raise
    return fetched(root, "usr/sbin/pgbouncer", "PgBouncer", lambda version: version >= (1,))


@pytest.fixture
def pooled(pgbouncer: Program, tmp_path: Path) -> Iterator[Pooled]:
    """Put a PgBouncer before a database: the same database, at PgBouncer's port."""
    with ExitStack() as stack:

        def put(
            database: Database, *, mode: str = "transaction", reset: str = "DISCARD ALL"
        ) -> Database:
            return stack.enter_context(running(pgbouncer, database, tmp_path, mode, reset))

        yield put


@contextmanager
def running(
    program: Program, database: Database, place: Path, mode: str, reset: str
) -> Iterator[Database]:
    """Run a PgBouncer with a pool of one session; `reset` is sent to it between clients in session mode."""
    behind = Database(settings=database.settings.model_copy(update={"postgres_port": free_port()}))
    s = database.settings
    passwords = {
        s.postgres_user: s.postgres_password,
        Role.DATADOG.value: s.datadog_db_password,
        Role.LAB.value: s.lab_db_password,
    }
    users = place / "users.txt"
    users.write_text("".join(f'"{u}" "{p.get_secret_value()}"\n' for u, p in passwords.items()))
    configuration = place / "pgbouncer.ini"
    configuration.write_text(
        f"""
[databases]
* = host={database.host} port={database.port}
[pgbouncer]
listen_addr = {database.host}
listen_port = {behind.port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = {mode}
default_pool_size = 1
server_reset_query = {reset}
"""
    )
    command = [str(program.path), str(configuration)]
    if os.geteuid() == 0:
        # PgBouncer refuses to run as root.
        for path in (place, users, configuration):
            shutil.chown(path, "nobody")
        for path in (place.parent, *place.parent.parents):
            if path != Path(path.anchor) and path.owner() == "root" and "pytest" in path.name:
                path.chmod(path.stat().st_mode | 0o011)
        command += ["--user", "nobody"]
    log = place / "pgbouncer.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env={**os.environ, **program.environment()}
        )
    try:
        _await_answer(behind, process, log)
        yield behind
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def _await_answer(behind: Database, process: subprocess.Popen[bytes], log: Path) -> None:
    def silent() -> str | None:
        try:
            with connect(behind.dsn(Role.LAB)) as connection:
                rows(connection, "SELECT 1")
        except DatabaseError as error:
            assert process.poll() is None, f"PgBouncer ended:\n{log.read_text()}"
            return f"{error}\n{log.read_text()}"
        return None

    await_state("PgBouncer answers", silent, within_s=START_SECONDS)
