"""What a power loss leaves: a directory as its fsyncs made it durable, and no more than that."""

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

# Name of an entry: its inode, and whether that is a directory.
Entries = dict[str, tuple[int, bool]]


@dataclass
class Disk:
    """Records each fsync below a directory; `lose_power` builds what would be there afterwards."""

    root: Path
    contents: dict[int, bytes] = field(default_factory=dict)
    entries: dict[int, Entries] = field(default_factory=dict)
    kept: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        for directory, _, files in os.walk(self.root):
            self.entries[Path(directory).stat().st_ino] = _entries(directory)
            for name in files:
                path = Path(directory) / name
                self.contents[path.stat().st_ino] = path.read_bytes()

    def recording(self, fsync: Callable[[int], None]) -> Callable[[int], None]:
        """Return an `os.fsync` that is recorded."""

        def recorded(descriptor: int) -> None:
            fsync(descriptor)
            found = os.fstat(descriptor)
            place = f"/proc/self/fd/{descriptor}"
            if stat.S_ISDIR(found.st_mode):
                self.entries[found.st_ino] = _entries(place)
            else:
                self.contents[found.st_ino] = Path(place).read_bytes()
            # Kept open, so that no later file is given the same inode.
            self.kept.append(os.dup(descriptor))

        return recorded

    def close(self) -> None:
        """Let go of the inodes."""
        for descriptor in self.kept:
            os.close(descriptor)
        self.kept.clear()

    def lose_power(
        self, into: Path, *, names_survive: bool = False, contents_survive: bool = False
    ) -> None:
        """Write what is left of the root into a new directory.

        Args:
            into: made here.
            names_survive: entries of directories reach the disk in time, though nobody fsynced them.
            contents_survive: bytes of files do so. With names alone a renamed file may be empty.
        """
        into.mkdir()
        current = {p.stat().st_ino: p for p in self.root.rglob("*") if p.exists()}
        current[self.root.stat().st_ino] = self.root
        self._build(self.root.stat().st_ino, into, current, names_survive, contents_survive)

    def _build(
        self, inode: int, into: Path, current: dict[int, Path], names: bool, contents: bool
    ) -> None:
        is_there = inode in current
        entries = _entries(current[inode]) if names and is_there else self.entries.get(inode, {})
        for name, (child, is_directory) in entries.items():
            if is_directory:
                (into / name).mkdir()
                self._build(child, into / name, current, names, contents)
            elif contents and child in current:
                (into / name).write_bytes(current[child].read_bytes())
            else:
                (into / name).write_bytes(self.contents.get(child, b""))


def _entries(directory: Path | str) -> Entries:
    with os.scandir(directory) as found:
        return {e.name: (e.inode(), e.is_dir(follow_symlinks=False)) for e in found}
