"""Waiting for a state, with a deadline and a message that names both."""

import time
from collections.abc import Callable

from lab.foundation import clock
from lab.foundation.errors import LabError
from lab.foundation.timestamps import NS_PER_S

INTERVAL_S = 0.1
# A machine that is suspended for a moment must not fail the wait.
SLACK_S = 25.0

# A probe returns None when the state is reached, else the state it observed.
Probe = Callable[[], str | None]


class NotReadyError(LabError):
    """A state was not reached in time."""


def await_state(
    what: str,
    probe: Probe,
    *,
    within_s: float,
    every_s: float = INTERVAL_S,
    watch: Callable[[str], None] = lambda _: None,
) -> None:
    """Return when the probe reports the state.

    Args:
        what: the awaited state, as the time-out names it: "prometheus answers /-/ready".
        probe: called again after each pause.
        within_s: the deadline in seconds.
        every_s: the pause between two probes; longer for probes that cost a process or a large query.
        watch: called with each observed state; may raise to end the wait early.

    Raises:
        NotReadyError: with the awaited state, the deadline, and the last observed state.
    """
    deadline = time.monotonic() + within_s
    while (seen := probe()) is not None:
        watch(seen)
        if time.monotonic() > deadline:
            raise NotReadyError(f"Waited {within_s:g} s until {what}; last seen: {seen}")
        time.sleep(every_s)


def await_moment(what: str, until_ns: int, *, watch: Callable[[str], None]) -> None:
    """Return when the wall clock reaches a time, in nanoseconds since 1970.

    Args:
        what: the awaited state, as the time-out names it.
        until_ns: the time; when it has passed, the function returns at once.
        watch: called with the number of seconds that are left.

    Raises:
        NotReadyError: after twice that time: the clock was set back.
    """

    def left() -> str | None:
        seconds = (until_ns - clock.now_ns()) / NS_PER_S
        return f"{seconds:.0f} s left" if seconds > 0 else None

    within_s = 2 * max(0.0, (until_ns - clock.now_ns()) / NS_PER_S) + SLACK_S
    await_state(what, left, within_s=within_s, watch=watch)
