"""Packages are really fetched from the machine's own mirror, and what they hold runs."""

import shutil
import subprocess
from pathlib import Path

import pytest

from lab.foundation.debian import fetch, machine_archives

pytestmark = pytest.mark.skipif(
    not shutil.which("apt-get") or not list(machine_archives()), reason="needs a Debian"
)
STATUS = Path("/var/lib/dpkg/status")


def test_a_program_and_its_libraries_run_from_where_they_were_unpacked(tmp_path: Path) -> None:
    """Fetched into a directory with a space, psql starts; the system's package state is unchanged."""
    before = STATUS.read_bytes()
    reported: list[str] = []
    root = fetch(
        ("postgresql-client-15",),
        release="bookworm",
        into=tmp_path / "a place" / "psql",
        libraries=True,
        say=reported.append,
    )
    # None are fetched on a machine that has them all.
    libraries = next((root / "usr" / "lib").glob("*-linux-gnu*"), root)
    done = subprocess.run(
        [root / "usr/lib/postgresql/15/bin/psql", "--version"],
        env={"LD_LIBRARY_PATH": str(libraries)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("psql (PostgreSQL) 15.")
    assert [line.split()[0] for line in reported] == ["reading", "downloading", "unpacking"]
    assert STATUS.read_bytes() == before
    assert [path.name for path in root.parent.iterdir()] == ["psql"]
