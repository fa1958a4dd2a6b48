"""Finds the programs of the native stack: installed ones first, else unpacks Debian packages into `.lab/`.

Nothing is installed and no system service is started.
"""

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lab.foundation.debian import fetch
from lab.foundation.errors import LabError
from lab.foundation.paths import PACKAGES

Say = Callable[[str], None]

POSTGRES_MAJOR = 15
POSTGRES_DIRECTORIES = (Path("/usr/lib/postgresql/15/bin"), Path("/usr/pgsql-15/bin"))
EXPORTER_AT_LEAST = (0, 17)
PROMETHEUS_AT_LEAST = (2, 43)
MONITORING = ("prometheus", "promtool", "prometheus-postgres-exporter")
# Newest first. Debian 13's pair, Prometheus 2.53 and exporter 0.17, runs on older systems, too.
MONITORING_RELEASES = ("forky", "trixie")


@dataclass(frozen=True, kw_only=True)
class Program:
    """One executable, its version, and a directory of libraries in addition to the system's."""

    path: Path
    version: str
    libraries: Path | None = None

    def beside(self, name: str) -> Path:
        """Return the path of another program in the same directory, such as `psql`."""
        return self.path.parent / name

    def environment(self) -> dict[str, str]:
        """Return the variables that the program needs to find its libraries."""
        return {"LD_LIBRARY_PATH": str(self.libraries)} if self.libraries else {}


def postgres_bin(say: Say = lambda _: None) -> Program:
    """Return `postgres` of PostgreSQL 15; `initdb`, `psql` and the others are beside it.

    Raises:
        LabError: when it is neither installed nor can be fetched.
    """
    on_path = shutil.which("postgres")
    candidates = [Path(on_path).resolve()] if on_path else []
    candidates += [directory / "postgres" for directory in POSTGRES_DIRECTORIES]

    def fits(version: tuple[int, ...]) -> bool:
        return version[0] == POSTGRES_MAJOR

    found = first_fitting(candidates, fits)
    if found:
        return found
    root = fetch(
        ("postgresql-15", "postgresql-client-15", "postgresql-15-hypopg"),
        release="bookworm",
        into=PACKAGES / "postgresql-15",
        libraries=True,
        say=say,
    )
    return fetched(root, "usr/lib/postgresql/15/bin/postgres", "PostgreSQL 15", fits)


def exporter(say: Say = lambda _: None) -> Program:
    """Return postgres_exporter; older ones lack the collectors that the rules are written for.

    Raises:
        LabError: when it is neither installed nor can be fetched.
    """
    return _go_program(
        names=("postgres_exporter", "prometheus-postgres-exporter"),
        package="prometheus-postgres-exporter",
        at_least=EXPORTER_AT_LEAST,
        say=say,
    )


def prometheus(say: Say = lambda _: None) -> Program:
    """Return the Prometheus server.

    Raises:
        LabError: when it is neither installed nor can be fetched.
    """
    return _go_program(
        names=("prometheus",), package="prometheus", at_least=PROMETHEUS_AT_LEAST, say=say
    )


def _go_program(
    *, names: tuple[str, ...], package: str, at_least: tuple[int, ...], say: Say
) -> Program:
    def fits(version: tuple[int, ...]) -> bool:
        return version >= at_least

    on_path = [Path(path) for name in names if (path := shutil.which(name))]
    found = first_fitting(on_path, fits)
    if found:
        return found
    return fetched(_monitoring(say), f"usr/bin/{package}", package, fits)


def _monitoring(say: Say) -> Path:
    """Return the root of the monitoring programs of the newest Debian release that run on this machine."""
    reason: LabError | None = None
    for release in MONITORING_RELEASES:
        try:
            root = fetch_monitoring(release, say)
        except LabError as error:
            reason = error
            continue
        # A binary for a newer C library than this machine's does not start.
        if all(_version(root / "usr/bin" / name, None) != "0" for name in MONITORING):
            return root
    raise reason or LabError(
        f"The monitoring programs of Debian {', '.join(MONITORING_RELEASES)} do not run on this machine.\n"
        "Install prometheus, promtool and postgres_exporter yourself, and put them on the PATH."
    )


def fetch_monitoring(release: str, say: Say = lambda _: None) -> Path:
    """Unpack Prometheus, promtool and the exporter of one Debian release; return their root.

    Raises:
        LabError: when they cannot be fetched.
    """
    return fetch(MONITORING, release=release, into=PACKAGES / f"monitoring-{release}", say=say)


def first_fitting(
    candidates: list[Path], fits: Callable[[tuple[int, ...]], bool]
) -> Program | None:
    """Return the first program that exists and has a fitting version."""
    for path in candidates:
        if path.is_file():
            program = Program(path=path, version=_version(path, None))
            if fits(_numbers(program.version)):
                return program
    return None


def fetched(root: Path, place: str, what: str, fits: Callable[[tuple[int, ...]], bool]) -> Program:
    """Return a program of unpacked packages.

    Raises:
        LabError: when it is not there, or its version does not fit.
    """
    path = root / place
    libraries = next(iter(sorted((root / "usr" / "lib").glob("*-linux-gnu*"))), None)
    version = _version(path, libraries) if path.is_file() else "0"
    if not fits(_numbers(version)):
        raise LabError(
            f"{root} does not contain the version of {what} that the lab needs; found: {version}.\n"
            f"Remove that directory and retry, or install {what} yourself."
        )
    return Program(path=path, version=version, libraries=libraries)


@cache
def _version(path: Path, libraries: Path | None) -> str:
    environment = Program(path=path, version="", libraries=libraries).environment()
    done = subprocess.run(
        [path, "--version"], capture_output=True, text=True, env=environment, check=False
    )
    # The Go programs of older releases print it on standard error.
    match = re.search(r"(\d{1,9}+(?:\.\d{1,9}+)++)", done.stdout + done.stderr)
    return match.group(1) if match else "0"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
