"""The operating-system user of the database server, and that user's access to its files.

PostgreSQL refuses to run as root. When root calls, another user must own and reach the data, though the clone
may be below a directory that only root may enter (/root, or a directory of `mktemp -d`). PostgreSQL resolves
its paths to absolute ones, so an open directory handle does not help; a bind mount in a mount namespace of
the server does, and no other process sees it.
"""

import os
import pwd
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from lab.foundation.errors import LabError
from lab.stack.native import confine

_CONFINE = Path(confine.__file__)


@dataclass(frozen=True, kw_only=True)
class Identity:
    """An operating-system user."""

    name: str
    uid: int
    gid: int

    @classmethod
    def for_server(cls, data: Path) -> Self:
        """Return the caller; for root, the owner of existing data, else user postgres, else user nobody.

        Raises:
            LabError: when root calls on a machine without these users.
        """
        if os.geteuid() != 0:
            return cls._of(os.geteuid(), os.getegid())
        if data.exists() and data.stat().st_uid != 0:
            return cls._of(data.stat().st_uid, data.stat().st_gid)
        known = {entry.pw_name: entry for entry in pwd.getpwall()}
        for name in ("postgres", "nobody"):
            if name in known:
                return cls(name=name, uid=known[name].pw_uid, gid=known[name].pw_gid)
        raise LabError(
            "PostgreSQL refuses to run as root, and this machine has neither a user postgres nor a"
            " user nobody.\nRun ./creditlab as an ordinary user, or add a user named postgres."
        )

    @classmethod
    def _of(cls, uid: int, gid: int) -> Self:
        # A container may run under an id that has no name.
        names = {entry.pw_uid: entry.pw_name for entry in pwd.getpwall()}
        return cls(name=names.get(uid, str(uid)), uid=uid, gid=gid)

    @property
    def is_caller(self) -> bool:
        """Whether it is the user of this process."""
        return self.uid == os.geteuid()

    def own(self, path: Path) -> None:
        """Make the user the owner of one file or directory."""
        if not self.is_caller:
            os.chown(path, self.uid, self.gid)

    def reaches(self, directory: Path) -> bool:
        """Whether the user may enter and read an absolute directory, tested as that user."""
        if self.is_caller:
            return True
        probe = ["/bin/sh", "-c", 'test -r "$1" && test -x "$1"', "sh", str(directory)]
        return not subprocess.run(
            probe, cwd="/", user=self.uid, group=self.gid, extra_groups=[], check=False
        ).returncode


@dataclass(frozen=True, kw_only=True)
class Passage:
    """The user, and bind mounts (`detours`) for the directories that it cannot reach."""

    identity: Identity
    home: Path
    detours: tuple[tuple[Path, Path], ...]

    @classmethod
    def plan(cls, identity: Identity, home: Path, directories: Sequence[Path]) -> Self:
        """Return the passage for directories (absolute, resolved, existing).

        Raises:
            LabError: when a mount is needed and the machine has no directory for it, or does not permit it
                (a container without CAP_SYS_ADMIN).
        """
        blocked: list[Path] = []
        for directory in [home, *directories]:
            covered = any(directory.is_relative_to(b) for b in blocked)
            if not covered and not identity.reaches(directory):
                blocked.append(directory)
        if not blocked:
            return cls(identity=identity, home=home, detours=())
        needed = [home, *directories, Path(sys.executable).resolve(), Path(sys.base_prefix)]
        base = next((b for b in confine.BASES if _hides_none_of(b, needed)), None)
        if base is None or not _may_mount():
            raise LabError(
                f"User {identity.name}, which PostgreSQL runs as when root calls, cannot enter"
                f" {blocked[0]}, and this machine does not permit a private mount.\n"
                "Move the clone to a directory that all users may enter, for example below /srv,"
                " or run ./creditlab as an ordinary user."
            )
        return cls(
            identity=identity,
            home=home,
            detours=tuple((d, base / f"{n}-{identity.name}") for n, d in enumerate(blocked)),
        )

    def seen(self, path: Path) -> Path:
        """Return the path in the user's mount namespace."""
        for source, target in self.detours:
            if path.is_relative_to(source):
                return target / path.relative_to(source)
        return path

    def command(self, argv: Sequence[str], environment: dict[str, str]) -> list[str]:
        """Return a command line that runs a command, given in `seen` paths, as the user.

        The process keeps its id, and only PATH of the caller's environment.
        """
        clean = [f"{k}={v}" for k, v in environment.items()]
        clean += [
            f"HOME={self.seen(self.home)}",
            "PATH=/usr/local/bin:/usr/bin:/bin",
            "LANG=C.UTF-8",
        ]
        inner = ["/usr/bin/env", "-i", *clean, *argv]
        if self.identity.is_caller:
            return inner
        binds = [str(p) for pair in self.detours for p in pair]
        user = [str(self.identity.uid), str(self.identity.gid)]
        return [sys.executable, "-I", "-S", str(_CONFINE), *user, *binds, "--", *inner]


def _hides_none_of(base: Path, needed: Iterable[Path]) -> bool:
    return base.is_dir() and not any(p.is_relative_to(base) for p in needed)


def _may_mount() -> bool:
    """Whether a private mount is permitted; tested in a child process."""
    probe = [
        sys.executable,
        "-I",
        "-S",
        str(_CONFINE),
        "0",
        "0",
        "/",
        str(confine.BASES[0] / "probe"),
    ]
    return not subprocess.run(
        [*probe, "--", "/bin/true"], check=False, capture_output=True
    ).returncode
