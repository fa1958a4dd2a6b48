"""A whole exam on a real PostgreSQL without the rest of the lab: proof, clock, answer, heal, truth, grade."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lab.clients.database import Role
from lab.drills.scene import Scene
from lab.exam import conducting, ending, restoring, session
from lab.exam.actor import Part
from lab.exam.cast import Actor
from lab.exam.conducting import conduct
from lab.exam.ending import Result
from lab.exam.form import Answer, Finding
from lab.exam.items import TEMPLATES, Fault, Item, draw
from lab.exam.order import Order
from lab.exam.place import Place, Record, State
from lab.foundation import statefile
from lab.foundation.paths import Paths
from lab.foundation.readiness import await_state
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import NS_PER_S
from tests.fix_postgres import Database, free_port
from tests.fix_workload import ask, environment_of, one

EXAM = "0123456789ab"
SEED = 15
NUMBERS = {template.name: number for number, template in enumerate(TEMPLATES)}
WITHIN_S = 250.0
OWN = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"


@pytest.fixture
def settings(seeded: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabSettings:
    """Of a lab of which only PostgreSQL runs; also for the processes that act."""
    ports = {name: free_port() for name in ("prometheus_port", "console_port", "exporter_port")}
    changes = {"lab_state_dir": tmp_path, "exam_onset_s": 0.5, **ports}
    found = seeded.settings.model_copy(update=changes)
    for name, value in environment_of(found).items():
        monkeypatch.setenv(name, value)
    return found


def conducted(
    settings: LabSettings, template: str, player: Callable[[Record], None], minutes: float = 5.0
) -> Result:
    """Conduct an exam; the player acts once the clock runs, or has been asked to stop before."""
    place = Place(settings)
    failed: list[BaseException] = []

    def waiting() -> str | None:
        record = place.current()
        return None if record and record.state is not State.PREPARING else "it is prepared"

    def play() -> None:
        try:
            await_state("the clock runs", waiting, within_s=WITHIN_S)
            record = place.current()
            assert record
            player(record)
        except BaseException as error:  # noqa: BLE001 - raised below
            failed.append(error)

    thread = threading.Thread(target=play)
    thread.start()
    number = NUMBERS[template]
    conduct(Order(exam=EXAM, seed=SEED, number=number, doors=("sql",), minutes=minutes), settings)
    thread.join(WITHIN_S)
    assert failed == []
    return ending.read(place, EXAM)


def test_an_exam_has_its_truth_and_its_grade(seeded: Database, settings: LabSettings) -> None:
    """The right answer is graded as right; afterwards the lab is as before, and the record says so."""
    [fault] = draw(SEED, NUMBERS["row-lock-chain/customers"]).faults
    [culprit] = fault.culprits
    before = restoring.take(settings)
    heads: list[str] = []

    def player(record: Record) -> None:
        assert (record.state, record.doors, record.says) == (State.RUNNING, ("sql",), "")
        assert record.clock_ns is not None
        assert record.deadline_ns == record.clock_ns + 300 * NS_PER_S
        states = "SELECT pid FROM pg_stat_activity WHERE application_name = %s AND state LIKE 'idle in%%'"
        heads.extend(str(pid) for (pid,) in ask(seeded, states, culprit, role=Role.SUPERUSER))
        finding = Finding(
            kind=fault.kind, object=fault.victim, culprit=culprit, chain=(*heads,),
            onset_ns=record.clock_ns,
        )  # fmt: skip
        # Faults of other kinds leave this behind; the heal is the same for all.
        ask(seeded, "DROP INDEX credit_proposals_customer", role=Role.OWNER)
        ask(seeded, "ALTER TABLE customers SET (autovacuum_enabled = false)", role=Role.OWNER)
        session.submit(settings, Answer(findings=(finding,), confidence=1.0))

    found = conducted(settings, "row-lock-chain/customers", player)
    log, [true] = found.log, found.log.faults
    assert (log.void, found.grade.says) == ("", "right")
    assert (true.kind, true.culprits[0]) == (fault.kind, culprit)
    # The next in the chain is at its head when the first one has ended.
    assert heads
    assert {*heads} <= {*true.heads}
    assert {f"{culprit.partition('-')[0]}_reserve", "customers"} < set(true.objects)
    assert {*true.chain} <= {name.removeprefix("sample:") for name in true.evidence}
    [queryid] = [name for name in true.evidence if name.startswith("plan:")]
    assert queryid.removeprefix("plan:") in true.objects
    assert "log:" in true.evidence
    [proof] = log.proofs
    assert "waiting for a row lock" in proof
    assert log.clock_ns is not None
    assert log.started_ns < true.onset_ns < log.clock_ns < log.ended_ns
    assert log.seal is not None
    assert log.seal.commitment == log.commitment
    assert {one.kind for one in log.observed} == {fault.kind}
    assert found.verified
    record = Place(settings).current()
    assert record is not None
    assert (record.state, record.commitment) == (State.OVER, log.commitment)
    assert restoring.take(settings) == before
    assert one(seeded, OWN, culprit) == 0
    snapshot = statefile.read(Place(settings).files(EXAM).snapshot, restoring.Snapshot)
    assert snapshot == before
    assert Paths.of(settings).exams.exists()


def test_a_healthy_lab_has_a_clock_too_and_ends_at_its_deadline(
    settings: LabSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an answer the score is zero, and the truth is that nothing was wrong."""
    monkeypatch.setattr(conducting, "LIKE_A_PROOF_S", (0.1, 0.2))
    found = conducted(settings, "nothing/idle", lambda _: None, minutes=0.02)
    assert (found.log.faults, found.log.proofs, found.log.void) == ((), (), "")
    assert (found.grade.score, found.grade.says) == (0.0, "no answer")
    assert found.log.clock_ns is not None
    assert found.log.ended_ns >= found.log.clock_ns + round(1.2 * NS_PER_S)


def test_a_fault_that_ended_before_the_answer_is_noted(
    settings: LabSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lab is healed then; the answer still counts."""
    kind = "idle-in-transaction/customers"

    def short(seed: int, number: int | None) -> Item:
        return replace(draw(seed, number), duration_s=0.5)

    monkeypatch.setattr(conducting, "draw", short)
    place = Place(settings)

    def player(_: Record) -> None:
        def active() -> str | None:
            [fault] = draw(SEED, NUMBERS[kind]).faults
            count = Scene.read_only(settings).value(OWN, [fault.culprits[0]])
            return f"{count} sessions" if count else None

        await_state("the fault has ended", active, within_s=WITHIN_S)
        session.submit(settings, Answer(findings=(Finding(kind="idle-in-transaction"),)))

    found = conducted(settings, kind, player)
    assert found.log.notes == ("the faults ended by themselves before the answer",)
    assert found.grade.faults[0].credit == 1.0
    assert place.exams() == [EXAM]


def test_an_exam_that_is_stopped_before_its_clock_is_void(settings: LabSettings) -> None:
    files = Place(settings).files(EXAM)
    statefile.make_directory(files.directory)
    statefile.write(files.stop, b"{}")
    found = conducted(settings, "burst/credit_proposals", lambda _: None)
    assert (found.log.void, found.grade.score) == (conducting.STOPPED, None)
    assert found.log.clock_ns is None


def test_a_fault_that_cannot_be_injected_voids_the_exam(settings: LabSettings) -> None:
    """Its process reports why, and waits for its end."""
    del settings
    fault = Fault(kind="missing-index", victim="no_such_index", culprits=("credit-customers",))
    actor = Actor(Part(fault=fault))
    try:
        await_state(
            "the failure is reported",
            lambda: None if actor.failure else "nothing",
            within_s=WITHIN_S,
        )
        assert "no_such_index" in actor.failure
    finally:
        actor.end()
    assert actor.failure


def test_an_actor_without_a_fault_reports_at_once_and_ends_with_its_input(
    settings: LabSettings,
) -> None:
    del settings
    fault = Fault(kind="ops-scripts", victim="", culprits=("ops-scripts",))
    actor = Actor(Part(fault=fault, idle=True))
    assert actor.missing == "nothing is reported yet" or actor.last is not None
    await_state("it has reported", lambda: actor.missing, within_s=WITHIN_S)
    assert (actor.failure, actor.pids, actor.chain, actor.heads) == ("", set(), set(), set())
    actor.end()
    assert actor.failure == "its process has ended"
