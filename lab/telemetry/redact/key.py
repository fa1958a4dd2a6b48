"""The key of the hash of names: one for each lab, in a file beside its store, readable by its owner only.

A process without that file uses a random key, so that its hashes differ between processes.
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
    """Read the key from a file; when it is missing or incomplete, create it or keep the process's key.

    Raises:
        OSError: when it can neither be read nor created.
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
    """Create the key file; of two processes that do so at once, both use the key that was linked first."""
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
