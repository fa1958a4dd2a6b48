"""The exam process: onset, injection, proof, clock, heal, verify, grade; everything ends in a result.

Its own lock admits one exam at a time, and that of the drills keeps a drill from starting.
"""

import os
import random
from contextlib import suppress
from dataclasses import replace
from functools import partial
from threading import Event

import psutil

from lab import verify
from lab.drills import processes
from lab.drills.interruption import at_most_once
from lab.drills.running import DrillFiles as Drills
from lab.exam import ending, restoring, sealing, truth
from lab.exam.actor import Part
from lab.exam.cast import Actor
from lab.exam.errors import ExamError
from lab.exam.items import Fault, Item, draw
from lab.exam.order import Order
from lab.exam.place import Files, Place, Record, State
from lab.exam.relay import Relay
from lab.exam.restoring import Snapshot
from lab.exam.sealing import Seal
from lab.exam.vocabulary import OPERATIONS
from lab.foundation import clock, statefile
from lab.foundation.errors import LabError
from lab.foundation.paths import Paths
from lab.foundation.readiness import await_state
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import NS_PER_S

PROVEN_WITHIN_S = 150.0
LIKE_A_PROOF_S = (2.0, 14.0)
CHECK_EVERY_S = 0.5
VERIFY_WINDOW_S = 1.0
# Two faults and something harmless.
ACTORS = 3
OBSERVER_STOPPED = {"datadog": "agent-stopped", "postgres_exporter": "exporter-stopped"}
INTERRUPTED = "the exam process was ended by a signal"
UNHEARD = (
    "the console did not answer at the end: what was done in it since its last answer is missing"
)
STOPPED = "it was stopped before the clock started"


class StoppedError(ExamError):
    """The player has stopped the exam before the clock started."""


def conduct(order: Order, settings: LabSettings) -> None:
    """Conduct one exam to its result."""
    place = Place(settings)
    with place.locked(), Drills(Paths.of(settings)).locked():
        _Exam(order, settings, place).run()


class _Exam:
    """One exam under way."""

    def __init__(self, order: Order, settings: LabSettings, place: Place) -> None:
        self._settings = settings
        self._place = place
        self._files: Files = place.files(order.exam)
        self._relay = Relay.of(settings, place, order.exam)
        self._item: Item = draw(order.seed, order.number)
        self._seal: Seal = sealing.seal(order.seed, order.number, self._item)
        self._faults: list[Actor] = []
        self._harmless: list[Actor] = []
        self._proofs: tuple[str, ...] = ()
        self._notes: list[str] = []
        self._snapshot: Snapshot | None = None
        self._record = Record(
            exam=order.exam,
            state=State.PREPARING,
            doors=order.doors,
            minutes=order.minutes,
            commitment=self._seal.commitment,
            pid=os.getpid(),
            created=psutil.Process().create_time(),
            started_ns=clock.now_ns(),
        )

    def run(self) -> None:
        """Prepare, wait for the answer, heal in any case, and write the result."""
        void = ""
        with at_most_once() as hold_back, suppress(KeyboardInterrupt):
            try:
                try:
                    self._prepare()
                    self._await_end()
                except StoppedError:
                    void = STOPPED
                except KeyboardInterrupt:
                    void = INTERRUPTED
                    raise
                except LabError as error:
                    void = str(error)
                except Exception as error:
                    void = f"the exam process failed: {error!r}"
                    raise
                finally:
                    hold_back()
            finally:
                self._finish(void)

    def _prepare(self) -> None:
        statefile.make_directory(self._files.directory)
        self._snapshot = restoring.take(self._settings)
        statefile.write_json(self._files.snapshot, self._snapshot)
        self._publish()
        self._wait(min(self._item.onset_s, self._settings.exam_onset_s))
        fault = Fault(kind=OPERATIONS, victim="", culprits=(OPERATIONS,))
        parts = [Part(fault=fault, herring=name.value) for name in self._item.herrings]
        parts += [Part(fault=fault, idle=True)] * (ACTORS - len(parts) - len(self._item.faults))
        self._harmless = [Actor(part) for part in parts]
        if self._item.without_data:
            processes.stop(self._settings, self._item.without_data)
        self._faults = [Actor(Part(fault=fault)) for fault in self._item.faults]
        await_state(
            "PostgreSQL shows the faults",
            self._unproven,
            within_s=PROVEN_WITHIN_S,
            watch=lambda _: self._require_not_stopped(),
        )
        if not self._faults:
            # As long as a proof takes: the time to the clock must not show that the lab is healthy.
            self._wait(min(random.uniform(*LIKE_A_PROOF_S), self._settings.exam_onset_s))
        now_ns = clock.now_ns()
        self._record = replace(
            self._record,
            state=State.RUNNING,
            clock_ns=now_ns,
            deadline_ns=now_ns + round(self._record.minutes * 60 * NS_PER_S),
        )
        self._proofs = tuple(a.last.says for a in self._faults if a.last is not None)
        self._publish()

    def _unproven(self) -> str | None:
        if failed := [actor.failure for actor in self._faults if actor.failure]:
            raise ExamError(f"a fault could not be injected: {failed[0]}")
        missing = [seen for actor in self._faults if (seen := actor.missing) is not None]
        return "; ".join(missing) or None

    def _wait(self, seconds: float) -> None:
        until_ns = clock.now_ns() + round(seconds * NS_PER_S)
        while clock.now_ns() < until_ns:
            self._require_not_stopped()
            Event().wait(CHECK_EVERY_S)

    def _publish(self) -> None:
        self._place.write(self._record)
        self._relay.exchange(self._record)

    def _require_not_stopped(self) -> None:
        self._relay.exchange(self._record)
        if self._files.stop.exists():
            raise StoppedError

    def _await_end(self) -> None:
        """Wait for the answer, the stop or the deadline; the faults end after their duration."""
        assert self._record.clock_ns is not None
        assert self._record.deadline_ns is not None
        lasts_ns = round(self._item.duration_s * NS_PER_S)
        active = True
        while not self._files.is_ended():
            now_ns = clock.now_ns()
            if now_ns >= self._record.deadline_ns:
                break
            if active and now_ns >= self._record.clock_ns + lasts_ns:
                active = False
                self._end_actors()
                self._restore()
                self._notes.append("the faults ended by themselves before the answer")
            Event().wait(CHECK_EVERY_S)
            self._relay.exchange(self._record)

    def _finish(self, void: str) -> None:
        ended_ns = clock.now_ns()
        with ending.form_locked(self._place):
            self._record = replace(self._record, state=State.GRADING)
            self._place.write(self._record)
        if not self._relay.exchange(self._record):
            self._notes.append(UNHEARD)
        # PostgreSQL may have been restarted, or be down.
        with suppress(LabError):
            if self._snapshot and restoring.started(self._settings) != self._snapshot.started:
                self._notes.append("PostgreSQL was restarted during the exam")
        self._end_actors()
        try:
            self._restore()
        except LabError as error:
            void = void or str(error)
        # After the heal: it takes some seconds, and needs no fault.
        traces = partial(self._relay.traces, self._record)
        faults = tuple(
            truth.collect(actor, self._settings, ended_ns, traces) for actor in self._faults
        )
        clock_ns = self._record.clock_ns or ended_ns
        observed = [
            each
            for actor, fault in zip(self._faults, faults, strict=True)
            for each in truth.observed(actor, fault, self._settings, clock_ns, ended_ns)
        ]
        log = ending.log_of(self._record, self._files, ended_ns=ended_ns, void=void)
        gone = self._item.without_data
        log = replace(
            log,
            seal=self._seal,
            faults=faults,
            neutral=(OBSERVER_STOPPED[gone],) if gone else (),
            proofs=self._proofs,
            observed=tuple(observed),
            notes=tuple(self._notes),
        )
        self._relay.end(ending.keep(self._place, self._record, log, self._verified()))

    def _end_actors(self) -> None:
        for actor in (*self._faults, *self._harmless):
            actor.end()

    def _restore(self) -> None:
        if self._snapshot is not None:
            restoring.restore(self._settings, self._snapshot)

    def _verified(self) -> str:
        try:
            report = verify.run(self._settings, window_s=VERIFY_WINDOW_S)
        except LabError as error:
            return f"unknown: {error}"
        return f"{report.outcome.value}: {report.summary}"
