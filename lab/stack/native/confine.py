"""Runs one command as another user, in a private mount namespace: `setpriv` with bind mounts.

A separate program, because the process that becomes the server must execute the steps, and because forking a
threaded Python for them may deadlock. Standard library only, and run by its path
(`python -I -S confine.py UID GID [SOURCE TARGET]... -- COMMAND...`): after the change of user no file of the
clone can be imported. Targets are below one of BASES, which an empty tmpfs covers.
"""

import ctypes
import os
import sys
from pathlib import Path

# Directories that exist on every Linux, that no program needs, and that the tmpfs may cover.
BASES = (Path("/mnt"), Path("/media"), Path("/srv"), Path("/opt"))

_CLONE_NEWNS = 0x00020000
_MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_PRIVATE = 0x2, 0x4, 0x1000, 0x4000, 0x40000


def main(arguments: list[str]) -> None:
    """Execute the steps and exec; raises OSError when one is refused."""
    end = arguments.index("--")
    uid, gid, *binds = arguments[:end]
    command = arguments[end + 1 :]
    if binds:
        _bind(list(zip(binds[::2], binds[1::2], strict=True)))
    os.chdir("/")
    os.umask(0o077)
    os.setgroups([])
    os.setgid(int(gid))
    os.setuid(int(uid))
    os.execv(command[0], command)  # noqa: S606


def _bind(pairs: list[tuple[str, str]]) -> None:
    """Leave the shared mount namespace, then bind-mount each source at its target."""
    libc = ctypes.CDLL(None, use_errno=True)
    _check(libc.unshare(_CLONE_NEWNS), "leave the shared mount namespace")
    _check(libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None), "make the mounts private")
    base = os.path.dirname(pairs[0][1])  # noqa: PTH120
    options = b"mode=755,size=64k"
    flags = _MS_NOSUID | _MS_NODEV
    _check(libc.mount(b"tmpfs", base.encode(), b"tmpfs", flags, options), f"cover {base}")
    for source, target in pairs:
        os.mkdir(target)  # noqa: PTH102
        bound = libc.mount(os.fsencode(source), os.fsencode(target), None, _MS_BIND | _MS_REC, None)
        _check(bound, f"mount {source} at {target}")


def _check(status: int, step: str) -> None:
    if status:
        number = ctypes.get_errno()
        raise OSError(number, f"could not {step}: {os.strerror(number)}")


if __name__ == "__main__":
    main(sys.argv[1:])
