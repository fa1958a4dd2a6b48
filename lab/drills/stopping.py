"""`drill stop`: asks the runner to heal and end, as Ctrl-C does; without a runner, heals what it left."""

import os
import signal
from contextlib import suppress

from lab.drills.healing import heal_leftovers
from lab.drills.running import Place, Running
from lab.paths import Paths
from lab.settings import LabSettings
from lab.stack.readiness import await_state
from lab.stack.reporter import Reporter

HEALS_WITHIN_S = 120.0


def stop(settings: LabSettings, reporter: Reporter) -> Running | None:
    """End the drill that runs, if one does; return which it was.

    Raises:
        NotReadyError: when the runner does not end in time.
        NotHealedError: when what a dead one has left cannot be healed.
    """
    place = Place(Paths.of(settings))
    found = place.read()
    if found and place.is_locked():
        reporter.begin("stop", f"{found.drill}, run by process {found.pid}")
        with suppress(ProcessLookupError):
            os.kill(found.pid, signal.SIGTERM)
        await_state(
            f"{found.drill} is healed",
            lambda: "its runner is at it" if place.read() else None,
            within_s=HEALS_WITHIN_S,
            watch=reporter.wait,
        )
        reporter.done("stop", f"{found.drill} is healed")
        return found
    with place.locked():
        return heal_leftovers(settings, place, reporter)
