"""`drill stop`: signals the runner to heal and end, as Ctrl-C does; without a runner, heals what it left."""

import signal
from contextlib import suppress

import psutil

from lab.drills.errors import DrillError
from lab.drills.healing import heal_leftovers
from lab.drills.running import DrillFiles, Running
from lab.foundation.paths import Paths
from lab.foundation.readiness import await_state
from lab.foundation.reporter import Reporter
from lab.foundation.settings import LabSettings
from lab.foundation.statefile import DamagedError

HEALS_WITHIN_S = 120.0


def stop(settings: LabSettings, reporter: Reporter) -> Running | None:
    """End the running drill, if there is one, and return its record.

    Raises:
        NotReadyError: when the runner does not end in time.
        NotHealedError: when the fault that a killed runner has left cannot be healed.
    """
    place = DrillFiles(Paths.of(settings))
    with suppress(DamagedError):  # set aside below
        found = place.read()
        if found is None:
            return None
        if (runner := found.runner()) and _healed_by(runner, found, place, reporter):
            return found
    with place.locked():
        return heal_leftovers(settings, place, reporter)


def _healed_by(
    runner: psutil.Process, running: Running, place: DrillFiles, reporter: Reporter
) -> bool:
    """Signal the runner to heal, and wait for it; return False when it ended without a heal."""

    def under_way() -> str | None:
        left = place.read()
        if left is None or left.run != running.run or running.runner() is None:
            return None
        return f"process {running.pid} is healing"

    reporter.begin("stop", f"{running.drill}, run by process {running.pid}")
    try:
        # psutil compares the time of creation again before it sends.
        runner.send_signal(signal.SIGTERM)
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        raise DrillError(
            f"Process {running.pid}, which runs {running.drill}, belongs to another user.\n"
            "Run `./creditlab drill stop` as that user."
        ) from None
    await_state(
        f"{running.drill} is healed", under_way, within_s=HEALS_WITHIN_S, watch=reporter.wait
    )
    left = place.read()
    if left is not None and left.run == running.run:
        return False
    reporter.done("stop", f"{running.drill} is healed")
    return True
