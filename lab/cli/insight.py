"""The slow trace that `up` prints at its end, with its statement and plan."""

from datetime import timedelta

from lab.drilldown.client import DrilldownClient
from lab.drilldown.ids import SLOWEST
from lab.drilldown.report import TraceReport
from lab.foundation import clock
from lab.foundation.errors import LabError
from lab.foundation.readiness import NotReadyError, await_state
from lab.terminal.screen import Screen

# Spans are sent once a second, and the slow reports of credit-risk run every eight seconds.
PATIENCE_S = 9.0
LOOK_EVERY_S = 0.5
HOUR = timedelta(hours=1)


def await_one(drilldown: DrilldownClient, screen: Screen) -> TraceReport | None:
    """Wait for an execution with its own plan; else return the slowest trace, or None."""
    found: list[TraceReport] = []

    def probe() -> str | None:
        report = _slow_trace(drilldown, with_plan=True)
        found.extend([report] if report else [])
        return None if report else "none yet"

    screen.begin(
        "first insight", "waiting for a statement that is slow enough to have its plan logged"
    )
    try:
        await_state(
            "a slow statement's plan is in the log",
            probe,
            within_s=PATIENCE_S,
            every_s=LOOK_EVERY_S,
        )
    except NotReadyError:
        return slow_trace(drilldown)
    finally:
        screen.close()
    return found[0]


def slow_trace(drilldown: DrilldownClient) -> TraceReport | None:
    """Return a slow trace of the last hour without waiting: one with a plan, else the slowest, else None."""
    return _slow_trace(drilldown, with_plan=True) or _slow_trace(drilldown, with_plan=False)


def _slow_trace(drilldown: DrilldownClient, *, with_plan: bool) -> TraceReport | None:
    """Return a trace; None when the store is empty or does not exist yet."""
    try:
        if with_plan:
            return drilldown.report_explained(clock.now() - HOUR)
        return drilldown.report(SLOWEST)
    except LabError:
        return None
