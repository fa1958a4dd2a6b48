"""Waiting, with a deadline, until something is found."""

from collections.abc import Callable
from typing import TypeVar

from lab.foundation.readiness import await_state

T = TypeVar("T")


def found_within(within_s: float, what: str, look: Callable[[], list[T]]) -> list[T]:
    """Return what `look` finds, as soon as it finds anything.

    Raises:
        NotReadyError: when nothing is found within that many seconds.
    """
    found: list[T] = []

    def absent() -> str | None:
        found[:] = look()
        return None if found else "nothing"

    await_state(what, absent, within_s=within_s)
    return found
