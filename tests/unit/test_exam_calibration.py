"""Calibration of the score: scripted players on every item, and properties of a pure function."""

import dataclasses
import random
from statistics import mean, stdev

import msgspec
import pytest

from lab.drills.catalogue import DRILLS
from lab.exam import form, sealing
from lab.exam.doors import Door
from lab.exam.errors import ExamError, FormError
from lab.exam.form import Answer, Finding
from lab.exam.items import AFFECTED, DURATION_S, MAX_SEED, ONSET_S, TEMPLATES, VICTIMS, draw
from lab.exam.log import ExamLog
from lab.exam.players import PLAYERS, oracle
from lab.exam.scoring import HINT_COSTS, WEIGHTS, grade
from lab.exam.vocabulary import KINDS, NOTHING, family
from lab.foundation.timestamps import NS_PER_S
from tests.exam_logs import FAULTY, HEALTHY, played, unanswered


def _score(log: ExamLog) -> float:
    found = grade(log).score
    assert found is not None
    return found


def test_there_are_at_least_sixty_items() -> None:
    assert len({template.name for template in TEMPLATES}) == len(TEMPLATES) >= 60
    assert len(HEALTHY) >= 4
    assert sum(len(template.faults) == 2 for template in TEMPLATES) >= 6
    assert sum(template.without_data is not None for template in TEMPLATES) >= 6
    assert {*VICTIMS, *AFFECTED, NOTHING} == set(KINDS)


def test_kinds_have_the_names_of_drills() -> None:
    assert set(KINDS) - {NOTHING} <= set(DRILLS)


def test_a_seed_determines_the_item_and_every_template_is_drawn() -> None:
    drawn = [draw(seed) for seed in range(1500)]
    assert drawn == [draw(seed) for seed in range(1500)]
    assert {item.template for item in drawn} == {template.name for template in TEMPLATES}
    for item in drawn:
        assert ONSET_S[0] <= item.onset_s <= ONSET_S[1]
        assert DURATION_S[0] <= item.duration_s <= DURATION_S[1]
        assert len({culprit for fault in item.faults for culprit in fault.culprits}) >= len(
            item.faults
        )
    assert any(item.onset_s % 1 for item in drawn), "a tenth of a second is drawn, too"
    assert any(item.duration_s % 1 for item in drawn)
    draw(MAX_SEED)
    with pytest.raises(ExamError, match="from 0 to"):
        draw(-1)


def test_the_commitment_binds_the_item_and_reveals_nothing() -> None:
    item = draw(7)
    one, other = sealing.seal(7, None, item), sealing.seal(7, None, item)
    assert one.commitment != other.commitment, "the nonce is new for each exam"
    assert dataclasses.replace(one, item=draw(8)).commitment != one.commitment
    decoded = msgspec.json.decode(msgspec.json.encode(one), type=sealing.Seal)
    assert decoded.commitment == one.commitment


@pytest.mark.parametrize("number", range(len(TEMPLATES)))
def test_the_oracle_scores_at_least_95_percent(number: int) -> None:
    assert _score(played(oracle, number)) >= 0.95


@pytest.mark.parametrize("door", Door)
def test_the_oracle_scores_at_least_95_percent_behind_each_door(door: Door) -> None:
    for number in FAULTY:
        log = unanswered(number, doors=(door,))
        answered = dataclasses.replace(log, answer=oracle(log, random.Random(1)))
        # A line of the log is named by its second, which a synthetic log does not have.
        assert _score(answered) >= (0.85 if door is Door.LOG else 0.95)


@pytest.mark.parametrize(
    ("player", "most"), [("nothing", 0.05), ("random", 0.05), ("stuffing", 0.10)]
)
def test_players_without_knowledge_score_next_to_nothing(player: str, most: float) -> None:
    """The expected score of each item, over what the player chooses at random."""
    for number in FAULTY:
        log = unanswered(number)
        drawn = random.Random(number)
        scores = [
            _score(dataclasses.replace(log, answer=PLAYERS[player](log, drawn)))
            for _ in range(1 if player == "nothing" else 150)
        ]
        assert mean(scores) <= most + 1.7 * stdev([*scores, 0]) / len(scores) ** 0.5


def test_all_items_together_leave_players_without_knowledge_below_the_limits() -> None:
    for player, most in (("random", 0.05), ("stuffing", 0.10)):
        scores = [_score(played(PLAYERS[player], n, seed)) for n in FAULTY for seed in range(25)]
        assert mean(scores) <= most


def test_the_loudest_symptom_is_rarely_the_cause() -> None:
    scores = [_score(played(PLAYERS["loudest"], number)) for number in FAULTY]
    assert 0.1 < mean(scores) < 0.6


def test_on_healthy_items_only_nothing_is_right() -> None:
    for number in HEALTHY:
        assert _score(played(PLAYERS["nothing"], number)) >= 0.95
        assert _score(played(PLAYERS["loudest"], number)) == 0
        assert _score(played(PLAYERS["stuffing"], number)) == 0


@pytest.mark.parametrize("player", PLAYERS)
def test_regrading_gives_the_same_bytes(player: str) -> None:
    for number in range(len(TEMPLATES)):
        log = played(PLAYERS[player], number)
        stored = msgspec.json.encode(log)
        again = msgspec.json.decode(stored, type=ExamLog)
        assert msgspec.json.encode(again) == stored
        assert grade(again) == grade(log)


def test_weights_sum_to_one() -> None:
    assert sum(weight for weight, _ in WEIGHTS.values()) == pytest.approx(1)


def _double() -> int:
    return next(n for n in FAULTY if len(TEMPLATES[n].faults) == 2)


def _with(log: ExamLog, **changes: object) -> ExamLog:
    assert log.answer is not None
    return dataclasses.replace(log, answer=dataclasses.replace(log.answer, **changes))  # type: ignore[arg-type]


def test_one_of_two_faults_earns_half_and_a_false_finding_costs_its_share() -> None:
    log = played(oracle, _double())
    assert log.answer is not None
    first, second = log.answer.findings
    assert 0.45 <= _score(_with(log, findings=(first,))) <= 0.5
    assert _score(_with(log, findings=(second, first))) == _score(log), "the order is irrelevant"
    wrong = Finding(kind="held-snapshot")
    assert 0.2 <= _score(_with(log, findings=(first, wrong))) <= 0.25
    assert grade(_with(log, findings=(first, wrong))).false_positives == ("held-snapshot",)


def test_a_stopped_observer_is_no_false_positive() -> None:
    number = next(n for n in FAULTY if TEMPLATES[n].without_data == "datadog")
    log = played(oracle, number)
    assert log.answer is not None
    both = _with(log, findings=(*log.answer.findings, Finding(kind="agent-stopped")))
    assert _score(both) == _score(log)


def test_the_family_earns_a_part_and_another_class_nothing() -> None:
    number = next(n for n, t in enumerate(TEMPLATES) if t.name == "row-lock-chain/customers")
    log = played(oracle, number)
    assert log.answer is not None
    [right] = log.answer.findings
    kin = _with(log, findings=(dataclasses.replace(right, kind="idle-in-transaction"),))
    assert 0.1 < _score(kin) <= 0.2
    assert family("idle-in-transaction") == family("row-lock-chain")
    alien = _with(log, findings=(dataclasses.replace(right, kind="burst"),))
    assert _score(alien) == 0


def test_evidence_counts_when_it_was_opened_before_the_answer() -> None:
    log = played(oracle, FAULTY[0])
    assert log.answer is not None
    whole = grade(log).faults[0].components["evidence"]
    assert whole == 1
    late = dataclasses.replace(
        log,
        requests=tuple(dataclasses.replace(r, at_ns=log.ended_ns + 1) for r in log.requests),
    )
    assert grade(late).faults[0].components["evidence"] == 0
    half = _with(log, evidence=(log.answer.evidence[0], f"trace:{99:032x}"))
    assert grade(half).faults[0].components["evidence"] == 0.5, "opened, and irrelevant"
    assert grade(_with(log, evidence=())).faults[0].components["evidence"] == 0


def test_delay_onset_requests_confidence_and_hints_cost() -> None:
    log = played(oracle, FAULTY[0])
    assert log.clock_ns is not None
    slow = dataclasses.replace(log, ended_ns=log.clock_ns + 15 * 60 * NS_PER_S)
    assert grade(slow).faults[0].components["delay"] == 0
    many = dataclasses.replace(log, requests=log.requests * 10)
    assert grade(many).faults[0].components["economy"] == 0.5
    unsure = _with(log, confidence=0.5)
    assert grade(unsure).faults[0].components["confidence"] == 0.75
    hinted = dataclasses.replace(log, hints=(log.clock_ns, log.clock_ns))
    assert _score(hinted) == pytest.approx(_score(log) * (1 - 2 * HINT_COSTS), abs=1e-4)


def test_a_void_exam_has_no_score_and_no_answer_has_zero() -> None:
    log = played(oracle, FAULTY[0])
    assert grade(dataclasses.replace(log, void="the exam process was killed")).score is None
    assert grade(dataclasses.replace(log, clock_ns=None)).score is None
    assert grade(dataclasses.replace(log, answer=None)).score == 0


FORM = '{"findings": [{"kind": "deadlocks"%s}]%s}'


def test_the_form_is_decoded() -> None:
    text = FORM % (
        ', "object": "customers", "culprit": "4711", "chain": ["1", "2"], "onset": "2026-11-28T19:03:26"',
        ', "confidence": 0.9, "evidence": ["sample:4711", "sample:4711"]',
    )
    assert form.decode(text) == Answer(
        findings=(
            Finding(
                kind="deadlocks",
                object="customers",
                culprit="4711",
                chain=("1", "2"),
                onset_ns=1_795_892_606 * NS_PER_S,
            ),
        ),
        confidence=0.9,
        evidence=("sample:4711",),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no valid form"),
        ("[" * 100_000, "no valid form"),
        ('{"findings": []}', "1 or 2 are expected"),
        ('{"findings": [{"kind": "deadlok"}]}', "did you mean deadlocks"),
        ('{"findings": [{"kind": ""}]}', "There is no kind"),
        (FORM % (', "object": "customers installments"', ""), "exactly one name"),
        (FORM % (', "object": "customers,installments"', ""), "exactly one name"),
        (FORM % (', "culprit": "a b"', ""), "an application, a service or a pid"),
        (FORM % (', "chain": ["x"]', ""), "pids are expected"),
        (FORM % (', "onset": "yesterday"', ""), "a time as"),
        (FORM % ("", ', "confidence": 1.5'), "from 0 to 1"),
        (FORM % ("", ', "confidence": NaN'), "no valid form"),
        (FORM % ("", ', "evidence": ["it was slow"]'), "Expected: trace:32HEX"),
        (FORM % ("", ', "words": "x"'), "unknown field"),
        ('{"findings": [{"kind": "nothing"}, {"kind": "burst"}]}', "cannot be combined"),
        ('{"findings": [{"kind": "burst"}, {"kind": "burst"}]}', "named twice"),
    ],
)
def test_a_malformed_answer_is_refused_with_its_field(text: str, message: str) -> None:
    with pytest.raises(FormError, match=message):
        form.decode(text)
