"""Waiting for a state, with a deadline that has a name: the one place of the lab where time is passed."""

import time
from collections.abc import Callable

from lab.foundation.errors import LabError

INTERVAL_S = 0.1

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
