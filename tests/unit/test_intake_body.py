"""Request bodies: every encoding, in any pieces, never beyond the limit."""

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable
from functools import partial

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from lab.telemetry.intake import RejectedError
from lab.telemetry.intake.body import read

LIMIT = 1_000_000


def zstd(data: bytes) -> bytes:
    """Return a frame without a content size, as Agents send it."""
    stream = zstandard.ZstdCompressor().compressobj()
    return stream.compress(data) + stream.flush()


ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    "gzip": gzip.compress,
    "deflate": partial(zlib.compress, level=6),
    "zstd": zstd,
}


def take(body: bytes, encoding: str, *, limit: int = LIMIT, piece: int = 1000) -> bytes:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), piece):
            yield body[start : start + piece]

    return asyncio.run(read(pieces(), encoding, limit=limit))


@given(st.binary(max_size=5000), st.sampled_from(sorted(ENCODERS)), st.integers(1, 700))
def test_every_encoding_in_any_pieces(data: bytes, encoding: str, piece: int) -> None:
    """What was compressed comes out, however it arrives."""
    assert take(ENCODERS[encoding](data), encoding, piece=piece) == data


@pytest.mark.parametrize("encoding", ENCODERS)
def test_the_limit_is_exact(encoding: str) -> None:
    """As many bytes as the limit are taken, one more is refused with 413."""
    assert len(take(ENCODERS[encoding](b"x" * LIMIT), encoding)) == LIMIT
    with pytest.raises(RejectedError) as refused:
        take(ENCODERS[encoding](b"x" * (LIMIT + 1)), encoding)
    assert (refused.value.status, refused.value.reason) == (413, "too_large")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_a_bomb_is_refused_before_it_goes_off(encoding: str) -> None:
    """A hundred megabytes of zeros in a small body take no more memory than the limit allows."""
    bomb = ENCODERS[encoding](b"\0" * 100_000_000)
    tracemalloc.start()
    with pytest.raises(RejectedError):
        take(bomb, encoding, piece=65_536)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 30_000_000


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
@pytest.mark.parametrize("body", [b"no such thing", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd\x04"])
def test_what_cannot_be_decompressed(encoding: str, body: bytes) -> None:
    """A body that is not what its header says is refused with 400."""
    with pytest.raises(RejectedError) as refused:
        take(body, encoding)
    assert refused.value.status == 400


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_a_body_that_ends_too_early(encoding: str) -> None:
    """A truncated body is refused, not taken for a shorter one."""
    whole = ENCODERS[encoding](bytes(range(256)) * 20)
    with pytest.raises(RejectedError, match="too early"):
        take(whole[:-1], encoding)


def test_an_unknown_encoding() -> None:
    """Another encoding is refused with those that there are."""
    with pytest.raises(RejectedError, match="zstd, gzip or deflate") as refused:
        take(b"x", "br")
    assert refused.value.status == 415


@pytest.mark.parametrize("encoding", ENCODERS)
def test_no_body_at_all(encoding: str) -> None:
    """An empty body is empty, whatever the header says."""
    assert take(b"", encoding) == b""
