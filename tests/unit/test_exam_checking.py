"""The check of items, the references of the truth, the limits of the form, and the exam's plot by hand."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lab.exam import ablation, checking, form, report, session, spans, starting, truth
from lab.exam.checking import Checked
from lab.exam.ending import Result
from lab.exam.errors import ExamError, FormError, VoidError
from lab.exam.items import TEMPLATES
from lab.exam.log import ExamLog, Observed
from lab.exam.players import oracle
from lab.exam.requests import Request
from lab.exam.scoring import grade
from lab.exam.starting import Options
from lab.foundation.outcome import Outcome
from lab.foundation.paths import Paths
from lab.foundation.settings import LabSettings
from lab.foundation.timestamps import NS_PER_S as NS
from lab.foundation.timestamps import moment
from lab.telemetry.store import Bounds, Writer
from tests import evidence as of
from tests.exam_logs import FAULTY, unanswered
from tests.fix_reporter import RecordedReporter
from tests.fix_store import HOUR_NS, Tally

NUMBER = FAULTY[0]
LOG = replace(unanswered(NUMBER), doors=("prometheus", "datadog", "apm", "log", "sql"))


def result(log: ExamLog, verified: str = "ok: totals match") -> Result:
    return Result(log=log, grade=grade(log), verified=verified)


def checked(
    monkeypatch: pytest.MonkeyPatch, settings: LabSettings, outcome: Result | VoidError
) -> Checked:
    """Return the check of one item whose exam ends so."""
    started: list[Options] = []

    def start(_settings: LabSettings, options: Options, _reporter: object) -> None:
        started.append(options)
        if isinstance(outcome, VoidError):
            raise outcome

    monkeypatch.setattr(starting, "start", start)
    monkeypatch.setattr(session, "stop", lambda *_: outcome)
    [found] = checking.check([NUMBER], settings, seed=3, reporter=RecordedReporter())
    assert started == [Options(seed=3, number=NUMBER, minutes=5.0)]
    assert found.template == TEMPLATES[NUMBER].name
    return found


@pytest.fixture
def settings(tmp_path: Path) -> LabSettings:
    return LabSettings(_env_file=None, lab_state_dir=tmp_path)


def test_an_item_is_ok_that_was_proven_verified_and_can_be_solved(
    monkeypatch: pytest.MonkeyPatch, settings: LabSettings
) -> None:
    """The time to the clock is from the start of the exam; the right answer scores without evidence."""
    assert LOG.clock_ns is not None
    started = replace(LOG, started_ns=LOG.clock_ns - 12_340_000_000, requests=())
    found = checked(monkeypatch, settings, result(started))
    assert (found.outcome, found.problem, found.proven_s) == (Outcome.OK, "", 12.3)
    assert found.oracle is not None
    assert checking.SOLVED <= found.oracle < 1


@pytest.mark.parametrize(
    ("changes", "verified", "problem"),
    [
        ({}, "failed: money", "verify failed: money"),
        ({"void": "it was killed"}, "ok", "it was killed"),
        ({"clock_ns": None}, "ok", "the clock never started"),
        ({"hints": (1, 2, 3)}, "ok", "the right answer has 0."),
    ],
)
def test_an_item_that_is_not_proven_restored_or_solvable_failed(
    monkeypatch: pytest.MonkeyPatch,
    settings: LabSettings,
    changes: dict[str, Any],
    verified: str,
    problem: str,
) -> None:
    found = checked(monkeypatch, settings, result(replace(LOG, **changes), verified))
    assert found.outcome is Outcome.FAILED
    assert found.problem.startswith(problem)


def test_an_item_that_could_not_be_verified_is_unknown(
    monkeypatch: pytest.MonkeyPatch, settings: LabSettings
) -> None:
    found = checked(monkeypatch, settings, result(LOG, "unknown: PostgreSQL does not answer"))
    assert (found.outcome, found.problem) == (Outcome.UNKNOWN, "")


def test_a_void_item_has_its_reason(monkeypatch: pytest.MonkeyPatch, settings: LabSettings) -> None:
    found = checked(monkeypatch, settings, VoidError("Exam a is void: no proof.\nStart another."))
    assert (found.problem, found.proven_s, found.oracle) == (
        "Exam a is void: no proof.",
        None,
        None,
    )
    assert (found.verified, found.outcome) == ("unknown", Outcome.FAILED)


def test_items_to_check_are_all_or_those_of_a_list() -> None:
    assert checking.numbers(None) == tuple(range(len(TEMPLATES)))
    assert checking.numbers(f" 0, {len(TEMPLATES) - 1},") == (0, len(TEMPLATES) - 1)
    for wrong in ("", ",", str(len(TEMPLATES)), "-1", "0,x"):
        with pytest.raises(ExamError, match=f"numbers from 0 to {len(TEMPLATES) - 1} are expected"):
            checking.numbers(wrong)
    assert len(ablation.chosen("1", 15)) == 1


@pytest.fixture
def traced(settings: LabSettings) -> LabSettings:
    at_ns = of.START
    numbered = [replace(of.root(number), start_ns=at_ns + number) for number in (-1, 0, 10, 11)]
    records = [replace(span, trace_id=of.trace_id(99 - n)) for n, span in enumerate(numbered)]
    records.append(replace(of.root(50, service="other"), start_ns=at_ns))
    records.append(replace(records[1], span_id=of.span_id(9)))
    bounds = Bounds(age_ns=HOUR_NS, size_bytes=10**9)
    with Writer(Paths.of(settings).store, bounds, Tally()) as writer:
        writer.commit(records, timeout_s=60)
    return settings


def test_the_traces_of_services_in_a_range_include_both_ends(traced: LabSettings) -> None:
    found = spans.traces(traced, ("credit-risk",), of.START, of.START + 10)
    assert found == (of.trace_id(97), of.trace_id(98))
    both = spans.traces(traced, ("credit-risk", "other", "none"), of.START, of.START + 10)
    assert both == (of.trace_id(50), of.trace_id(97), of.trace_id(98))


def test_without_a_store_there_are_no_traces(settings: LabSettings) -> None:
    assert spans.traces(settings, ("credit-risk",), 0, 2**62) == ()


def test_series_that_show_a_fault_are_metrics_of_its_signals() -> None:
    """No function, label or number of an expression, and not `up`, which no response counts as shown."""
    assert truth._series("deadlocks") == ["series:pg_stat_database_deadlocks"]
    assert truth._series("agent-stopped") == []
    assert truth._series("slow-application") == [
        "series:credit_arrivals_dropped_total", "series:service:credit_start_delay_seconds:quantile_rate5m"
    ]  # fmt: skip


def answer(**fields: Any) -> bytes:
    own = {name: fields.pop(name) for name in ("chain", "object") if name in fields}
    return msgspec.json.encode({"findings": [{"kind": "deadlocks", **own}], **fields})


@pytest.mark.parametrize(
    ("fields", "more"),
    [
        ({"confidence": 0}, {"confidence": -0.01}),
        ({"confidence": 1}, {"confidence": 1.01}),
        ({"chain": [str(n) for n in range(8)]}, {"chain": [str(n) for n in range(9)]}),
        (
            {"evidence": [f"plan:{n}" for n in range(10)]},
            {"evidence": [f"plan:{n}" for n in range(11)]},
        ),
        ({"object": "x" * 63}, {"object": "x" * 64}),
        ({"object": "1" * 20}, {"object": "1" * 21}),
    ],
)
def test_the_form_accepts_a_value_at_its_limit(
    fields: dict[str, Any], more: dict[str, Any]
) -> None:
    form.decode(answer(**fields))
    with pytest.raises(FormError):
        form.decode(answer(**more))


def test_the_form_has_one_or_two_findings() -> None:
    kinds = [{"kind": kind} for kind in ("burst", "deadlocks", "ddl-queue")]
    assert len(form.decode(msgspec.json.encode({"findings": kinds[:2]})).findings) == 2
    with pytest.raises(FormError, match="3 findings: 1 or 2 are expected"):
        form.decode(msgspec.json.encode({"findings": kinds}))


CLOCK = of.START
FAULT = LOG.faults[0]
PLOTTED = replace(
    LOG,
    started_ns=CLOCK - 20 * NS,
    clock_ns=CLOCK,
    ended_ns=CLOCK + 55 * NS,
    doors=("apm", "log"),
    faults=(replace(FAULT, onset_ns=CLOCK - 5 * NS),),
    observed=(
        Observed(kind=FAULT.kind, observer="Datadog APM", seen="seen", after_s=7.0, says=()),
        Observed(kind=FAULT.kind, observer="PostgreSQL log", seen="missed", after_s=None, says=()),
    ),
    requests=(Request(at_ns=CLOCK + 25 * NS, door="apm+log", what="/traces", size=1_200),),
    hints=(CLOCK + 31 * NS,),
)


def test_the_plot_has_a_line_for_each_fault_observer_and_door() -> None:
    """From the injection to the end, 60 s on 600 units; a range where the fault was there."""
    plot = report.timeline(PLOTTED)
    assert plot.names == (
        (36.0, FAULT.kind), (60.0, "Datadog APM"), (84.0, "PostgreSQL log"), (108.0, "door apm"),
        (132.0, "door log"), (156.0, "answer"),
    )  # fmt: skip
    assert plot.height == 24 + 6 * 24 + 10
    assert [(mark.x, mark.y, mark.width, mark.css) for mark in plot.marks] == [
        (170.0, 36.0, 600.0, "fault"), (290.0, 60.0, 0.0, "seen"), (470.0, 108.0, 0.0, "opened"),
        (470.0, 132.0, 0.0, "opened"), (530.0, 156.0, 0.0, "hint"), (770.0, 156.0, 0.0, "answer"),
    ]  # fmt: skip
    assert plot.marks[1].says == f"{FAULT.kind} after 7.0 s"
    assert plot.ticks == tuple((220.0 + 10 * second, second) for second in range(0, 56, 10))


@pytest.mark.parametrize(
    ("length_s", "step"), [(35, 5), (36, 10), (235, 30), (9_595, 1200), (99_999, 1200)]
)
def test_the_plot_has_eight_ticks_at_most(length_s: int, step: int) -> None:
    """Of the shortest step that is enough; beyond the longest there are more."""
    plot = report.timeline(replace(PLOTTED, ended_ns=CLOCK + length_s * NS, observed=()))
    assert plot.ticks[1][1] == step


def test_events_are_in_order_with_seconds_on_the_clock() -> None:
    answered = replace(PLOTTED, answer=oracle(PLOTTED, None))  # type: ignore[arg-type]
    assert [(seconds, text) for _, seconds, text in report.events(answered)] == [
        (-20.0, "the exam began"), (-5.0, f"{FAULT.kind} was injected"),
        (0.0, "proven in PostgreSQL; the clock started"),
        (7.0, f"Datadog APM had its first evidence of {FAULT.kind}"),
        (25.0, "opened apm+log: /traces (1,200 bytes)"), (31.0, "a hint was given"), (55.0, "answered"),
    ]  # fmt: skip
    never = report.events(replace(PLOTTED, clock_ns=None, observed=(), faults=()))
    assert [text for _, _, text in never][-1] == "ended without an answer"
    assert [seconds for _, seconds, _ in never] == [0.0, 45.0, 51.0, 75.0]
    assert never[0][0] == moment(CLOCK - 20 * NS)
