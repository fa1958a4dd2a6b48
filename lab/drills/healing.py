"""Heals a drill's fault: at its end, after Ctrl-C, or in the next command after its runner was killed.

The record of the running drill is removed only when PostgreSQL shows none of its sessions, so that a heal
that failed is retried.
"""

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from lab.clients.database import Role
from lab.drills import catalogue, reporting
from lab.drills.errors import NotHealedError, UnknownDrillError
from lab.drills.journal import Journal, Step
from lab.drills.reporting import DrillReport
from lab.drills.running import DrillFiles, Memo, Running
from lab.drills.scene import Scene
from lab.drills.sessions import APPLICATION, DrillSessions
from lab.foundation.errors import DatabaseError, LabError
from lab.foundation.lock import LockedError
from lab.foundation.paths import Paths
from lab.foundation.readiness import await_state
from lab.foundation.reporter import Reporter
from lab.foundation.settings import LabSettings
from lab.foundation.statefile import DamagedError
from lab.stack import probes
from workload.tracing import NoTracing

if TYPE_CHECKING:
    from lab.drills.drill import Drill

RECOVERS_WITHIN_S = 60.0
ROLES = (Role.APP, Role.OWNER, Role.LAB)
OWN_SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
END_OWN_SESSIONS = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = %s AND usename = current_user AND pid <> pg_backend_pid()"""


def heal_abandoned(settings: LabSettings, reporter: Reporter) -> None:
    """Heal what a killed runner has left, unless a runner is alive: for commands other than drills.

    Raises:
        NotHealedError: when healing fails.
    """
    place = DrillFiles(Paths.of(settings))
    with suppress(DamagedError):  # then the journal has what may be left
        left = place.read()
        if left is None or left.runner():
            return
    try:
        with place.locked():
            heal_leftovers(settings, place, reporter)
    except LockedError:
        return  # a runner has started, and heals first


def heal_leftovers(settings: LabSettings, place: DrillFiles, reporter: Reporter) -> Running | None:
    """Heal what a killed runner has left, and return its drill; the caller holds the lock."""
    left = _left(place)
    if left is None:
        return None
    drill = catalogue.find(left.drill)
    scene = Scene(
        settings=settings,
        intensity=left.intensity,
        sessions=DrillSessions(settings, NoTracing()),
        memo=Memo(place, left),
    )
    reporter.begin("leftover", f"{left.drill}, whose runner {left.pid} is gone")
    Journal(place.journal).write(left.run, left.drill, Step.FOUND, pid=left.pid)
    heal(drill, scene, left, place, reporter)
    reporter.done("leftover", f"{left.drill}, healed; its runner {left.pid} had been killed")
    return left


def _left(place: DrillFiles) -> Running | None:
    """Return the drill whose fault may be present; for a damaged file, from the journal."""
    try:
        left = place.read()
        if left:
            catalogue.find(left.drill)
    except (DamagedError, UnknownDrillError) as error:
        left = _by_journal(place)
        lost = f"By the journal {left.drill} was not healed." if left else "No drill is unhealed."
        place.set_aside(error, lost=lost)
        if left:
            place.write(left)
    return left


def _by_journal(place: DrillFiles) -> Running | None:
    """Return the last drill, without its memo, if the journal has its injection and no heal."""
    entries = list(Journal(place.journal).entries())
    own = [entry for entry in entries if entry.run == entries[-1].run]
    healed = any(entry.step == Step.HEALED.value for entry in own)
    if not own or healed or own[0].drill not in catalogue.DRILLS:
        return None
    begun = own[0]
    return Running(run=begun.run, drill=begun.drill, intensity=1.0, pid=1, began_ns=begun.at_ns)


def heal(
    drill: "Drill", scene: Scene, running: Running, place: DrillFiles, reporter: Reporter
) -> None:
    """End the sessions, undo what outlives them, and wait until PostgreSQL shows no session of the drill.

    Raises:
        NotHealedError: when healing fails; the record of the running drill stays.
    """
    journal = Journal(place.journal)
    reporter.begin("heal", "ending the drill's sessions")
    journal.write(running.run, drill.name, Step.HEAL)
    try:
        scene.sessions.end()
        drill.heal(scene)
        await_state(
            "PostgreSQL answers", partial(probes.query, scene.settings), within_s=RECOVERS_WITHIN_S
        )
        await_state(
            "no session of the drill is left",
            partial(_sessions_left, scene),
            within_s=RECOVERS_WITHIN_S,
        )
    except LabError as error:
        journal.write(running.run, drill.name, Step.NOT_HEALED, says=str(error))
        raise NotHealedError(
            f"{drill.name} could not be healed: {error}\n`./creditlab drill stop` tries again."
        ) from error
    journal.write(running.run, drill.name, Step.HEALED)
    place.forget()
    reporting.send(scene.settings, DrillReport(running=None))
    reporter.done("heal", "nothing of the fault is left")


def _sessions_left(scene: Scene) -> str | None:
    """End the drill's sessions; those of a killed runner end by themselves within a second."""
    left = int(scene.value(OWN_SESSIONS, [APPLICATION]))
    if not left:
        return None
    for role in ROLES:
        try:
            scene.act(role, END_OWN_SESSIONS, [APPLICATION])
        except DatabaseError as error:
            return f"{left}, and {role} cannot connect to end its own: {error}"
    return f"{left} of them"
