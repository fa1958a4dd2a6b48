"""Follows the files of the log directory across rotation, restart and truncation, in bounded pieces.

PostgreSQL truncates a file when its name is used again (log_truncate_on_rotation), so a position is valid
only for the same beginning of the file: `head`, the hash of its first bytes. A piece ends at the end of a
line. The caller stores its records together with its position, then calls `advance`.
"""

import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from lab.telemetry.store import LogPosition

HEAD_BYTES = 512
PIECE_BYTES = 1 << 20
MAX_LINE_BYTES = 16 << 20
PATTERN = "*.json"
IDLE_NS = 10_000_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """Complete lines of one file, and the position after them."""

    lines: list[bytes]
    position: LogPosition


class Tail:
    """Reads the files from given positions; for one thread."""

    def __init__(self, directory: Path, positions: Mapping[str, LogPosition]) -> None:
        self._directory = directory
        self._positions = dict(positions)

    def next(self, *, now_ns: int) -> Piece | None:
        """Return the next piece, from the file with the oldest modification; None when all is read.

        Raises:
            OSError: when the directory or a file cannot be read.
        """
        for path in self._files():
            piece = self._read(path, now_ns)
            if piece is not None:
                return piece
        return None

    def nothing_new(self, now_ns: int) -> Piece | None:
        """Return a piece without lines once IDLE_NS have passed since the last piece; None before."""
        last = max(self._positions.values(), key=lambda p: p.at_ns, default=None)
        if last is None or now_ns - last.at_ns < IDLE_NS or not self._files():
            return None
        return Piece(lines=[], position=replace(last, at_ns=now_ns))

    def advance(self, piece: Piece) -> None:
        """Continue after a piece, once it is stored."""
        self._positions[piece.position.file] = piece.position

    def unread_bytes(self) -> int:
        """Return the number of bytes after the positions."""
        return sum(max(path.stat().st_size - self._known(path.name), 0) for path in self._files())

    def _known(self, name: str) -> int:
        position = self._positions.get(name)
        return position.position if position else 0

    def _files(self) -> list[Path]:
        found = []
        for path in self._directory.glob(PATTERN):
            try:
                status = path.stat()
            except PermissionError:
                raise
            except OSError:
                continue  # removed by rotation since the listing, or a loop of links
            # A directory cannot be read, and reading a named pipe would block.
            if stat.S_ISREG(status.st_mode):
                found.append((status.st_mtime_ns, path))
        return [path for _, path in sorted(found)]

    def _read(self, path: Path, now_ns: int) -> Piece | None:
        try:
            file = path.open("rb", buffering=0)
        except FileNotFoundError:
            return None
        with file:
            start = self._start(file, path.name)
            if os.fstat(file.fileno()).st_size == start:
                return None
            lines, end = _whole_lines(file, start)
            if end == start:
                return None
            head_bytes = min(HEAD_BYTES, end)
            head = _head(file, head_bytes)
            # Truncated while it was read: the data may be of either state, so read it again.
            if self._start(file, path.name) != start or os.fstat(file.fileno()).st_size < end:
                return None
        position = LogPosition(
            file=path.name, head=head, head_bytes=head_bytes, position=end, at_ns=now_ns
        )
        return Piece(lines=lines, position=position)

    def _start(self, file: BinaryIO, name: str) -> int:
        known = self._positions.get(name)
        if known is None or os.fstat(file.fileno()).st_size < known.position:
            return 0
        return known.position if _head(file, known.head_bytes) == known.head else 0


def _head(file: BinaryIO, size: int) -> str:
    return hashlib.sha256(os.pread(file.fileno(), size, 0)).hexdigest()


def _whole_lines(file: BinaryIO, start: int) -> tuple[list[bytes], int]:
    """Return the lines from `start` on, and the offset of their end."""
    size = PIECE_BYTES
    while True:
        data = os.pread(file.fileno(), size, start)
        end = data.rfind(b"\n") + 1
        if end or len(data) < size:
            return data[:end].split(b"\n")[:-1], start + end
        if size >= MAX_LINE_BYTES:
            # PostgreSQL writes no line of that length; skip it, so that the next lines are read.
            return [data[:100]], start + len(data)
        size *= 2
