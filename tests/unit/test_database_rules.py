"""What the database layer makes of an error, and what it counts of a statement."""

from decimal import Decimal

import psycopg2
import pytest
from prometheus_client import CollectorRegistry

from tests.fix_postgres import settings_for
from workload.database import (
    ConnectionLostError,
    ContentionError,
    StatementFailedError,
    _ArrayLiteral,
    _translated,
    session_options,
)  # fmt: skip
from workload.exemplars import SpanIds
from workload.metrics import Metrics
from workload.operation import NO_FACTS, Facts, Outcome, Result
from workload.statements import Statement
from workload.tally import Tally
from workload.telemetry import DatabaseTelemetry

SERVICE = "credit-test"
STATEMENT = Statement(name="pay", service=SERVICE, purpose="", sql="", writes=())


@pytest.mark.parametrize(
    ("sqlstate", "kind"),
    [
        ("40001", ContentionError), ("40P01", ContentionError), ("40002", StatementFailedError),
        ("57P01", ConnectionLostError), ("57P03", ConnectionLostError), ("57014", StatementFailedError),
        ("53300", ConnectionLostError), ("53100", StatementFailedError), ("08006", ConnectionLostError),
        ("23505", StatementFailedError), ("42P01", StatementFailedError),
    ],
)  # fmt: skip
def test_an_error_is_translated_by_its_sqlstate(sqlstate: str, kind: type[Exception]) -> None:
    """Its first line only: DETAIL can quote a row."""
    found = _translated(psycopg2.OperationalError("what failed\nDETAIL:  cpf 1"), sqlstate)
    assert type(found) is kind
    assert str(found) == "what failed"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (psycopg2.ProgrammingError("no results to fetch"), StatementFailedError),
        (psycopg2.NotSupportedError("no"), StatementFailedError),
        (psycopg2.InterfaceError("connection already closed"), ConnectionLostError),
        (psycopg2.OperationalError("server closed the connection"), ConnectionLostError),
    ],
)
def test_an_error_of_the_driver_about_a_call_is_not_retried(
    error: psycopg2.Error, kind: type[Exception]
) -> None:
    assert type(_translated(error, "08000")) is kind


def test_only_a_unique_violation_is_one() -> None:
    assert StatementFailedError("x", sqlstate="23505").is_unique_violation
    assert not StatementFailedError("x", sqlstate="23503").is_unique_violation


@pytest.mark.parametrize(
    ("elements", "text"),
    [
        ([], b"'{}'"), ([1, 2], b"""'{"1","2"}'"""), (['a"b'], b"""'{"a\\"b"}'"""),
        (["a\\b"], b"""'{"a\\\\b"}'"""),
    ],
)  # fmt: skip
def test_a_list_is_one_constant(elements: list[object], text: bytes) -> None:
    """With its quotes and backslashes escaped."""
    # libpq escapes as for the last connection of the process: before the first one backslashes are doubled.
    assert _ArrayLiteral(elements).getquoted() in (text, text.replace(b"\\", b"\\\\"))


def test_a_connection_has_the_limits_of_the_settings() -> None:
    settings = settings_for(port=1, database="x").model_copy(
        update={"workload_statement_timeout_ms": 1234}
    )
    assert session_options(settings) == (
        "-c statement_timeout=1234 -c idle_in_transaction_session_timeout=1234"
    )


def test_an_execution_is_counted_with_its_rows_and_from_a_millisecond_on_with_its_trace() -> None:
    """The driver's -1 for an unknown number of rows is none."""
    registry, ids = CollectorRegistry(), SpanIds(trace_id=1, span_id=2)
    metrics = Metrics(registry)
    telemetry = DatabaseTelemetry(metrics, SERVICE, lambda: ids)
    for seconds, rows in ((0.0009, 3), (0.001, 0), (0.5, -1), (0.5, 4)):
        telemetry.executed(STATEMENT, seconds, rows)
    labels = {"service": SERVICE, "statement": "pay"}
    assert registry.get_sample_value("credit_statement_rows_total", labels) == 7
    assert registry.get_sample_value("credit_statement_duration_seconds_count", labels) == 4
    clock = metrics.histogram("credit_statement_duration_seconds", **labels)
    assert sorted(one.seconds for one in clock.histogram().exemplars.values()) == [0.001, 0.5]
    telemetry.failed("23505")
    telemetry.failed("57014")
    telemetry.failed("57P01")
    for sqlstate, number in (("23", 1), ("57", 2)):
        labels = {"service": SERVICE, "sqlstate_class": sqlstate}
        assert registry.get_sample_value("credit_database_errors_total", labels) == number
    telemetry.timed_out()
    telemetry.waited(0.25)
    telemetry.wrote("x", "insert", 5)
    own = {"service": SERVICE}
    assert registry.get_sample_value("credit_pool_timeouts_total", own) == 1
    assert registry.get_sample_value("credit_pool_wait_seconds_sum", own) == 0.25
    labels = {**own, "table": "x", "action": "insert"}
    assert registry.get_sample_value("credit_rows_attempted_total", labels) == 5


def test_an_operation_is_counted_by_outcome_amount_and_duration() -> None:
    """The lab's own clock of errors has the failed ones only; what an operation may be starts at zero."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    tally = Tally(metrics, SERVICE, "pay")
    paid = Facts(paid=Decimal("10.50"))
    lent = Facts(proposal="approved", disbursed=Decimal("200.00"))
    for outcome, facts in (
        (Outcome.OK, paid), (Outcome.OK, lent), (Outcome.NOTHING, NO_FACTS), (Outcome.ERROR, NO_FACTS)
    ):  # fmt: skip
        tally.ended(Result(outcome=outcome, facts=facts), 2.0, None)
    tally.retried("connection")

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, {"service": SERVICE, **labels})

    of = {"operation": "pay"}
    outcomes = {o.value: value("credit_operations_total", outcome=o.value, **of) for o in Outcome}
    assert outcomes == {"ok": 2, "nothing": 1, "error": 1}
    assert value("credit_operation_duration_seconds_sum", **of) == 8.0
    assert value("credit_paid_brl_total") == 10.5
    assert value("credit_disbursed_brl_total") == 200.0
    statuses = ("submitted", "withdrawn", "approved", "rejected")
    assert [value("credit_proposals_total", status=status) for status in statuses] == [0, 0, 1, 0]
    assert value("credit_operation_retries_total", reason="connection", **of) == 1
    assert value("credit_operation_retries_total", reason="serialization", **of) == 0
    document = metrics.clocks.document(buckets=False)
    assert document[f"{SERVICE}/operation/pay"][:2] == (4, 8.0)
    assert document[f"{SERVICE}/error/pay"][:2] == (1, 2.0)
