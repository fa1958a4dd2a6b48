"""Limits of concurrent request bodies: their number, and the decompressed bytes of all of them.

Bytes are counted as they are produced: a few hundred compressed bytes may be megabytes. Slow bodies cannot
block new ones: when a limit is reached, the oldest body, or the largest, is evicted and answered with 429,
so that its sender retries. Its content is freed at once, not when its task runs next: tasks that are ready
at the same time would use many times the limit.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO

from lab.telemetry.intake.errors import RejectedError


@dataclass(kw_only=True, eq=False)
class Body:
    """A body that is read or decoded; `size` in bytes, including its decompressor's window."""

    size: int = 0
    # Its bytes are available without a copy; closed when the body is evicted.
    content: BytesIO = field(default_factory=BytesIO, repr=False)
    is_evicted: bool = False
    # Set while the body is read; while it is decoded, it cannot be evicted.
    scope: asyncio.Timeout | None = field(default=None, repr=False)


class Budget:
    """The limits, for one event loop."""

    def __init__(self, *, max_bytes: int, max_bodies: int) -> None:
        self._max_bytes = max_bytes
        self._max_bodies = max_bodies
        # In the order of their arrival.
        self._bodies: list[Body] = []

    @property
    def used_bytes(self) -> int:
        """Bytes of all bodies."""
        return sum(body.size for body in self._bodies)

    @contextmanager
    def body(self) -> Iterator[Body]:
        """Admit one more body for the length of a `with` block.

        Raises:
            RejectedError: 429 when the number is reached and all bodies are being decoded.
        """
        if sum(not each.is_evicted for each in self._bodies) >= self._max_bodies:
            self._evict(next(iter(self._reading()), None))
        body = Body()
        self._bodies.append(body)
        try:
            yield body
        finally:
            self._bodies.remove(body)

    def grow(self, body: Body, size: int) -> None:
        """Count bytes before a body keeps them.

        Raises:
            RejectedError: 429 when no other body can be evicted, or this one was evicted.
        """
        if body.is_evicted:
            raise busy()
        body.size += size
        while self.used_bytes > self._max_bytes:
            largest = max(self._reading(), key=lambda each: each.size, default=None)
            self._evict(None if largest is body else largest)

    def _reading(self) -> list[Body]:
        return [body for body in self._bodies if body.scope is not None]

    def _evict(self, body: Body | None) -> None:
        if body is None:
            raise busy()
        assert body.scope is not None
        body.is_evicted = True
        # Its decompressor's window is freed with its task.
        body.size -= len(body.content.getbuffer())
        body.content.close()
        body.scope.reschedule(asyncio.get_running_loop().time())
        body.scope = None


def busy() -> RejectedError:
    """Return the error for a body beyond the limits, or an evicted one."""
    return RejectedError(429, "busy", "too many bodies or bytes at once; retry")
