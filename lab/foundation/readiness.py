"""Waiting for a state, with a deadline that has a name: the one place of the lab where time is passed."""

import time
from collections.abc import Callable

from lab.foundation import clock
from lab.foundation.errors import LabError
from lab.foundation.timestamps import NS_PER_S

INTERVAL_S = 0.1
# A machine that is suspended for a moment is late, and not wrong.
SLACK_S = 25.0

# A probe returns None when the state is reached, else what it saw instead.
Probe = Callable[[], str | None]


class NotReadyError(LabError):
    """A state was not reached in time."""


def await_state(
    what: str, probe: Probe, *, within_s: float, watch: Callable[[str], None] = lambda _: None
) -> None:
    """Return when the probe reports the state.

    Args:
        what: the awaited state, as the time-out names it: "prometheus answers /-/ready".
        probe: asked every tenth of a second.
        within_s: the deadline in seconds.
        watch: told what was seen each time; may raise to end a hopeless wait.

    Raises:
        NotReadyError: saying what was awaited, for how long, and what was last seen.
    """
    deadline = time.monotonic() + within_s
    while (seen := probe()) is not None:
        watch(seen)
        if time.monotonic() > deadline:
            raise NotReadyError(f"Waited {within_s:g} s until {what}; last seen: {seen}")
        time.sleep(INTERVAL_S)


def await_moment(what: str, until_ns: int, *, watch: Callable[[str], None]) -> None:
    """Return when the wall clock reaches a time, in nanoseconds since 1970.

    Args:
        what: the awaited state, as the time-out names it.
        until_ns: the time; one that has passed is not waited for.
        watch: told each time how many seconds are left.

    Raises:
        NotReadyError: when twice that time has passed: the clock was set back.
    """

    def left() -> str | None:
        seconds = (until_ns - clock.now_ns()) / NS_PER_S
        return f"{seconds:.0f} s left" if seconds > 0 else None

    within_s = 2 * max(0.0, (until_ns - clock.now_ns()) / NS_PER_S) + SLACK_S
    await_state(what, left, within_s=within_s, watch=watch)
