"""State files: durable writes (fsync of file and directory), checked reads, and damaged files set aside.

After a power loss a file has its old or its new content, never a part of it; content is durable when the
call returns. The caller holds a lock, or is the only writer of the file. A file that cannot be decoded
is renamed to NAME.damaged, with a message, so that it cannot prevent the lab from starting; the next
damaged one replaces it, so that they do not accumulate.
"""

import errno
import logging
import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from lab.foundation.errors import LabError

T = TypeVar("T")

log = logging.getLogger(__name__)
# Far above the size of any state file of the lab.
MAX_BYTES = 16_000_000
DAMAGED = ".damaged"
# The deepest state files: drills/runs/RUN.json in the state directory.
DEPTH = 3


class DamagedError(LabError):
    """A state file cannot be decoded; `path` is the file, `why` is the reason."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path} is damaged: {why}")
        self.path = path
        self.why = why


def write(path: Path, content: bytes, *, mode: int | None = None) -> None:
    """Replace a file, durably: temporary file, fsync, rename, fsync of the directory.

    Args:
        path: the file; its directory is created when it is missing.
        content: the whole content.
        mode: permissions; by default those that the umask leaves.
    """
    make_directory(path.parent)
    partial = path.with_name(f"{path.name}.partial")
    make_room(partial)
    make_room(path)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    try:
        if mode is not None:
            os.fchmod(descriptor, mode)
        _write_all(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    partial.replace(path)
    _sync_directories(path)


def write_json(path: Path, value: object) -> None:
    """Replace a file with a value as JSON, durably; dataclasses become objects."""
    write(path, msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


def append(path: Path, line: bytes) -> None:
    """Append one line to a file, durably; an incomplete last line, left by a crash, is ended first."""
    make_directory(path.parent)
    make_room(path)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        _write_all(descriptor, (b"\n" if torn else b"") + line + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    _sync_directories(path)


def remove(path: Path) -> None:
    """Remove a file, durably; a missing file is no error."""
    try:
        path.unlink()
    except FileNotFoundError:
        return
    _sync_directories(path)


def require_directories_above(path: Path) -> None:
    """Raise when a parent of the path is not a directory: only files of the lab are set aside.

    Raises:
        NotADirectoryError: with the path of that parent.
    """
    for above in path.parents:
        if os.path.lexists(above) and not above.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(above))


def make_directory(path: Path) -> None:
    """Create a directory and its parents, durably; a file with that name is set aside."""
    if path.is_dir():
        return
    if os.path.lexists(path):
        set_aside(path, "it is no directory")
    make_directory(path.parent)
    try:
        path.mkdir()
    except FileExistsError:  # another process was faster
        return
    _sync(path.parent)


def read(path: Path, kind: type[T], *, at_most: int = MAX_BYTES) -> T | None:
    """Return a file's JSON, decoded as a type; None when there is no file.

    Raises:
        DamagedError: when it cannot be decoded: other types, cut off, too large, a directory, a device.
        PermissionError: when it belongs to another user.
    """
    content = read_bytes(path, at_most=at_most)
    if content is None:
        return None
    try:
        return msgspec.json.decode(content, type=kind)
    except (ValueError, RecursionError) as error:
        raise DamagedError(path, str(error) or type(error).__name__) from None


def read_bytes(path: Path, *, at_most: int = MAX_BYTES) -> bytes | None:
    """Return the bytes of a regular file; None when there is none. Raises as `read` does."""
    try:
        # Not blocking: a named pipe in its place would never be opened.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        if path.lstat().st_uid != os.geteuid():
            raise
        raise DamagedError(path, str(error.strerror)) from None
    except OSError as error:
        raise DamagedError(path, str(error.strerror)) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise DamagedError(path, "it is no regular file")
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(at_most + 1)
    if len(content) > at_most:
        raise DamagedError(path, f"it is larger than {at_most:,} bytes")
    return content


def make_room(path: Path) -> None:
    """Set a path aside when it is not a regular file, or one that its owner cannot read and write."""
    try:
        found = path.lstat()
    except OSError:
        return
    if not stat.S_ISREG(found.st_mode):
        set_aside(path, "it is no regular file")
    elif found.st_uid == os.geteuid() and not os.access(path, os.R_OK | os.W_OK):
        set_aside(path, "its permissions keep its owner from it")


def set_aside(path: Path, why: object, *, lost: str = "") -> Path:
    """Rename something damaged to NAME.damaged, with a message on standard error.

    Args:
        path: a file, or a directory or device with its name.
        why: the reason.
        lost: a sentence on what is lost with it.

    Raises:
        LabError: when it cannot be renamed.
    """
    target = path.with_name(path.name + DAMAGED)
    try:
        discard(target)
        path.replace(target)
    except FileNotFoundError:  # another command has set it aside
        return target
    except OSError as error:
        raise LabError(
            f"{path} is damaged: {why}.\nIt cannot be renamed ({error.strerror}); remove it yourself."
        ) from error
    log.warning("creditlab: %s is damaged: %s. It is now %s. %s", path, why, target.name, lost)
    return target


def discard(path: Path) -> None:
    """Remove a file or a directory tree; a missing one is no error."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        with suppress(FileNotFoundError, NotADirectoryError):  # the latter: a file above it
            path.unlink()


def _write_all(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]


def _sync_directories(path: Path) -> None:
    """Fsync the directory, and those above: a process that created one may have been killed before it did."""
    for directory in path.parents[:DEPTH]:
        _sync(directory)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system without fsync of directories
            raise
    finally:
        os.close(descriptor)
