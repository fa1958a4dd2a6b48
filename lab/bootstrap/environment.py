"""The virtual environment of one clone, and whether it holds what a lock pins."""

import hashlib
from pathlib import Path


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
