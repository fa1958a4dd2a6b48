"""The compared drivers: installed by pip into a directory of their own when the benchmark runs."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from lab.foundation.errors import LabError
from lab.foundation.paths import PACKAGES
from lab.foundation.settings import ROOT

LOCK = ROOT / "locks" / "drivers.txt"
INSTALL_S = 600
LAST_LINES = 3


def drivers(say: Callable[[str], None], *, directory: Path = PACKAGES / "drivers") -> Path:
    """Return the directory with the packages of locks/drivers.txt; install them when they are missing.

    Raises:
        LabError: with pip's reason and the command, when pip cannot install them.
    """
    stamp = directory / "stamp"
    wanted = f"{hashlib.sha256(LOCK.read_bytes()).hexdigest()} {sys.version_info[:2]}"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return directory
    say("installing locks/drivers.txt")
    shutil.rmtree(directory, ignore_errors=True)
    command = [
        sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
        "--require-hashes", "--only-binary=:all:", "--target", str(directory), "-r", str(LOCK),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=INSTALL_S)
    if done.returncode:
        reason = "\n".join(done.stderr.strip().splitlines()[-LAST_LINES:])
        raise LabError(
            f"The drivers that `bench propagation` compares could not be installed:\n{reason}\n"
            f"Check the network, or install them yourself, then run the benchmark again:\n"
            f"  {' '.join(command)}"
        )
    stamp.write_text(wanted, encoding="utf-8")
    return directory


def versions(directory: Path) -> dict[str, str]:
    """Return the versions of the installed drivers by name, without their dependencies."""
    names = (path.stem.rsplit("-", 1) for path in directory.glob("*.dist-info"))
    found = {name: number for name, number in names}  # noqa: C416 - a pair of a list is no pair for dict()
    return {name: found[name] for name in ("asyncpg", "psycopg", "sqlalchemy") if name in found}
