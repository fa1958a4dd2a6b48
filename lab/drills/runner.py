"""Runs one drill: heal what was left, inject, prove, hold, heal in any case, check recovery, verify.

The order of writes is what makes it safe to kill: what a drill is about to do is on disk before it does
it, and is forgotten only after PostgreSQL no longer shows the fault.
"""

import os
import time
from dataclasses import dataclass, replace
from threading import Event
from uuid import uuid4

import psutil

from lab import verify
from lab.drills.drill import Drill, Proof
from lab.drills.errors import DrillError
from lab.drills.healing import heal, heal_leftovers
from lab.drills.interruption import at_most_once
from lab.drills.journal import Journal, Step
from lab.drills.running import Memo, Place, Running
from lab.drills.scene import Scene
from lab.drills.sessions import Sessions
from lab.foundation import clock
from lab.foundation.errors import DatabaseError, LabError
from lab.foundation.outcome import Outcome
from lab.foundation.paths import Paths
from lab.foundation.readiness import NotReadyError, await_state
from lab.foundation.reporter import Reporter
from lab.foundation.settings import LabSettings
from lab.stack import probes
from workload.tracing import NoTracing, Tracing

LOOKS_EVERY_S = 2.0
VERIFY_WINDOW_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a drill is to be run: `lasts_s` None is as long as the drill says."""

    lasts_s: float | None = None
    intensity: float = 1.0
    verify: bool = True


@dataclass(frozen=True, kw_only=True)
class Run:
    """What came of it. Times are nanoseconds since 1970.

    `verified` is the outcome of verify after the heal, None when it was not asked for; `verify_says` gives
    the checks that failed and the reasons of those that are unknown.
    """

    run: str
    drill: str
    intensity: float
    injected_ns: int
    proven_ns: int | None
    proof: str
    pids: tuple[int, ...]
    held: bool
    healed_ns: int
    verified: Outcome | None = None
    verify_says: str = ""

    @property
    def outcome(self) -> Outcome:
        """Failed when the fault was not there all the time or verify failed; else as verify says, or ok."""
        if self.proven_ns is None or not self.held:
            return Outcome.FAILED
        return self.verified or Outcome.OK


def run(
    drill: Drill,
    settings: LabSettings,
    *,
    options: Options,
    reporter: Reporter,
    tracing: Tracing | None = None,
) -> Run:
    """Run a drill from beginning to end; the caller is told how by the reporter.

    Raises:
        LockedError: when another drill runs.
        DrillError: when the lab is down.
        NotHealedError: when the fault could not be taken away.
    """
    place = Place(Paths.of(settings))
    with place.locked():
        heal_leftovers(settings, place, reporter)
        _require_lab(settings)
        running = Running(
            run=uuid4().hex[:12],
            drill=drill.name,
            intensity=options.intensity,
            pid=os.getpid(),
            created=psutil.Process().create_time(),
            began_ns=clock.now_ns(),
        )
        scene = Scene(
            settings=settings,
            intensity=options.intensity,
            sessions=Sessions(settings, tracing or NoTracing()),
            memo=Memo(place, running),
        )
        done = _Course(drill, scene, running, place, reporter).follow(options.lasts_s)
        if options.verify:
            done = _verified(done, settings, place, reporter)
        return done


class _Course:
    """One drill under way."""

    def __init__(
        self, drill: Drill, scene: Scene, running: Running, place: Place, reporter: Reporter
    ) -> None:
        self._drill = drill
        self._scene = scene
        self._running = running
        self._place = place
        self._reporter = reporter
        self._journal = Journal(place.journal)

    def follow(self, lasts_s: float | None) -> Run:
        """Inject, prove, hold and heal; the heal comes whatever happens before it, and runs whole."""
        with at_most_once() as hold_back:
            try:
                try:
                    done = self._until_the_heal(lasts_s)
                finally:
                    hold_back()
            finally:
                heal(self._drill, self._scene, self._running, self._place, self._reporter)
            return replace(done, healed_ns=clock.now_ns())

    def _until_the_heal(self, lasts_s: float | None) -> Run:
        """Return what was seen of the fault; it may be there from the first line on."""
        self._place.write(self._running)
        proven_ns, held = None, False
        injected_ns = self._write(Step.INJECT, intensity=self._running.intensity)
        self._reporter.begin("inject", self._drill.title)
        self._drill.inject(self._scene)
        self._reporter.done("inject", self._drill.title)
        proof = self._prove()
        if proof.holds:
            proven_ns = self._write(Step.PROVEN, says=proof.says, pids=sorted(proof.pids))
            held, pids = self._hold(self._drill.lasts_s if lasts_s is None else lasts_s)
            proof = replace(proof, pids=proof.pids | pids)
        else:
            self._write(Step.NOT_PROVEN, says=proof.says)
        return Run(
            run=self._running.run,
            drill=self._drill.name,
            intensity=self._running.intensity,
            injected_ns=injected_ns,
            proven_ns=proven_ns,
            proof=proof.says,
            pids=tuple(sorted(proof.pids)),
            held=held,
            healed_ns=injected_ns,
        )

    def _prove(self) -> Proof:
        self._reporter.begin("proof", "asking PostgreSQL")
        last = Proof(holds=False, says="PostgreSQL was not asked")

        def missing() -> str | None:
            nonlocal last
            if failure := self._scene.sessions.failure:
                raise DrillError(f"{self._drill.name} could not be injected: {failure}")
            last = self._look()
            return None if last.holds else last.says

        try:
            await_state(
                f"PostgreSQL shows the fault of {self._drill.name}",
                missing,
                within_s=self._drill.proves_within_s,
                watch=self._reporter.wait,
            )
        except NotReadyError as error:
            self._reporter.done("not proved", str(error))
            return replace(last, holds=False)
        self._reporter.done("proof", last.says)
        return last

    def _look(self) -> Proof:
        try:
            return self._drill.prove(self._scene)
        except DatabaseError as error:
            return Proof(holds=False, says=str(error))

    def _hold(self, seconds: float) -> tuple[bool, frozenset[int]]:
        """Keep the fault; return whether it was there to the end, and which backends were at fault."""
        self._reporter.begin("hold", f"{seconds:g} s")
        deadline = time.monotonic() + seconds
        pids: frozenset[int] = frozenset()
        held = True
        while (left := deadline - time.monotonic()) > 0:
            Event().wait(min(left, LOOKS_EVERY_S))
            proof = self._look()
            held, pids = proof.holds, pids | proof.pids
            self._reporter.wait(f"{max(left, 0):.0f} s left; {proof.says}")
        self._reporter.done("hold", f"{seconds:g} s" if held else "the fault ended before its time")
        return held, pids

    def _write(self, step: Step, **detail: object) -> int:
        return self._journal.write(self._running.run, self._drill.name, step, **detail)


def _require_lab(settings: LabSettings) -> None:
    if (seen := probes.query(settings)) is not None:
        raise DrillError(f"A drill needs a lab that runs: ./creditlab up\n{seen}")


def _verified(done: Run, settings: LabSettings, place: Place, reporter: Reporter) -> Run:
    reporter.begin("verify")
    try:
        report = verify.run(settings, window_s=VERIFY_WINDOW_S, progress=reporter.wait)
    except LabError as error:
        # The fault is healed and the run is worth its verdicts; only the books were not compared.
        report = verify.Report(checks=[verify.unknown("verify", str(error))])
    detail = {"ok": report.ok, "bad": report.failed, "says": report.summary}
    Journal(place.journal).write(done.run, done.drill, Step.VERIFIED, **detail)
    reporter.done("verify", report.summary)
    return replace(done, verified=report.outcome, verify_says=report.summary)
