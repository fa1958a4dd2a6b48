"""The diagnosers' rules of Prometheus' series and alerts, and of spans."""

from typing import Any

import pytest

from lab.exam.diagnosers import diagnose
from lab.exam.doors import Door
from lab.exam.form import Answer
from lab.exam.vocabulary import SERVICES
from tests.exam_tables import AT, NOTHING, Found, first, table

TRACE = "0123456789abcdef0123456789abcdef"


def of_prometheus(number: int, *rows: tuple[str, float]) -> Answer:
    """Return the answer for one of Prometheus' tables: 0 alerts, 1 seconds, 2 calls, 3 sessions."""
    tables = [table("labels,value") for _ in range(number)]
    return diagnose({Door.PROMETHEUS: [*tables, table("labels,value", *rows)]})


OTHER = "service=back-office, statement=back_month"


@pytest.mark.parametrize(
    ("number", "labels", "value", "found", "evidence"),
    [
        (1, OTHER, 0.21, ("slow-query", "back_month", "back-office", 0.5),
         "series:statement:pg_stat_statements_seconds:rate1m"),
        (1, OTHER, 0.2, NOTHING, None),
        (1, "service=credit-risk, statement=x", 0.9, NOTHING, None),
        (2, OTHER, 20.1, ("n-plus-one", "back_month", "back-office", 0.55),
         "series:statement:pg_stat_statements_calls:rate1m"),
        (2, OTHER, 20, NOTHING, None),
        (2, "service=shared, statement=x", 90, NOTHING, None),
        (3, "application_name=billing-batch, state=idle", 16,
         ("connection-exhaustion", "credit_app", "billing-batch", 0.7), "series:pg_stat_activity_count"),
        (3, "application_name=billing-batch, state=idle", 15, NOTHING, None),
        (3, "application_name=credit-risk, state=idle", 40, NOTHING, None),
        (3, "state=idle", 40, NOTHING, None),
    ],
)  # fmt: skip
def test_rates_of_another_application_are_suspected_above_their_threshold(
    number: int, labels: str, value: float, found: Found, evidence: str | None
) -> None:
    answer = of_prometheus(number, (labels, value))
    assert first(answer) == found
    assert answer.evidence == ((evidence,) if evidence else ())


@pytest.mark.parametrize(
    ("alert", "seconds", "found"),
    [
        ("alertname=RollbackStorm, alertstate=firing", 0.0, ("rollback-storm", "", "", 0.9)),
        ("alertname=RollbackStorm, alertstate=pending", 0.0, ("rollback-storm", "", "", 0.54)),
        ("alertname=ServiceDown, alertstate=firing, service=credit-risk", 0.0,
         ("service-stopped", "", "credit-risk", 0.95)),
        ("alertname=DeadTuplesGrow, alertstate=firing, relname=customers", 0.0,
         ("held-snapshot", "customers", "", 0.85)),
        ("alertname=IdleInTransaction, alertstate=firing, application_name=branch-portal", 0.0,
         ("idle-in-transaction", "", "branch-portal", 0.7)),
        # A statement of another application that takes time is at fault for what the alert reports.
        ("alertname=TempFileSpill, alertstate=firing", 0.011,
         ("work-mem-spill", "back_month", "back-office", 0.9)),
        ("alertname=TempFileSpill, alertstate=firing", 0.01, ("work-mem-spill", "", "", 0.9)),
        ("alertname=Watchdog, alertstate=firing", 0.0, NOTHING),
    ],
)  # fmt: skip
def test_an_alert_suggests_the_fault_of_its_runbook(
    alert: str, seconds: float, found: Found
) -> None:
    tables = [table("labels,value", (alert, 1.0)), table("labels,value", (OTHER, seconds))]
    answer = diagnose({Door.PROMETHEUS: tables})
    assert first(answer) == found
    assert ("series:ALERTS" in answer.evidence) is (found != NOTHING)


def of_apm(number: int, columns: str, *rows: tuple[Any, ...]) -> Answer:
    tables = [table("service") for _ in range(number)]
    return diagnose({Door.APM: [*tables, table(columns, *rows)]})


@pytest.mark.parametrize(
    ("resource", "spans", "errors", "ms", "found"),
    [
        ("rollback", 201, 0, 0.0, ("rollback-storm", "", "back-office", 0.85)),
        ("ROLLBACK", 200, 0, 0.0, NOTHING),
        ("SELECT 1", 1501, 9, 0.0, ("n-plus-one", "", "back-office", 0.75)),
        ("SELECT 1", 1500, 3, 0.0, ("deadlocks", "", "back-office", 0.5)),
        ("SELECT 1", 1500, 2, 0.0, NOTHING),
        ("SELECT 1", 10, 0, 2_501.0, ("slow-query", "", "back-office", 0.5)),
        ("SELECT 1", 10, 0, 2_500.0, NOTHING),
        ("SELECT 1", 0, 0, 251.0, ("slow-query", "", "back-office", 0.5)),
    ],
)
def test_the_spans_of_another_application_decide_its_fault(
    resource: str, spans: int, errors: int, ms: float, found: Found
) -> None:
    """Time is that of a span, not of all of them."""
    columns = "service,resource,spans,errors,ms,a trace"
    answer = of_apm(0, columns, ("back-office", resource, spans, errors, ms, TRACE))
    assert first(answer) == found
    assert answer.evidence == (() if found == NOTHING else (f"trace:{TRACE}",))
    known = of_apm(0, columns, ("credit-risk", resource, spans, errors, ms, TRACE))
    assert first(known) == NOTHING


@pytest.mark.parametrize(("count", "ms", "who", "found"), [
    (6, 1500.1, "credit-risk", ("slow-application", "credit-risk", "credit-risk", 0.5)),
    (5, 1500.1, "credit-risk", NOTHING),
    (6, 1500.0, "credit-risk", NOTHING),
    (6, 1500.1, "back-office", NOTHING),
])  # fmt: skip
def test_a_service_is_slow_with_six_late_operations(
    count: int, ms: float, who: str, found: Found
) -> None:
    assert first(of_apm(1, "service,ms", *[(who, ms)] * count)) == found


@pytest.mark.parametrize(("last", "is_silent"), [("19:02:25", True), ("19:02:26", False)])
def test_a_service_is_silent_after_a_minute(last: str, is_silent: bool) -> None:
    rows = [(name, 5, AT) for name in SERVICES if name != "credit-risk"]
    answer = of_apm(2, "service,spans,last", *rows, ("credit-risk", 5, f"2026-11-28T{last}"))
    expected = ("service-stopped", "credit-risk", "credit-risk", 0.55) if is_silent else NOTHING
    assert first(answer) == expected
