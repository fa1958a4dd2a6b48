"""Inputs from a corpus: the mutations that break parsers of lengths, nesting and numbers."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
MAX_BYTES = 4096
EDGES = tuple(
    n.to_bytes(width, order)
    for width in (1, 2, 4, 8)
    for order in ("big", "little")
    for n in (0, 1, 0x7F, (1 << (8 * width - 1)) - 1, 1 << (8 * width - 1), (1 << (8 * width)) - 1)
    if n < 1 << (8 * width)
)
WORDS = (
    b"null", b"true", b"-1", b"0", b"1e308", b"NaN", b"9223372036854775808", b'""', b"[]", b"{}", b'"',
    b"\\ud800", b"\\u0000", b"'", b"$$", b"/*", b"*/", b"E'", b"\x00", b"\xff", b"\xc0\x80", b"\n", b"--",
    b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00", b"\xff" * 9 + b"\x01",
)  # fmt: skip


def corpus() -> list[bytes]:
    """Return the seeds that are kept in the repository."""
    return [path.read_bytes() for path in sorted(CORPUS.iterdir())]


def inputs(seeds: Sequence[bytes], count: int, *, seed: int) -> Iterator[bytes]:
    """Yield `count` inputs, the same for the same seed."""
    rng = random.Random(seed)
    for _ in range(count):
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.choice((1, 1, 2, 3, 6))):
            _mutate(data, seeds, rng)
        yield bytes(data[:MAX_BYTES])


def _mutate(data: bytearray, seeds: Sequence[bytes], rng: random.Random) -> None:
    at = rng.randrange(len(data) + 1)
    end = min(len(data), at + rng.choice((1, 2, 4, 8, 32)))
    match rng.randrange(7):
        case 0:
            data[at:end] = rng.randbytes(end - at)
        case 1:
            del data[at:end]
        case 2:
            data[at:at] = data[at:end] * rng.choice((1, 2, 50))
        case 3:
            edge = rng.choice(EDGES)
            data[at : at + len(edge)] = edge
        case 4:
            data[at : rng.choice((at, end))] = rng.choice(WORDS)
        case 5:
            other = rng.choice(seeds)
            cut = rng.randrange(len(other) + 1)
            data[at:] = other[cut:]
        case _:
            if at < len(data):
                data[at] ^= 1 << rng.randrange(8)
