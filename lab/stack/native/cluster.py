"""The lab's PostgreSQL cluster (in PostgreSQL's sense: one server with one data directory).

Creates it, returns the server's command line, and runs postgres/init in it. The supervisor starts, watches
and stops the process `command()`.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lab.clients import database
from lab.foundation.errors import LabError, PasswordRefusedError
from lab.foundation.settings import ROOT, LabSettings
from lab.stack.environment import of_settings
from lab.stack.native.identity import Identity, Passage

_POSTGRES = ROOT / "postgres"
_SCHEMA_MARK = "public.credit_proposals"
# Every start runs these files again: they set passwords, limits and privileges.
_REPEATED = ("10-roles.sql", "30-observability.sql")


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """One PostgreSQL 15 server under a state directory.

    Attributes:
        settings: the port, the superuser, the passwords, the database's name.
        state: its directory with `data/` and `conf/`; created when it is missing.
        bin: the directory of `postgres`, `initdb` and `psql`, all of version 15.
        libraries: a directory for the dynamic linker, when the binaries were unpacked, not installed.
        options: further server settings, as for `-c`; they override postgresql.conf.
    """

    settings: LabSettings
    state: Path
    bin: Path
    libraries: Path | None = None
    options: tuple[tuple[str, str], ...] = ()

    @property
    def data(self) -> Path:
        """The data directory; it exists only when initdb has completed."""
        return self.state / "data"

    @cached_property
    def _passage(self) -> Passage:
        """The server's user and mounts; computed when the state directory exists."""
        identity = Identity.for_server(self.data)
        identity.own(self.state)
        needed = [_prefix(self.bin)] + ([self.libraries.resolve()] if self.libraries else [])
        return Passage.plan(identity, self.state.resolve(), needed)

    def create(self) -> None:
        """Create the data directory when it is missing, and update the configuration.

        initdb works in `data.partial.PID`, which is renamed to `data`: an interrupted run leaves no
        incomplete cluster.

        Raises:
            LabError: when initdb fails, or the directory belongs to another user.
        """
        try:
            self.state.mkdir(parents=True, exist_ok=True)
            self._copy_configuration()
            if not self.data.exists():
                self._initdb()
        except OSError as error:
            raise LabError(
                f"Could not prepare {self.state}: {error.strerror}: {error.filename}.\n"
                "If an earlier run belonged to another user, run as that user, or let that user run"
                " `./creditlab down --wipe`."
            ) from error

    def command(self) -> list[str]:
        """Return the server's command line, for use after `create`, in any directory and environment.

        The server keeps the process id of the caller that execs it, and stays in the foreground.
        """
        conf = self._seen(self.state / "conf")
        settings = {
            "config_file": f"{conf}/postgresql.conf",
            "hba_file": f"{conf}/pg_hba.conf",
            "listen_addresses": self.settings.postgres_host,
            "port": str(self.settings.postgres_port),
            "unix_socket_directories": "",
            **dict(self.options),
        }
        arguments = [a for name, value in settings.items() for a in ("-c", f"{name}={value}")]
        return self._as_server("postgres", "-D", str(self._seen(self.data)), *arguments)

    def is_ready(self) -> bool:
        """Whether the server accepts connections now (it has started and is not recovering)."""
        # Without a password the attempt ends before authentication fails, without a line in the log.
        return self._client("pg_isready", "--quiet", secrets={}).returncode == 0

    def initialise(self) -> None:
        """Create the database and run postgres/init, all of it or nothing; the server must be ready.

        In a database that has the schema, only the files of roles and observability run again, so that
        passwords, limits and privileges match the settings and this version of the lab.

        Raises:
            LabError: when the superuser's password is not the one with which this data directory was created,
                or a file of postgres/init fails.
        """
        self._make_database()
        with database.connect(database.dsn(self.settings, database.Role.SUPERUSER)) as connection:
            [[schema]] = database.rows(connection, "SELECT to_regclass(%s)", [_SCHEMA_MARK])
        files = sorted((_POSTGRES / "init").glob("*.sql"))
        self._run_sql([f for f in files if schema is None or f.name in _REPEATED])

    def _make_database(self) -> None:
        name = self.settings.postgres_db
        maintenance = database.dsn(self.settings, database.Role.SUPERUSER, database="postgres")
        try:
            with database.connect(maintenance) as connection:
                known = "SELECT FROM pg_database WHERE datname = %s"
                if not database.rows(connection, known, [name]):
                    quoted = database.identifier(name, connection)
                    database.rows(connection, f"CREATE DATABASE {quoted}")
        except PasswordRefusedError:
            raise LabError(
                f"The data in {self.data} was created with another POSTGRES_USER or POSTGRES_PASSWORD.\n"
                "Restore the old values in .env, or remove the data: ./creditlab down --wipe"
            ) from None

    def _run_sql(self, files: list[Path]) -> None:
        arguments = ["--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1"]
        done = self._client(
            "psql",
            *arguments,
            f"--dbname={self.settings.postgres_db}",
            *(f"--file={file}" for file in files),
            secrets=self._passwords(),
        )
        if done.returncode:
            raise LabError(f"postgres/init failed; it was rolled back.\n{done.stderr}")

    def _passwords(self) -> dict[str, str]:
        """Return the passwords that postgres/init and psql read from their environment."""
        passwords = of_settings(self.settings, database.PASSWORDS.values())
        return {"PGPASSWORD": passwords.pop("POSTGRES_PASSWORD"), **passwords}

    def _client(
        self, program: str, *arguments: str, secrets: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run a client program as the caller; secrets are passed by its environment only."""
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LC_ALL": "C.UTF-8",
            "LD_LIBRARY_PATH": str(self.libraries or ""),
            "PGOPTIONS": "-c client_min_messages=warning",
            **secrets,
        }
        argv = [
            str(self.bin / program),
            f"--host={self.settings.postgres_host}",
            f"--port={self.settings.postgres_port}",
            f"--username={self.settings.postgres_user}",
            *arguments,
        ]
        return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)

    def _copy_configuration(self) -> None:
        """Copy postgres/conf to a directory that the server's user can read."""
        conf = self.state / "conf"
        conf.mkdir(exist_ok=True)
        identity = Identity.for_server(self.data)
        identity.own(conf)
        for source in (_POSTGRES / "conf").glob("*.conf"):
            target = conf / source.name
            shutil.copyfile(source, target)
            identity.own(target)

    def _initdb(self) -> None:
        # A name of its own: an initdb of a killed `up` may still write to another one.
        partial = self.state / f"data.partial.{os.getpid()}"
        password = self.state / "password"
        for left in self.state.glob("data.partial*"):
            shutil.rmtree(left, ignore_errors=True)
        identity = self._passage.identity
        try:
            # A file, because a command line is public, and another user cannot reopen a pipe of root.
            password.touch(mode=0o600)
            password.write_text(
                self.settings.postgres_password.get_secret_value() + "\n", encoding="utf-8"
            )
            identity.own(password)
            done = subprocess.run(
                self._as_server(
                    "initdb",
                    f"--pgdata={self._seen(partial)}",
                    f"--username={self.settings.postgres_user}",
                    f"--pwfile={self._seen(password)}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--locale=C.UTF-8",
                    "--data-checksums",
                ),
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            password.unlink(missing_ok=True)
        if done.returncode:
            raise LabError(f"initdb could not create {self.data}.\n{done.stderr.strip()}")
        partial.rename(self.data)

    def _as_server(self, program: str, *arguments: str) -> list[str]:
        """Return a command line that runs a program as the server's user, in its mount namespace."""
        environment = {}
        if self.libraries:
            environment["LD_LIBRARY_PATH"] = str(self._seen(self.libraries))
        binary = self._seen(self.bin.resolve() / program)
        return self._passage.command([str(binary), *arguments], environment)

    def _seen(self, path: Path) -> Path:
        return self._passage.seen(path.resolve())


def _prefix(binaries: Path) -> Path:
    """Return the installation of the binaries; PostgreSQL finds share/ and lib/ relative to them."""
    resolved = binaries.resolve()
    return next((d for d in resolved.parents if (d / "share").is_dir()), resolved)
