"""The rules of `verify` on synthetic figures: what fails, what is unknown, and what is printed."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from rich.console import Console

from lab.cli.views import verify as view
from lab.clients.services import Sample
from lab.verify import counters
from lab.verify.ledger import Ledger, OperationTotals
from lab.verify.quiescence import CounterSnapshot
from lab.verify.report import Report, compare, unknown

INSTANCE = "5a0b1c1e-0000-4000-8000-000000000001"
STARTED = datetime(2025, 6, 1, tzinfo=UTC)
ROWS = "credit_rows_attempted_total"
ERRORS = "credit_database_errors_total"


def sample(name: str, value: float, **labels: str) -> Sample:
    return Sample(name=name, labels={"service": "credit-servicing", **labels}, value=value)


def moment(
    application: Mapping[str, int],
    database: Mapping[str, int],
    *,
    errors: int = 0,
    instance: str = INSTANCE,
    started: datetime = STARTED,
) -> CounterSnapshot:
    """A moment at which so many rows of installments had been written, by action."""
    return CounterSnapshot(
        samples=[
            sample("credit_service_info", 1, service_instance=instance),
            sample(ERRORS, errors, sqlstate_class="08"),
            *(sample(ROWS, n, table="installments", action=a) for a, n in application.items()),
        ],
        attempted_in_database=Counter({("installments", a): n for a, n in database.items()}),
        ledger={},
        server_start=started,
    )


def test_only_the_difference_within_the_window_counts() -> None:
    """What was counted before, on either side, does not matter: statistics do not survive a crash."""
    start = moment({"insert": 10}, {"insert": 7})
    end = moment({"insert": 30, "update": 5}, {"insert": 27, "update": 5})
    checks = list(counters.attempted_rows(start, end))
    assert [(c.name, c.ok, c.expected) for c in checks] == [
        ("attempted_rows.installments.insert", True, "20"),
        ("attempted_rows.installments.update", True, "5"),
    ]


def test_one_row_too_many_is_found() -> None:
    start, end = moment({"insert": 0}, {"insert": 0}), moment({"insert": 5}, {"insert": 6})
    [check] = counters.attempted_rows(start, end)
    assert (check.ok, check.expected, check.actual) == (False, "5", "6")


def test_after_a_failed_statement_a_difference_is_unknown_and_equality_still_good() -> None:
    """A statement that fails half-way has rows counted by PostgreSQL only."""
    start = moment({"insert": 0, "update": 0}, {})
    end = moment({"insert": 5, "update": 1}, {"insert": 6, "update": 1}, errors=1)
    assert [check.ok for check in counters.attempted_rows(start, end)] == [None, True]


def test_a_restart_within_the_window_makes_it_unknown() -> None:
    start = moment({"insert": 0}, {})
    later = moment({"insert": 1}, {"insert": 9}, started=datetime.now(UTC))
    other = moment({"insert": 1}, {"insert": 9}, instance=INSTANCE.replace("1", "2"))
    for end in (later, other):
        [check] = counters.attempted_rows(start, end)
        assert check.ok is None


def test_operations_and_amounts_are_compared_with_the_ledger() -> None:
    samples = [
        sample("credit_service_info", 1, service_instance=INSTANCE),
        sample("credit_operations_total", 3, operation="pay", outcome="ok"),
        sample("credit_operations_total", 9, operation="pay", outcome="error"),
        sample("credit_paid_brl_total", 0.1 + 0.2),
    ]
    ledger: Ledger = {
        (INSTANCE, "pay"): OperationTotals(count=3, paid=Decimal("0.30")),
        ("of another process", "pay"): OperationTotals(count=99, paid=Decimal("99.00")),
    }
    end = CounterSnapshot(
        samples=samples, attempted_in_database=Counter(), ledger=ledger, server_start=STARTED
    )
    checks = {check.name: check for check in counters.acknowledged(end)}
    assert checks["acknowledged.servicing.pay"].ok
    assert checks["acknowledged.servicing.settle"].ok
    assert checks["acknowledged.paid_brl"].ok
    lost: Ledger = {(INSTANCE, "pay"): OperationTotals(count=2, paid=Decimal("0.20"))}
    failed = {
        check.name
        for check in counters.acknowledged(replace(end, ledger=lost))
        if check.ok is False
    }
    assert failed == {"acknowledged.servicing.pay", "acknowledged.paid_brl"}


def test_a_report_is_as_good_as_its_worst_check() -> None:
    good, bad = compare("good", expected=1, actual=1), compare("bad", expected=1, actual=2)
    dark = unknown("dark", "no data")
    assert Report(checks=[good]).ok is True
    assert Report(checks=[good, dark]).ok is None
    assert Report(checks=[good, dark, bad]).ok is False
    assert Report(checks=[]).ok is None
    assert Report(checks=[dark]).to_json() == {
        "ok": None,
        "result": "unknown",
        "why_unknown": ["dark: no data"],
        "checks": [
            {
                "name": "dark",
                "ok": None,
                "expected": "unknown",
                "actual": "unknown",
                "detail": "no data",
            }
        ],
    }


def test_the_view_groups_the_checks_and_explains_what_does_not_hold() -> None:
    shown = text(
        compare("balances", expected=0, actual=0, detail="this explains itself"),
        compare("attempted_rows.audit_log.insert", expected=5, actual=6, detail="one too many"),
        unknown("acknowledged.servicing.pay", "nobody answers"),
    )
    assert shown.index("Money and people") < shown.index("balances")
    assert shown.index("Rows attempted") < shown.index("audit_log.insert")
    assert shown.index("Operations acknowledged") < shown.index("servicing.pay")
    assert "one too many" in shown
    assert "nobody answers" in shown
    assert "this explains itself" not in shown
    assert shown.rstrip().endswith("1 of 3 checks fail")


def test_the_view_says_when_all_is_well_and_when_data_are_missing() -> None:
    good = compare("balances", expected=0, actual=0)
    assert "All 1 checks pass" in text(good)
    shown = text(good, unknown("services", "not running"))
    assert "1 of 2 checks had no data" in shown
    assert shown.rstrip().endswith("services: not running")


def text(*checks: object) -> str:
    console = Console(width=120)
    with console.capture() as capture:
        console.print(view.render(Report(checks=checks)))  # type: ignore[arg-type]
    return capture.get()
