"""The debrief: complete for every item, without script, and with the exam's own data only."""

import dataclasses
import random
import re

import pytest

from lab.exam import report
from lab.exam.ending import Result
from lab.exam.items import TEMPLATES
from lab.exam.log import ExamLog, Observed
from lab.exam.players import oracle
from lab.exam.scoring import grade
from tests.exam_logs import FAULTY, played, unanswered


def _result(log: ExamLog) -> Result:
    return Result(log=log, grade=grade(log), verified="ok: totals match the database")


def _seen(log: ExamLog) -> ExamLog:
    kinds = [fault.kind for fault in log.faults]
    observed = [
        Observed(kind=kind, observer=observer, seen="seen", after_s=after, says=("<b>evidence",))
        for kind in kinds
        for observer, after in (
            ("Datadog DBM", 3.0),
            ("PostgreSQL log", -1.5),
            ("Datadog APM", None),
        )
    ]
    return dataclasses.replace(log, observed=tuple(observed))


@pytest.mark.parametrize("number", range(len(TEMPLATES)))
def test_every_item_has_a_report(number: int) -> None:
    log = _seen(played(oracle, number))
    page = report.page(_result(log))
    assert "<script" not in page
    assert "http" not in page
    assert all(fault.kind in page for fault in log.faults)
    assert "the revealed item matches the commitment" in page
    assert "<b>evidence" not in page, "text of the database is escaped"


def test_the_shortest_path_is_the_first_evidence_behind_an_open_door() -> None:
    log = _seen(unanswered(FAULTY[0]))
    [best] = report.shortest(log)
    assert (best.observer, best.after_s) == ("PostgreSQL log", -1.5)
    [behind] = report.shortest(dataclasses.replace(log, doors=("datadog",)))
    assert behind.observer == "Datadog DBM"
    assert report.shortest(dataclasses.replace(log, doors=("prometheus",))) == ()


def test_a_void_exam_and_one_without_clock_are_reported_with_the_reason() -> None:
    log = unanswered(FAULTY[0])
    void = dataclasses.replace(log, clock_ns=None, seal=None, faults=(), void="it was killed")
    page = report.page(_result(void))
    assert "it was killed" in page
    assert "not revealed" in page


def test_positions_are_inside_the_plot() -> None:
    for number in FAULTY:
        log = _seen(dataclasses.replace(unanswered(number), answer=None))
        plot = report.timeline(dataclasses.replace(log, answer=oracle(log, random.Random(1))))
        for mark in plot.marks:
            assert report.LEFT <= mark.x <= mark.x + mark.width <= report.LEFT + report.WIDTH + 2
            assert 0 < mark.y < plot.height


def test_an_altered_item_does_not_match_the_commitment() -> None:
    log = unanswered(FAULTY[0])
    assert log.seal is not None
    altered = dataclasses.replace(log, seal=dataclasses.replace(log.seal, seed=16))
    assert not report.values(_result(altered))["seal_holds"]
    assert re.search("not revealed", report.page(_result(altered)))
