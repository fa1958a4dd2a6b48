"""Counts and amounts of the hot path: each is appended to a list, and the lists are added up in batches.

A lock and a search for the bucket would cost an operation as much as all its other Python. Appending to a
list is atomic, so no recording is lost, and all pending ones are added before a value is read: it is exact.
"""

from collections.abc import Sequence
from threading import Lock

BATCH = 1000


class Recordings:
    """Numbers that any thread appends to `_pending`; a subclass adds up a batch of them."""

    __slots__ = ("_lock", "_pending")

    def __init__(self) -> None:
        self._lock = Lock()
        self._pending: list[float] = []

    def _settle(self) -> None:
        """Add up the pending recordings."""
        with self._lock:
            # Other threads append behind these meanwhile.
            if batch := self._pending[:]:
                del self._pending[: len(batch)]
                self._add(batch)

    def _add(self, batch: Sequence[float]) -> None:
        raise NotImplementedError


class Counter(Recordings):
    """A count of events, or a sum of amounts."""

    __slots__ = ("_value",)

    def __init__(self) -> None:
        super().__init__()
        self._value = 0.0

    def inc(self, amount: float = 1) -> None:
        """Add an amount of 0 or more."""
        pending = self._pending
        pending.append(amount)
        if len(pending) >= BATCH:
            self._settle()

    @property
    def value(self) -> float:
        """The sum of all amounts."""
        self._settle()
        return self._value

    def _add(self, batch: Sequence[float]) -> None:
        self._value += sum(batch)
