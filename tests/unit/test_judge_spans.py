"""The judge over spans: of a statement, in intervals, in a row, and of a service without any."""

from dataclasses import replace

import pytest

from lab.foundation.timestamps import NS_PER_S as NS
from lab.judge.evidence import Observer
from lab.judge.readings import Seen
from lab.judge.signals import NoSpans, Resources, Spans
from lab.judge.verdicts import Depth, judge
from lab.telemetry.store import Span
from tests.judging import EMPTY, INJECTED, T0, TRUTH, verdict


def statement_span(at_s: float, resource: str, ms: float) -> Span:
    return Span(
        trace_id="0" * 32,
        span_id=f"{round(at_s * 1000):016x}",
        parent_id="1" * 16,
        service="postgres",
        name="postgres.query",
        resource=resource,
        kind="sql",
        start_ns=T0 + round(at_s * NS),
        duration_ns=round(ms * 1e6),
        error=False,
        tags={"_dd.base_service": "credit-drill"},
    )


def test_a_span_is_held_when_it_has_ended() -> None:
    """A span that began before the fault and ended in it is seen at its end."""
    span = Span(
        trace_id="0" * 32,
        span_id="0" * 16,
        parent_id=None,
        service="credit-customers",
        name="credit.operation",
        resource="lookup",
        kind="worker",
        start_ns=INJECTED - NS,
        duration_ns=12 * NS,
        error=True,
        tags={},
    )
    found = verdict(Observer.APM, replace(EMPTY, spans=(span,)))
    assert found.after_s == 10.0
    assert found.depths == (Depth.DETECTED, Depth.TRACE)


def test_spans_name_the_statement_by_its_text_and_the_caller_by_its_service() -> None:
    """The text in which the most time is spent, over what it was, is the one that is looked at."""
    truth = replace(TRUTH, texts=frozenset({"SELECT 1"}))
    spans = tuple(
        statement_span(at_s, text, ms)
        for at_s, text, ms in (
            (40, "SELECT 1", 1),
            (41, "SELECT report", 900),
            (70, "SELECT 1", 2500),
            (71, "SELECT report", 2900),
        )
    )
    slower = Resources(says="ms in 10 s", above=100, times=3)
    evidence = replace(EMPTY, spans=spans)
    [found] = [v for v in judge(evidence, truth, [slower], ()) if v.observer is Observer.APM]
    assert found.depths == (Depth.DETECTED, Depth.STATEMENT, Depth.CULPRIT, Depth.TRACE)


@pytest.mark.parametrize(
    ("heavy_at", "seen"), [((70,), Seen.MISSED), ((70, 90), Seen.MISSED), ((70, 80), Seen.SEEN)]
)
def test_one_heavy_interval_alone_is_no_fault(heavy_at: tuple[int, ...], seen: Seen) -> None:
    """Where two in a row are required, an interval without spans breaks the row."""
    spans = [statement_span(at_s, "SELECT report", 2900) for at_s in heavy_at]
    spans += [statement_span(at_s, "SELECT 1", 1) for at_s in range(41, 120, 10)]
    slower = Resources(says="ms in 10 s", above=100, times=3, points=2)
    evidence = replace(EMPTY, spans=tuple(spans))
    [found] = [v for v in judge(evidence, TRUTH, [slower], ()) if v.observer is Observer.APM]
    assert found.seen is seen


@pytest.mark.parametrize(("executions", "seen"), [(1, Seen.MISSED), (2, Seen.SEEN)])
def test_a_single_execution_in_an_interval_does_not_count(executions: int, seen: Seen) -> None:
    """Where two are required: a report that takes long in each interval is executed once in it."""
    spans = [
        statement_span(at_s + execution, "SELECT report", 900)
        for at_s in (70, 80)
        for execution in range(executions)
    ]
    spans += [statement_span(at_s, "SELECT 1", 1) for at_s in range(41, 120, 10)]
    slower = Resources(says="ms in 10 s", above=100, times=3, points=2, at_least=2)
    evidence = replace(EMPTY, spans=tuple(spans))
    [found] = [v for v in judge(evidence, TRUTH, [slower], ()) if v.observer is Observer.APM]
    assert found.seen is seen


@pytest.mark.parametrize(
    ("resources", "seen"), [(("a", "b", "a"), Seen.MISSED), (("a", "a", "b", "a"), Seen.SEEN)]
)
def test_executions_in_a_row_are_those_of_one_statement(
    resources: tuple[str, ...], seen: Seen
) -> None:
    """Three of one statement, whatever others come between; two of it are too few."""
    spans = [statement_span(70 + n, resource, 900) for n, resource in enumerate(resources)]
    spans += [statement_span(40 + n, "SELECT 1", 1) for n in range(60)]
    slow = Spans(says="ms", above=600, points=3, each=True, like=lambda s: s.kind == "sql")
    evidence = replace(EMPTY, spans=tuple(spans))
    [found] = [v for v in judge(evidence, TRUTH, [slow], ()) if v.observer is Observer.APM]
    assert found.seen is seen


@pytest.mark.parametrize(("spans_before", "seen"), [(20, Seen.SEEN), (19, Seen.MISSED)])
def test_twenty_operations_in_the_window_are_often(spans_before: int, seen: Seen) -> None:
    spans = tuple(
        replace(statement_span(at_s, "operation", 1), parent_id=None)
        for at_s in range(60 - spans_before, 60)
    )
    no_spans = NoSpans(says="seconds without a span", above=20)
    evidence = replace(EMPTY, spans=spans)
    [found] = [v for v in judge(evidence, TRUTH, [no_spans], ()) if v.observer is Observer.APM]
    assert found.seen is seen
    if seen is Seen.SEEN:
        # The last one ended at 59.001 s; the window's last second that counts is 141.
        assert found.says == ("seconds without a span: 82",)


@pytest.mark.parametrize(("every_s", "seen"), [(1, Seen.SEEN), (10, Seen.MISSED)])
def test_only_who_often_speaks_can_be_missed(every_s: int, seen: Seen) -> None:
    """Half a minute without a span is a sign of a service with one each second, and none of a rare one."""
    spans = tuple(
        replace(statement_span(at_s, "operation", 1), parent_id=None)
        for at_s in range(0, 140, every_s)
        if not 61 <= at_s < 95
    )
    no_spans = NoSpans(says="seconds without a span", above=20)
    evidence = replace(EMPTY, spans=spans)
    [found] = [v for v in judge(evidence, TRUTH, [no_spans], ()) if v.observer is Observer.APM]
    assert found.seen is seen


def test_a_span_alone_is_measured_in_milliseconds_at_its_end() -> None:
    """Of each span: its own duration, in a track for its resource, in the order of the ends."""
    spans = (
        statement_span(70, "a", 2_500),
        statement_span(71, "a", 250),
        statement_span(71, "b", 4),
    )
    slow = Spans(says="ms", above=0, each=True, like=lambda s: s.kind == "sql")
    found = [
        [(point.at_ns - T0, point.value) for point in track]
        for track in slow.tracks(replace(EMPTY, spans=spans))
    ]
    assert found == [[(71.004 * NS, 4.0)], [(71.25 * NS, 250.0), (72.5 * NS, 2_500.0)]]
