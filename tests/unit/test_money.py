"""The Price schedule and the late fee."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workload import money

amounts = st.decimals(Decimal(500), Decimal(200_000), places=2)
rates = st.decimals(Decimal("0.005"), Decimal("0.05"), places=6)
counts = st.integers(1, 48)
days = st.dates(date(2020, 1, 1), date(2030, 12, 31))
DUE = date(2025, 1, 31)


@given(amounts, rates, counts, days)
def test_principals_add_up_exactly(
    principal: Decimal, rate: Decimal, count: int, first_due: date
) -> None:
    """The principals add up to the loan, to the cent, and every installment is something to pay."""
    rows = money.schedule(principal, rate, count, first_due)
    assert [row.number for row in rows] == list(range(1, count + 1))
    assert sum(row.principal for row in rows) == principal
    assert all(row.principal > 0 and row.interest >= 0 for row in rows)
    assert all(row.principal.as_tuple().exponent == -2 for row in rows)
    assert all(row.interest.as_tuple().exponent == -2 for row in rows)


@given(amounts, rates, counts)
def test_payments_are_level_but_for_the_last(principal: Decimal, rate: Decimal, count: int) -> None:
    """All payments but the last are equal; the last is off by rounding grown at the loan's rate."""
    rows = money.schedule(principal, rate, count, DUE)
    level = money.payment(principal, rate, count)
    assert all(row.principal + row.interest == level for row in rows[:-1])
    rounding_grown = money.CENT * (((1 + rate) ** count - 1) / rate)
    assert abs(rows[-1].principal + rows[-1].interest - level) <= rounding_grown + money.CENT


@given(amounts, rates, counts)
def test_interest_is_the_rate_on_the_open_principal(
    principal: Decimal, rate: Decimal, count: int
) -> None:
    """Interest of each period is within half a cent of the rate on what is still owed."""
    balance = principal
    for row in money.schedule(principal, rate, count, DUE):
        assert abs(row.interest - balance * rate) <= money.CENT / 2
        balance -= row.principal
    assert balance == 0


@given(days, counts)
def test_due_dates_are_monthly_and_do_not_drift(first_due: date, count: int) -> None:
    """Each due date is in the next month, on the first one's day or on the month's last day."""
    dates = [
        row.due_date for row in money.schedule(Decimal(9000), Decimal("0.02"), count, first_due)
    ]
    months = [day.year * 12 + day.month for day in dates]
    assert months == list(range(months[0], months[0] + count))
    for day in dates:
        last_of_month = (day + timedelta(days=1)).day == 1
        assert day.day == first_due.day or (day.day < first_due.day and last_of_month)


@pytest.mark.parametrize(
    ("principal", "rate", "count"),
    [
        ("0.00", "0.02", 1),
        ("-5.00", "0.02", 3),
        ("0.10", "0.02", 48),
        ("100.001", "0.02", 3),
        ("100.00", "0", 3),
        ("100.00", "1", 3),
        ("100.00", "0.02", 0),
    ],
)
def test_impossible_loans_are_refused(principal: str, rate: str, count: int) -> None:
    """A loan that cannot be split into positive installments of whole cents is refused."""
    with pytest.raises(ValueError, match="installment"):
        money.schedule(Decimal(principal), Decimal(rate), count, DUE)


@given(amounts, st.integers(1, 1000))
def test_a_late_fee_is_the_fine_and_daily_interest(amount: Decimal, late: int) -> None:
    """The fee is 2 % at once and 1 % per 30 days, within half a cent, and never falls with time."""
    exact = amount / 50 + amount * late / 3000
    assert abs(money.late_fee(amount, late) - exact) <= money.CENT / 2
    assert money.late_fee(amount, late) <= money.late_fee(amount, late + 1)


def test_a_tie_is_rounded_to_even() -> None:
    """Thirty days on 0.50 are exactly 1.5 cents: two; on 1.50, exactly 4.5 cents: four."""
    assert money.late_fee(Decimal("0.50"), 30) == Decimal("0.02")
    assert money.late_fee(Decimal("1.50"), 30) == Decimal("0.04")


@pytest.mark.parametrize("late", [0, -3])
def test_who_is_on_time_owes_no_fee(late: int) -> None:
    """Nothing is owed on or before the due date."""
    assert money.late_fee(Decimal("100.00"), late) == 0


def test_a_negative_amount_has_no_late_fee() -> None:
    """A negative amount is refused."""
    with pytest.raises(ValueError, match="-1"):
        money.late_fee(Decimal(-1), 5)
