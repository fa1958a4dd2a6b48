"""Hands over to `.venv`: what `./creditlab` does before the lab runs.

Standard library only, and quick: a call that finds the environment complete compares one stamp and
execs. Making the environment is lab/bootstrap/installation.py's work, imported only then.
"""

import hashlib
import os
import sys
from pathlib import Path
from typing import NoReturn

from lab.foundation.errors import LabError


def main(root: str, arguments: list[str]) -> NoReturn:
    """Run the lab's command line with these arguments, in an environment that fits the locks."""
    environment = Environment(Path(root))
    lock = "dev" if arguments[:1] == ["test"] else "lab"
    try:
        if not environment.holds(lock):
            from lab.bootstrap.installation import prepare  # noqa: PLC0415

            prepare(environment, lock)
    except (LabError, OSError) as error:
        sys.stderr.write(f"creditlab: {error}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.stderr.write("\ncreditlab: interrupted; the next call goes on from here.\n")
        sys.exit(130)
    python = str(environment.python)
    # -P: a directory named lab where the caller happens to stand is not the lab.
    os.execv(python, [python, "-P", "-m", "lab", *arguments])  # noqa: S606


class Environment:
    """The virtual environment of one clone, and the stamps that say what is installed in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.directory = root / ".venv"
        self.python = self.directory / "bin" / "python"
        self.unfinished = self.directory / "unfinished"

    def holds(self, lock: str) -> bool:
        """Whether the lock is installed, completely, for this clone and a Python that still exists."""
        try:
            stamp = self.stamp(lock).read_text(encoding="utf-8")
        except OSError:
            return False
        return stamp == self.expected_stamp(lock) and not self.unfinished.exists()

    def lock(self, name: str) -> Path:
        """Return the file of pinned dependencies."""
        return self.root / "locks" / f"{name}.txt"

    def stamp(self, lock: str) -> Path:
        """Return the file that says that the lock is installed."""
        return self.directory / f"{lock}.stamp"

    def expected_stamp(self, lock: str) -> str:
        """Return what the stamp says when it fits: the lock's hash, the Python, the clone."""
        return f"{hashlib.sha256(self.lock(lock).read_bytes()).hexdigest()}\n{self.place()}"

    def place(self) -> str:
        """Return what must not change under an environment: its Python and the clone's directory."""
        return f"{self.python.resolve()}\n{self.root}\n"
