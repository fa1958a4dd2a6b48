"""MCP tools of the exam and of joined sources: the state, the result with its truth, and long traces."""

from dataclasses import replace
from pathlib import Path

import pytest

from lab.exam.doors import Door
from lab.exam.ending import Result
from lab.exam.errors import ExamError
from lab.exam.place import State
from lab.exam.scoring import grade
from lab.exam.session import HINTS
from lab.exam.vocabulary import KINDS
from lab.foundation.settings import LabSettings
from lab.mcp.sources import Sources
from lab.mcp.tools import exam, lab
from lab.mcp.tools.exam import ExamTools
from lab.mcp.tools.lab import LabTools
from lab.stack.backend import Mode
from tests import evidence as of
from tests.exam_logs import FAULTY, HEALTHY, unanswered
from tests.exam_records import EXAM, begin
from tests.mcp_store import answered, holding

S = 1_000_000_000


@pytest.fixture
def settings(tmp_path: Path) -> LabSettings:
    return LabSettings(_env_file=None, lab_state_dir=tmp_path)


@pytest.fixture
def tools(settings: LabSettings) -> ExamTools:
    return ExamTools(Sources(settings=settings, requested=Mode.NATIVE))


def test_the_state_has_the_doors_and_the_time_that_is_left(
    settings: LabSettings, tools: ExamTools
) -> None:
    place = begin(settings, Door.LOG, Door.APM, left_ns=600 * S)
    record = place.current()
    assert record is not None
    assert record.clock_ns is not None
    found = tools.exam_status()
    assert (found["exam"], found["state"], found["minutes"]) == (EXAM, "running", 15)
    assert found["doors"] == ["log", "apm"]
    assert 0 < found["seconds_left"] <= 600
    assert found["clock_started"] == answered(record.clock_ns)
    assert found["kinds"]["deadlocks"] == "transactions lock the same rows in opposite orders"
    assert set(found["kinds"]) == set(KINDS)
    assert found["references"].startswith("trace:32HEX")


def test_before_the_clock_no_time_is_left_and_without_an_exam_there_is_none(
    settings: LabSettings, tools: ExamTools
) -> None:
    assert tools.exam_status() == {"state": "none", "note": exam.NONE}
    with pytest.raises(ExamError, match="A person starts one"):
        tools.exam_hint()
    begin(settings, Door.LOG, state=State.PREPARING)
    found = tools.exam_status()
    assert (found["state"], "seconds_left" in found, "clock_started" in found) == (
        "preparing", False, False
    )  # fmt: skip


def test_hints_are_given_in_their_order(settings: LabSettings, tools: ExamTools) -> None:
    begin(settings, Door.LOG)
    assert [tools.exam_hint() for _ in HINTS] == [{"hint": text} for text in HINTS]


def test_the_result_has_the_truth_with_some_of_its_evidence() -> None:
    log = unanswered(FAULTY[0])
    many = tuple(f"plan:{number}" for number in range(30))
    log = replace(log, faults=(replace(log.faults[0], evidence=many),), notes=("a note",))
    found = exam._result(Result(log=log, grade=grade(log), verified="ok"))
    [truth] = found["truth"]
    assert (truth["kind"], truth["evidence"]) == (log.faults[0].kind, many[:20])
    assert truth["onset"] == answered(log.faults[0].onset_ns)
    assert (found["exam"], found["seed"], found["verified"]) == (log.exam, 15, "ok")
    assert (found["grade"].score, found["notes"], found["void"]) == (0.0, ("a note",), "")
    healthy = unanswered(HEALTHY[0])
    nothing = exam._result(Result(log=healthy, grade=grade(healthy), verified="ok"))
    assert nothing["truth"] == [{"kind": "nothing"}]
    hidden = replace(healthy, seal=None)
    assert exam._result(Result(log=hidden, grade=grade(hidden), verified="ok"))["seed"] is None


def test_a_trace_has_its_longest_statements_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the limit it says so; the text of a statement is cut."""
    monkeypatch.setattr(lab, "MAX_STATEMENTS", 2)
    monkeypatch.setattr(lab, "TEXT", 6)
    spans = [
        of.statement(1, 2, at_ms=1, ms=9), of.statement(1, 3, at_ms=20, ms=5),
        of.statement(1, 4, at_ms=40, ms=300, error=True),
    ]  # fmt: skip
    with holding(tmp_path, of.root(1), *spans) as sources:
        tools = LabTools(sources)
        found = tools.lab_trace(trace_id=of.trace_id(1))
        monkeypatch.setattr(lab, "MAX_STATEMENTS", 3)
        whole = tools.lab_trace(trace_id=of.trace_id(1))
    assert [one["span_id"] for one in found["statements"]] == [of.span_id(2), of.span_id(4)]
    assert (found["statements_found"], found["more"]) == (3, "the 2 longest statements are shown")
    assert "more" not in whole
    assert [one.get("error") for one in whole["statements"]] == [None, None, True]
    assert [one["client_ms"] for one in whole["statements"]] == [9, 5, 300]
    assert {one["text"] for one in whole["statements"]} == {"SELECT"}
    assert (whole["service"], whole["duration_ms"], whole["database_ms"]) == (
        "credit-risk",
        400,
        314,
    )
