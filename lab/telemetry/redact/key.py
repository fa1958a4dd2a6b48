"""The key under which names are hashed: one for each lab, in a file beside its store, for its owner only.

A process that was given none has one of its own, so that its hashes are at least not the same everywhere.
"""

import os
import secrets
from pathlib import Path

from lab.foundation import statefile
from lab.foundation.statefile import DamagedError

BYTES = 32
_key = secrets.token_bytes(BYTES)


def current() -> bytes:
    """Return the key of this process."""
    return _key


def use_file(path: Path, *, make: bool = True) -> None:
    """Take the key from a file; when it is not there or not whole, make it or keep the process's own.

    Raises:
        OSError: when it can neither be read nor made.
    """
    global _key  # noqa: PLW0603 - one key for a process, like its environment
    _key = _read(path) or (_make(path) if make else _key)


def _read(path: Path) -> bytes | None:
    try:
        key = statefile.read_bytes(path, at_most=BYTES)
    except DamagedError:
        return None
    return key if key is not None and len(key) == BYTES else None


def _make(path: Path) -> bytes:
    """Of two processes that make it at the same time, both take what the first one linked."""
    statefile.make_directory(path.parent)
    statefile.make_room(path)
    key = secrets.token_bytes(BYTES)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.touch(mode=0o600)
    fresh.write_bytes(key)
    try:
        os.link(fresh, path)
    except FileExistsError:
        if (other := _read(path)) is not None:
            return other
        fresh.replace(path)
        return key
    finally:
        fresh.unlink(missing_ok=True)
    return key
