"""Reads and decompresses request bodies in pieces, up to a limit; each byte is counted as it is produced.

Agents send zstd without a content size, gzip or deflate; a few kilobytes may decompress to gigabytes. So the
limit is for the decompressed size, and is checked before each piece is decompressed.
"""

import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from io import BytesIO
from typing import Protocol

import zstandard

from lab.telemetry.intake.errors import RejectedError, malformed

# Largest accepted window of a zstd frame; Agents' frames have 8 MiB at most.
MAX_WINDOW_BYTES = 8 << 20
FRAME_HEADER_BYTES = 18
STEP_BYTES = 1 << 20
# zstandard's decompressobj has no limit for its output, and four bytes may decompress to 128 KiB (a block of
# repeated bytes). So it gets slices of this size, which decompress to 2 MiB at most.
SLICE_BYTES = 64
Account = Callable[[int], None]


class _Decompressor(Protocol):
    def feed(self, data: bytes) -> Iterator[bytes]: ...
    def finish(self) -> Iterator[bytes]: ...


class _Identity:
    def feed(self, data: bytes) -> Iterator[bytes]:
        yield data

    def finish(self) -> Iterator[bytes]:
        return iter(())


class _Zlib:
    def __init__(self, bits: int) -> None:
        self._stream = zlib.decompressobj(bits)

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data and not self._stream.eof:
            yield self._stream.decompress(data, STEP_BYTES)
            data = self._stream.unconsumed_tail

    def finish(self) -> Iterator[bytes]:
        yield self._stream.flush(STEP_BYTES)
        if not self._stream.eof:
            raise malformed("the compressed body ends too early")


class _Zstd:
    """Counts the frame's window, which the decompressor allocates, before it gets the frame."""

    def __init__(self, account: Account) -> None:
        self._stream = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES).decompressobj()
        self._account = account
        self._header: bytes | None = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._header is not None:
            self._header += data
            if len(self._header) < FRAME_HEADER_BYTES:
                return
            data = self._begin()
        yield from self._decompress(data)

    def finish(self) -> Iterator[bytes]:
        if self._header is not None:
            yield from self._decompress(self._begin())
        if not self._stream.eof:
            raise malformed("the compressed body ends too early")

    def _begin(self) -> bytes:
        """Return the bytes received so far, after the window is counted."""
        held, self._header = self._header or b"", None
        window = zstandard.get_frame_parameters(held).window_size
        if window > MAX_WINDOW_BYTES:
            raise malformed(f"a zstd window of {window} bytes, more than {MAX_WINDOW_BYTES}")
        self._account(window)
        return held

    def _decompress(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), SLICE_BYTES):
            if self._stream.eof:
                break
            yield self._stream.decompress(data[start : start + SLICE_BYTES])


def _decompressor(encoding: str, account: Account) -> _Decompressor:
    match encoding.strip().lower():
        case "" | "identity":
            return _Identity()
        case "gzip" | "x-gzip":
            return _Zlib(zlib.MAX_WBITS | 16)
        case "deflate":
            return _Zlib(zlib.MAX_WBITS)
        case "zstd":
            return _Zstd(account)
    raise RejectedError(415, "encoding", "Content-Encoding must be zstd, gzip or deflate")


async def read(
    pieces: AsyncIterator[bytes],
    encoding: str,
    *,
    limit: int,
    content: BytesIO | None = None,
    account: Account = lambda _: None,
) -> bytes:
    """Return a body, decompressed.

    Args:
        pieces: the body as it arrives.
        encoding: the Content-Encoding header, "" for none.
        limit: in bytes, for the compressed and for the decompressed size.
        content: an empty buffer for the body; once it is closed, `account` must raise.
        account: called with each number of bytes before they are kept; it may raise.

    Raises:
        RejectedError: 413 beyond the limit, 415 for another encoding, 400 when it cannot be decompressed.
    """
    decompressor = _decompressor(encoding, account)
    body = BytesIO() if content is None else content
    arrived = 0

    def take(produced: Iterator[bytes]) -> None:
        try:
            for part in produced:
                account(len(part))
                if body.tell() + len(part) > limit:
                    raise too_large(limit)
                body.write(part)
        except (zlib.error, zstandard.ZstdError) as error:
            raise malformed(f"the body is not {encoding}") from error

    async for piece in pieces:
        arrived += len(piece)
        if arrived > limit:
            raise too_large(limit)
        take(decompressor.feed(piece))
    if arrived:
        take(decompressor.finish())
    account(0)
    return body.getvalue()


def too_large(limit: int) -> RejectedError:
    """Return the error for a body beyond the limit."""
    return RejectedError(413, "too_large", f"more than {limit} bytes, decompressed")
