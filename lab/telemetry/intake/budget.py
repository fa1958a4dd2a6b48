"""How many bodies may be read at once, and how many bytes all of them may hold, decompressed.

Bytes are counted as they are produced: a few hundred that arrive may stand for megabytes. A new or growing
body is never refused because others do not end: the oldest, or the one that holds most, makes room. What
makes room is answered with 429, so that a genuine sender comes again. Its content is freed at once, not when
its task runs next: tasks that are ready together would hold many times the limit.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO

from lab.telemetry.intake.errors import RejectedError


@dataclass(kw_only=True, eq=False)
class Body:
    """One body under way; `size` in bytes, what its decompressor holds included."""

    size: int = 0
    # Gives its bytes without a copy; closed once it made room.
    content: BytesIO = field(default_factory=BytesIO, repr=False)
    is_evicted: bool = False
    # Set while it is read; afterwards, while it is decoded, it cannot make room.
    scope: asyncio.Timeout | None = field(default=None, repr=False)


class Budget:
    """For one event loop."""

    def __init__(self, *, max_bytes: int, max_bodies: int) -> None:
        self._max_bytes = max_bytes
        self._max_bodies = max_bodies
        # In the order of their arrival.
        self._bodies: list[Body] = []

    @property
    def used_bytes(self) -> int:
        """Bytes that all bodies hold."""
        return sum(body.size for body in self._bodies)

    @contextmanager
    def body(self) -> Iterator[Body]:
        """Admit one more body for the length of a `with` block.

        Raises:
            RejectedError: 429 when all that are under way are being decoded.
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
        """Count bytes that a body is about to hold.

        Raises:
            RejectedError: 429 when no other body can make room for them, or it had to make room itself.
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
        # What its decompressor holds is freed with its task.
        body.size -= len(body.content.getbuffer())
        body.content.close()
        body.scope.reschedule(asyncio.get_running_loop().time())
        body.scope = None


def busy() -> RejectedError:
    """Return the refusal of a body for which there is no room."""
    return RejectedError(429, "busy", "too many bodies or bytes at once; send it again")
