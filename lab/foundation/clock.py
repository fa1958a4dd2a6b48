"""The wall clock of the lab: code that compares a record's time with now reads it here.

One source, so that a test can set it (`replaced`); a contract test forbids every other read. Durations
and deadlines use `time.monotonic`, which setting the clock does not change.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime

from lab.foundation.timestamps import NS_PER_S, moment


@dataclass(slots=True)
class _Source:
    read_ns: Callable[[], int] = time.time_ns


_source = _Source()


def now_ns() -> int:
    """Return the time in nanoseconds since 1970."""
    return _source.read_ns()


def now_s() -> float:
    """Return the time in seconds since 1970."""
    return now_ns() / NS_PER_S


def now() -> datetime:
    """Return the time as an aware datetime in UTC, to the microsecond."""
    return moment(now_ns())


def today() -> date:
    """Return the date in UTC."""
    return now().date()


@contextmanager
def replaced(read_ns: Callable[[], int]) -> Iterator[None]:
    """Read another clock, in all threads, until the block ends; `read_ns` returns nanoseconds since 1970."""
    before, _source.read_ns = _source.read_ns, read_ns
    try:
        yield
    finally:
        _source.read_ns = before
