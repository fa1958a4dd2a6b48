"""Request bodies, decompressed as they arrive, never beyond a limit.

Agents send zstd without a content size, gzip or deflate; a few kilobytes may stand for gigabytes. So the
limit holds for what comes out, and is checked before each next piece is decompressed.
"""

import zlib
from collections.abc import AsyncIterator
from typing import Protocol

import zstandard

from lab.intake.errors import RejectedError, malformed

MAX_WINDOW_BYTES = 32 << 20
# zstandard's decompressobj has no limit on its output, and four bytes may stand for 128 KiB (a block of
# repeated bytes). So it gets slices of this size, of which one gives 8 MiB at the very most.
SLICE_BYTES = 256


class _Decompressor(Protocol):
    def feed(self, data: bytes, room: int) -> bytes: ...
    def finish(self) -> None: ...


class _Identity:
    def feed(self, data: bytes, room: int) -> bytes:
        return data[: room + 1]

    def finish(self) -> None: ...


class _Zlib:
    def __init__(self, bits: int) -> None:
        self._stream = zlib.decompressobj(bits)

    def feed(self, data: bytes, room: int) -> bytes:
        out = b""
        while data and len(out) <= room and not self._stream.eof:
            out += self._stream.decompress(data, room + 1 - len(out))
            data = self._stream.unconsumed_tail
        return out

    def finish(self) -> None:
        if not self._stream.eof:
            raise malformed("the compressed body ends too early")


class _Zstd:
    def __init__(self) -> None:
        self._stream = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES).decompressobj()

    def feed(self, data: bytes, room: int) -> bytes:
        out = bytearray()
        for start in range(0, len(data), SLICE_BYTES):
            if len(out) > room or self._stream.eof:
                break
            out += self._stream.decompress(data[start : start + SLICE_BYTES])
        return bytes(out)

    def finish(self) -> None:
        if not self._stream.eof:
            raise malformed("the compressed body ends too early")


def _decompressor(encoding: str) -> _Decompressor:
    match encoding.strip().lower():
        case "" | "identity":
            return _Identity()
        case "gzip" | "x-gzip":
            return _Zlib(zlib.MAX_WBITS | 16)
        case "deflate":
            return _Zlib(zlib.MAX_WBITS)
        case "zstd":
            return _Zstd()
    raise RejectedError(415, "encoding", "Content-Encoding must be zstd, gzip or deflate")


async def read(pieces: AsyncIterator[bytes], encoding: str, *, limit: int) -> bytes:
    """Return a body, decompressed.

    Args:
        pieces: the body as it arrives.
        encoding: the Content-Encoding header, "" for none.
        limit: in bytes, for what arrives and for what comes out.

    Raises:
        RejectedError: 413 beyond the limit, 415 for another encoding, 400 when it cannot be decompressed.
    """
    decompressor = _decompressor(encoding)
    body = bytearray()
    arrived = 0
    async for piece in pieces:
        arrived += len(piece)
        try:
            body += decompressor.feed(piece, limit - len(body))
        except (zlib.error, zstandard.ZstdError) as error:
            raise malformed(f"the body is no {encoding}") from error
        if max(arrived, len(body)) > limit:
            raise RejectedError(413, "too_large", f"more than {limit} bytes, decompressed")
    if arrived:
        decompressor.finish()
    return bytes(body)
