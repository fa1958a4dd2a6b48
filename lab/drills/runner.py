"""Runs one drill: heal a leftover fault, inject, prove, wait, heal in any case, check recovery, verify.

The order of writes makes it safe to kill: each step is on disk before it is taken, and its record is
removed only after PostgreSQL no longer shows the fault.
"""

import os
import time
from dataclasses import dataclass, replace
from threading import Event
from uuid import uuid4

import psutil

from lab import verify
from lab.drills import reporting
from lab.drills.drill import Drill, Proof
from lab.drills.errors import DrillError
from lab.drills.healing import heal, heal_leftovers
from lab.drills.interruption import at_most_once
from lab.drills.journal import Journal, Step
from lab.drills.reporting import DrillReport
from lab.drills.running import DrillFiles, Memo, Running
from lab.drills.scene import Scene
from lab.drills.sessions import DrillSessions
from lab.foundation import clock
from lab.foundation.errors import DatabaseError, LabError
from lab.foundation.outcome import Outcome
from lab.foundation.paths import Paths
from lab.foundation.readiness import NotReadyError, await_state
from lab.foundation.reporter import Reporter
from lab.foundation.settings import LabSettings
from lab.stack import probes
from workload.tracing import NoTracing, Tracing

CHECK_EVERY_S = 2.0
VERIFY_WINDOW_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to run a drill: `duration_s` None is the duration that the drill declares."""

    duration_s: float | None = None
    intensity: float = 1.0
    verify: bool = True


@dataclass(frozen=True, kw_only=True)
class Run:
    """The result of a run. Times are nanoseconds since 1970.

    `verified` is the outcome of verify after the heal, None when it was not requested; `verify_says` lists
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
        """Failed when the fault was not always active or verify failed; else the outcome of verify, or ok."""
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
    """Run a drill from injection to heal; the reporter receives its progress.

    Raises:
        LockedError: when another drill runs.
        DrillError: when the lab is down.
        NotHealedError: when the fault could not be healed.
    """
    place = DrillFiles(Paths.of(settings))
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
            sessions=DrillSessions(settings, tracing or NoTracing()),
            memo=Memo(place, running),
        )
        done = _Course(drill, scene, running, place, reporter).follow(options.duration_s)
        if options.verify:
            done = _verified(done, settings, place, reporter)
        return done


class _Course:
    """One drill under way."""

    def __init__(
        self, drill: Drill, scene: Scene, running: Running, place: DrillFiles, reporter: Reporter
    ) -> None:
        self._drill = drill
        self._scene = scene
        self._running = running
        self._place = place
        self._reporter = reporter
        self._journal = Journal(place.journal)

    def follow(self, duration_s: float | None) -> Run:
        """Inject, prove, wait and heal; the heal always follows, and is not interrupted."""
        with at_most_once() as hold_back:
            try:
                try:
                    done = self._until_the_heal(duration_s)
                finally:
                    hold_back()
            finally:
                heal(self._drill, self._scene, self._running, self._place, self._reporter)
            return replace(done, healed_ns=clock.now_ns())

    def _until_the_heal(self, duration_s: float | None) -> Run:
        """Return the run up to its heal; the fault may be present from the first line on."""
        self._place.write(self._running)
        reporting.send(self._scene.settings, DrillReport(running=self._running.drill))
        proven_ns, held = None, False
        lasts_s = self._drill.duration_s if duration_s is None else duration_s
        injected_ns = self._write(
            Step.INJECT, intensity=self._running.intensity, duration_s=lasts_s
        )
        self._reporter.begin("inject", self._drill.title)
        self._drill.inject(self._scene)
        self._reporter.done("inject", self._drill.title)
        proof = self._prove()
        if proof.holds:
            proven_ns = self._write(Step.PROVEN, says=proof.says, pids=sorted(proof.pids))
            held, pids = self._hold(lasts_s)
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
        self._reporter.begin("proof", "querying PostgreSQL")
        last = Proof(holds=False, says="PostgreSQL was not queried")

        def missing() -> str | None:
            nonlocal last
            if failure := self._scene.sessions.failure:
                raise DrillError(f"{self._drill.name} could not be injected: {failure}")
            last = self._check()
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

    def _check(self) -> Proof:
        try:
            return self._drill.prove(self._scene)
        except DatabaseError as error:
            return Proof(holds=False, says=str(error))

    def _hold(self, seconds: float) -> tuple[bool, frozenset[int]]:
        """Wait while the fault is active; return whether it was to the end, and the backends at fault."""
        self._reporter.begin("hold", f"{seconds:g} s")
        deadline = time.monotonic() + seconds
        pids: frozenset[int] = frozenset()
        held = True
        while (left := deadline - time.monotonic()) > 0:
            Event().wait(min(left, CHECK_EVERY_S))
            proof = self._check()
            held, pids = proof.holds, pids | proof.pids
            self._reporter.wait(f"{max(left, 0):.0f} s left; {proof.says}")
        self._reporter.done("hold", f"{seconds:g} s" if held else "the fault ended too early")
        return held, pids

    def _write(self, step: Step, **detail: object) -> int:
        return self._journal.write(self._running.run, self._drill.name, step, **detail)


def _require_lab(settings: LabSettings) -> None:
    if (seen := probes.query(settings)) is not None:
        raise DrillError(f"A drill needs a running lab. Start it: ./creditlab up\n{seen}")


def _verified(done: Run, settings: LabSettings, place: DrillFiles, reporter: Reporter) -> Run:
    reporter.begin("verify")
    try:
        report = verify.run(settings, window_s=VERIFY_WINDOW_S, progress=reporter.wait)
    except LabError as error:
        # The fault is healed and the run can be judged; only verify is missing.
        report = verify.Report(checks=[verify.unknown("verify", str(error))])
    detail = {"ok": report.ok, "bad": report.failed, "says": report.summary}
    Journal(place.journal).write(done.run, done.drill, Step.VERIFIED, **detail)
    reporter.done("verify", report.summary)
    return replace(done, verified=report.outcome, verify_says=report.summary)
