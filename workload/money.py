"""Money arithmetic of a loan: the French (Price) schedule and the late fee.

Pure and in Decimal, so that underwriting, servicing, seeding and `verify` agree to the cent.
Amounts are in reais with two decimals. Every rounding is half-even to the cent (ABNT NBR 5891),
so that rounding favours neither party.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache

CENT = Decimal("0.01")
ZERO = Decimal("0.00")
LATE_FINE = Decimal("0.02")
LATE_MONTHLY_INTEREST = Decimal("0.01")
DAYS_PER_MONTH = 30
_DECEMBER = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Installment:
    """One installment as contracted: numbered from 1, amounts in reais."""

    number: int
    due_date: date
    principal: Decimal
    interest: Decimal


def to_cents(amount: Decimal) -> Decimal:
    """Round half-even to the cent.

    >>> to_cents(Decimal("0.125")), to_cents(Decimal("0.135"))
    (Decimal('0.12'), Decimal('0.14'))
    """
    return amount.quantize(CENT, ROUND_HALF_EVEN)


@cache
def annuity(monthly_rate: Decimal, installments: int) -> Decimal:
    """Compute the payment on one real: i / (1 - (1 + i)^-n); cached, as a catalogue has few.

    >>> round(annuity(Decimal("0.02"), 12), 6)
    Decimal('0.094560')
    """
    return monthly_rate / (1 - (1 + monthly_rate) ** -installments)


def payment(principal: Decimal, monthly_rate: Decimal, installments: int) -> Decimal:
    """Compute the level payment of a Price loan, in reais.

    >>> payment(Decimal("1000.00"), Decimal("0.02"), 12)
    Decimal('94.56')
    """
    return to_cents(principal * annuity(monthly_rate, installments))


def amortise(
    principal: Decimal, monthly_rate: Decimal, installments: int
) -> list[tuple[Decimal, Decimal]]:
    """Split a loan into level payments (French system, "tabela Price"): principal and interest of each.

    Interest of a period is the rounded monthly rate on the open principal. The principals add up to
    the loan exactly: the last installment includes the rounding remainder, so only it may differ.

    Args:
        principal: the loan in reais, at most two decimals.
        monthly_rate: as a fraction, more than 0 and less than 1 (0.02 is 2 % a month).
        installments: how many monthly installments, at least 1.

    Raises:
        ValueError: an argument is out of range, or the loan is so small, or so long at such a rate,
            that rounding to cents would leave an installment of nothing.

    >>> [str(p + i) for p, i in amortise(Decimal("100.00"), Decimal("0.03"), 3)]
    ['35.35', '35.35', '35.36']
    """
    balance = to_cents(principal)
    if balance != principal or not 0 < monthly_rate < 1 or installments < 1:
        raise ValueError(
            f"no schedule for {principal} at {monthly_rate} a month in {installments} installments:"
            " expected whole cents, a rate between 0 and 1, at least one installment"
        )
    level = payment(principal, monthly_rate, installments)
    amounts = []
    for _ in range(installments - 1):
        interest = (balance * monthly_rate).quantize(CENT, ROUND_HALF_EVEN)
        amounts.append((level - interest, interest))
        balance -= level - interest
    if level <= 0 or balance <= 0:
        raise ValueError(f"{principal} is too little for {installments} installments in cents")
    amounts.append((balance, to_cents(balance * monthly_rate)))
    return amounts


def schedule(
    principal: Decimal, monthly_rate: Decimal, installments: int, first_due: date
) -> list[Installment]:
    """Amortise a loan and date its installments: the first, and the others by `month_after`.

    Arguments and errors are those of `amortise`.

    >>> rows = schedule(Decimal("100.00"), Decimal("0.03"), 3, date(2025, 1, 31))
    >>> [(row.number, str(row.due_date)) for row in rows]
    [(1, '2025-01-31'), (2, '2025-02-28'), (3, '2025-03-31')]
    """
    amounts = amortise(principal, monthly_rate, installments)
    return [
        Installment(
            number=number + 1,
            due_date=month_after(first_due, number),
            principal=amortised,
            interest=interest,
        )
        for number, (amortised, interest) in enumerate(amounts)
    ]


def month_after(day: date, months: int) -> date:
    """Return the same day of a later month, or that month's last day when it has no such day.

    >>> month_after(date(2025, 1, 31), 1), month_after(date(2025, 1, 31), 2)
    (datetime.date(2025, 2, 28), datetime.date(2025, 3, 31))
    """
    years, month = divmod(day.month - 1 + months, _DECEMBER)
    year, month = day.year + years, month + 1
    if day.day > 28:  # noqa: PLR2004 - every month has 28 days; asking for its length costs 0.5 us
        return date(year, month, min(day.day, monthrange(year, month)[1]))
    return date(year, month, day.day)


def late_fee(amount: Decimal, days_late: int) -> Decimal:
    """Compute the fee of a late installment: a 2 % fine, and 1 % a month, by days.

    The fine is the cap of the consumer code (Lei 8.078/1990, art. 52, par. 1). The interest is the
    customary contractual limit of 1 % a month (Codigo Civil, art. 406, with CTN, art. 161, par. 1,
    as they read before Lei 14.905/2024): simple, on principal and contracted interest, a month
    being 30 days.

    Args:
        amount: principal + interest of the installment, in reais.
        days_late: whole days after the due date; nothing is owed for 0 or fewer.

    Raises:
        ValueError: the amount is negative.

    >>> late_fee(Decimal("200.00"), 15), late_fee(Decimal("200.00"), 0)
    (Decimal('5.00'), Decimal('0.00'))
    """
    if amount < 0:
        raise ValueError(f"no late fee on {amount}: expected an amount of 0 or more")
    if days_late <= 0:
        return ZERO
    share_of_30_days = LATE_FINE * DAYS_PER_MONTH + LATE_MONTHLY_INTEREST * days_late
    return to_cents(amount * share_of_30_days / DAYS_PER_MONTH)
