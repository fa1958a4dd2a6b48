"""The virtual environment of one clone, and whether the packages of a lock are installed in it."""

import hashlib
from pathlib import Path


class Environment:
    """The virtual environment of one clone, and the stamps of the locks that are installed in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.directory = root / ".venv"
        self.python = self.directory / "bin" / "python"
        self.unfinished = self.directory / "unfinished"

    def holds(self, lock: str) -> bool:
        """Whether the lock is completely installed, for this clone and a Python that still exists."""
        try:
            stamp = self.stamp(lock).read_text(encoding="utf-8")
        except OSError:
            return False
        return stamp == self.expected_stamp(lock) and not self.unfinished.exists()

    def lock(self, name: str) -> Path:
        """Return the file of pinned dependencies."""
        return self.root / "locks" / f"{name}.txt"

    def stamp(self, lock: str) -> Path:
        """Return the stamp file of an installed lock."""
        return self.directory / f"{lock}.stamp"

    def expected_stamp(self, lock: str) -> str:
        """Return the content of a valid stamp: the lock's hash, the Python, the clone's directory."""
        return f"{hashlib.sha256(self.lock(lock).read_bytes()).hexdigest()}\n{self.place()}"

    def place(self) -> str:
        """Return what an environment depends on: its Python and the clone's directory."""
        return f"{self.python.resolve()}\n{self.root}\n"
