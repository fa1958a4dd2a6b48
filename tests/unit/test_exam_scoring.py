"""The figures of the score, by hand: each component at its bounds, two faults, a healthy lab, intervals."""

from dataclasses import replace
from typing import Any

import pytest

from lab.exam.doors import Door
from lab.exam.experiment import Trial, summarized, wilson
from lab.exam.form import Answer, Finding
from lab.exam.log import ExamLog, TrueFault
from lab.exam.requests import Request
from lab.exam.scoring import grade

NS = 1_000_000_000
CLOCK = 1_795_892_400 * NS
FAULT = TrueFault(
    kind="row-lock-chain",
    objects=("partner_reserve", "customers"),
    culprits=("partner-sync", "4000"),
    heads=("4000",),
    chain=("4000", "4001", "4002"),
    onset_ns=CLOCK - 5 * NS,
    evidence=("sample:4000", "plan:7", "trace:a", "log:"),
)
RIGHT = Finding(
    kind="row-lock-chain",
    object="customers",
    culprit="partner-sync",
    chain=("4001", "4000"),
    onset_ns=FAULT.onset_ns,
)
SECOND = "log:2026-11-28T19:03:26"
LOG = ExamLog(
    exam="0123456789ab",
    seal=None,
    commitment="",
    doors=("datadog", "log"),
    minutes=10.0,
    started_ns=CLOCK - 60 * NS,
    clock_ns=CLOCK,
    ended_ns=CLOCK + 60 * NS,
    faults=(FAULT,),
    requests=(
        Request(at_ns=CLOCK, door="log", what="/", size=1, shown=("sample:4000", SECOND, "plan:8")),
    ),
    answer=Answer(findings=(RIGHT,), confidence=1.0, evidence=("sample:4000", SECOND)),
)


def answered(log: ExamLog = LOG, **changes: Any) -> ExamLog:
    assert log.answer is not None
    return replace(log, answer=replace(log.answer, **changes))


def component(name: str, log: ExamLog) -> float | None:
    return grade(log).faults[0].components.get(name)


def found(**fields: Any) -> ExamLog:
    return answered(findings=(replace(RIGHT, **fields),))


def test_everything_right_in_time_is_the_whole_score() -> None:
    graded = grade(LOG)
    assert set(graded.faults[0].components.values()) == {1.0}
    assert (graded.score, graded.says, graded.brier, graded.delay_s) == (1.0, "right", 0.0, 60.0)
    assert (graded.requests, graded.hints, graded.false_positives) == (1, 0, ())


@pytest.mark.parametrize(
    ("name", "log", "expected", "score"),
    [
        ("object", found(object="installments"), 0.0, 0.8),
        ("culprit", found(culprit="4001"), 0.0, 0.85),
        ("path", found(chain=()), 0.0, 0.95),
        ("path", found(chain=("4000", "4001")), 0.5, 0.975),
        ("path", found(chain=("77", "4000")), 0.75, 0.9875),
        ("evidence", answered(evidence=("sample:4000", "plan:8")), 0.5, 0.95),
        ("evidence", answered(evidence=("plan:7",)), 0.0, 0.9),
        ("evidence", answered(evidence=()), 0.0, 0.9),
        ("onset", found(onset_ns=None), 0.0, 0.95),
        ("onset", found(onset_ns=FAULT.onset_ns - 15 * NS), 1.0, 1.0),
        ("onset", found(onset_ns=FAULT.onset_ns + 36 * NS), 0.8, 0.99),
        ("onset", found(onset_ns=FAULT.onset_ns + 120 * NS), 0.0, 0.95),
        ("onset", found(onset_ns=FAULT.onset_ns - 500 * NS), 0.0, 0.95),
        ("delay", replace(LOG, ended_ns=CLOCK + 330 * NS), 0.5, 0.975),
        ("delay", replace(LOG, ended_ns=CLOCK + 600 * NS), 0.0, 0.95),
        ("delay", replace(LOG, ended_ns=CLOCK + 700 * NS), 0.0, 0.95),
        ("delay", replace(LOG, ended_ns=CLOCK + 90 * NS, minutes=1.0), 1.0, 1.0),
        ("economy", replace(LOG, requests=LOG.requests * 25), 1.0, 1.0),
        ("economy", replace(LOG, requests=LOG.requests * 50), 0.5, 0.975),
        ("confidence", answered(confidence=0.0), 0.0, 0.95),
        ("confidence", answered(confidence=0.6), 0.84, 0.992),
    ],
)
def test_a_component_lowers_the_score_by_its_weight(
    name: str, log: ExamLog, expected: float, score: float
) -> None:
    graded = grade(log)
    assert graded.faults[0].components[name] == expected
    assert graded.score == score


def test_a_reference_counts_when_a_response_between_start_and_answer_showed_it() -> None:
    """Also in the moment of the start and of the answer."""
    for at_ns, share in (
        (LOG.started_ns - 1, 0.0), (LOG.started_ns, 1.0), (LOG.ended_ns, 1.0), (LOG.ended_ns + 1, 0.0)
    ):  # fmt: skip
        requests = (replace(LOG.requests[0], at_ns=at_ns),)
        assert component("evidence", replace(LOG, requests=requests)) == share


def test_evidence_and_path_weigh_only_where_they_can_be_earned() -> None:
    """Without a chain, and behind a door that shows no reference of the fault, the others weigh more."""
    plain = replace(LOG, faults=(replace(FAULT, heads=(), evidence=("trace:a",)),), doors=("sql",))
    assert component("path", plain) is None
    assert component("evidence", plain) is None
    without_object = answered(plain, findings=(replace(RIGHT, object=""),))
    assert grade(without_object).score == round((0.85 - 0.20) / 0.85, 4)


@pytest.mark.parametrize(
    ("reference", "doors"),
    [
        ("trace:a", {Door.APM, Door.DATADOG, Door.LOG}),
        ("plan:7", {Door.DATADOG, Door.LOG, Door.SQL}),
        ("sample:7", {Door.DATADOG, Door.LOG, Door.SQL}),
        ("series:up", {Door.PROMETHEUS}),
        ("log:", {Door.LOG}),
    ],
)
def test_which_doors_show_a_reference(reference: str, doors: set[Door]) -> None:
    shows = {
        door
        for door in Door
        if component(
            "evidence",
            replace(LOG, doors=(door.value,), faults=(replace(FAULT, evidence=(reference,)),)),
        )
        is not None
    }
    assert shows == doors


OTHER = replace(
    FAULT, kind="burst", objects=("a",), culprits=("b",), heads=(), evidence=("plan:8",)
)
BURST = Finding(kind="burst", object="a", culprit="b", onset_ns=OTHER.onset_ns)
TWO = replace(LOG, faults=(FAULT, OTHER))


def test_the_evidence_of_the_other_fault_is_no_mistake() -> None:
    """Each reference counts for its own fault; one of neither lowers both shares."""
    both = answered(
        TWO, findings=(BURST, RIGHT), evidence=("sample:4000", SECOND, "plan:8", "trace:z")
    )
    graded = grade(both)
    assert [fault.components["evidence"] for fault in graded.faults] == [0.666667, 0.5]
    assert [fault.answered for fault in graded.faults] == ["row-lock-chain", "burst"]
    assert graded.says == "right"


@pytest.mark.parametrize(
    ("findings", "score", "false", "says", "brier"),
    [
        ((RIGHT,), 0.5, (), "partly right", 1.0),
        ((Finding(kind="nothing"),), 0.0, (), "wrong", 1.0),
        ((RIGHT, Finding(kind="held-snapshot")), 0.25, ("held-snapshot",), "partly right", 1.0),
        ((Finding(kind="held-snapshot"),), 0.0, ("held-snapshot",), "wrong", 1.0),
        ((RIGHT, Finding(kind="exporter-stopped")), 0.5, (), "partly right", 1.0),
    ],
)
def test_of_two_faults_each_is_half_and_a_false_finding_costs_its_share(
    findings: tuple[Finding, ...], score: float, false: tuple[str, ...], says: str, brier: float
) -> None:
    """A finding that is neutral, as the stopped observer of the item, costs nothing."""
    log = answered(replace(TWO, neutral=("exporter-stopped",)), findings=findings)
    graded = grade(log)
    assert (graded.score, graded.false_positives, graded.says) == (score, false, says)
    assert graded.brier == brier


def test_the_family_earns_a_fifth_and_the_certainty_counts_as_wrong() -> None:
    graded = grade(found(kind="deadlocks"))
    assert (graded.score, graded.says, graded.brier) == (0.2, "partly right", 1.0)
    assert graded.faults[0].credit == 0.2
    assert graded.false_positives == ()


def test_each_hint_costs_a_tenth_of_the_score() -> None:
    for hints, score in ((1, 0.9), (3, 0.7), (10, 0.0), (11, 0.0)):
        graded = grade(replace(LOG, hints=(CLOCK,) * hints))
        assert (graded.score, graded.hints) == (score, hints)


def test_a_healthy_lab_is_judged_by_class_economy_and_confidence() -> None:
    healthy = answered(replace(LOG, faults=()), findings=(Finding(kind="nothing"),))
    assert (grade(healthy).score, grade(healthy).says) == (1.0, "right")
    slow = replace(healthy, ended_ns=CLOCK + 599 * NS)
    assert grade(slow).score == 1.0
    unsure = answered(healthy, confidence=0.5)
    assert (grade(unsure).score, grade(unsure).brier) == (round(0.3875 / 0.4, 4), 0.25)
    blamed = answered(healthy, findings=(RIGHT,), confidence=0.7)
    assert (grade(blamed).score, grade(blamed).says, grade(blamed).brier) == (0.0, "wrong", 0.49)
    assert grade(blamed).false_positives == ("row-lock-chain",)
    gone = answered(
        replace(healthy, neutral=("agent-stopped",)), findings=(Finding(kind="agent-stopped"),)
    )
    assert (grade(gone).score, grade(gone).false_positives) == (1.0, ())


def test_an_exam_without_a_valid_answer_says_why() -> None:
    assert grade(replace(LOG, void="it was killed")).says == "void: it was killed"
    assert grade(replace(LOG, clock_ns=None)).says == "void: the clock never started"
    unanswered = grade(replace(LOG, answer=None, hints=(CLOCK,)))
    assert (unanswered.score, unanswered.says, unanswered.brier) == (0.0, "no answer", None)
    assert (unanswered.requests, unanswered.hints, unanswered.delay_s) == (1, 1, None)


def test_the_interval_of_a_share_is_wilsons() -> None:
    """Computed by hand for 3 of 4: (0.75 + 0.4802) / 1.9604 and 1.96 · 0.3232 / 1.9604 on either side."""
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(3, 4) == (0.301, 0.954)
    assert wilson(1, 2) == (0.095, 0.905)


def trial(item: int, door: str, seconds: float | None, requests: int, score: float | None) -> Trial:
    solved = score is not None and score > 0.5
    return Trial(
        item=item, template=f"t{item}", doors=(door,), score=score, solved=solved, seconds=seconds,
        requests=requests,
    )  # fmt: skip


def test_a_row_has_the_means_of_its_valid_trials_and_the_median_time_of_the_solved() -> None:
    trials = [
        trial(0, "apm", 10.0, 1, 0.9), trial(1, "apm", 40.0, 2, 0.8), trial(2, "apm", 50.0, 4, 1.0),
        trial(3, "apm", 900.0, 5, 0.1), trial(4, "apm", None, 99, None), trial(0, "log", 7.0, 3, 0.5),
    ]  # fmt: skip
    result = summarized(trials, seed=1, player="p")
    apm, log = result.rows
    assert (apm.doors, apm.trials, apm.solved, apm.low, apm.high) == (
        ("apm",), 4, 0.75, 0.301, 0.954
    )  # fmt: skip
    assert (apm.score, apm.seconds, apm.requests) == (0.7, 40.0, 3.0)
    assert (log.solved, log.seconds, log.requests) == (0.0, None, 3.0)
    assert result.difficulty == {"t0": 0.5, "t1": 0.0, "t2": 0.0, "t3": 1.0}
    assert (result.unsolved, result.void) == (("t3",), ("t4",))
