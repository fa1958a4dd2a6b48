"""Generates a contract's repayment: its installments and payments, to the cent.

Nine in ten of all seeded rows are generated here, so they are written as COPY text at once, each amount
formatted where it is computed, by `workload.money`.
"""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import lru_cache
from itertools import count
from random import Random

from lab.seed.batches import NULL, Page
from lab.seed.catalogue import OFFERS
from lab.seed.timeline import Timeline
from workload import money

NEVER = date.max.toordinal()
# The running lab does the rest: yesterday's due installments are not marked yet, and fees are charged later.
MARKED_AFTER_DAYS = 1
CHARGED_AFTER_DAYS = 4
_LONGEST = max(offer.product.max_installments for offer in OFFERS)
_EARLY_DAYS = 4
_MEAN_LATENESS_DAYS = 12
_MOST_LATENESS_DAYS = 90
_WORST_LATENESS = 0.30
_WORST_DEFAULT = 0.12


@dataclass(frozen=True, kw_only=True, slots=True)
class Loan:
    """A signed contract; `reliability` of the payer is 0 to 1."""

    contract_id: int
    principal: Decimal
    monthly_rate: Decimal
    installments: int
    signed_on: date
    reliability: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """A contract's open amount on the reference date; `settled_at` as written for COPY, or NULL."""

    open_amount: Decimal
    settled_at: str


class Payer:
    """The dates of one loan's payments: in order, early, late, or no longer."""

    def __init__(self, loan: Loan, rng: Random) -> None:
        self._rng = rng
        doubt = 1 - loan.reliability
        self._lateness = _WORST_LATENESS * doubt
        defaults = rng.random() < _WORST_DEFAULT * doubt
        self._left = rng.randrange(loan.installments) if defaults else loan.installments
        self._last = 0

    def pays_on(self, due: int) -> int:
        """Return the day on which the next installment is paid, or NEVER; days are ordinals."""
        if not self._left:
            return NEVER
        self._left -= 1
        pick = self._rng.random
        if pick() < self._lateness:
            days = 1 + int(self._rng.expovariate(1 / _MEAN_LATENESS_DAYS))
            day = due + min(days, _MOST_LATENESS_DAYS)
        else:
            day = due - int(pick() * _EARLY_DAYS)
        self._last = max(self._last, day)
        return self._last


@dataclass(kw_only=True, slots=True)
class Ledger:
    """Installments and money movements of the contracts of one block."""

    timeline: Timeline
    installments: Page = field(default_factory=lambda: Page(table="installments"))
    transactions: Page = field(default_factory=lambda: Page(table="credit_transactions"))

    def disburse(self, loan: Loan, at: str, rng: Random) -> None:
        """Add the transaction that pays the principal out."""
        self._book(f"{loan.contract_id}\t{NULL}\tdisbursement\t{loan.principal}", at, rng)

    def repay(self, loan: Loan, rng: Random) -> Standing:
        """Write the schedule, with the payments that were made before the reference date."""
        start, today = self.timeline.start.toordinal(), self.timeline.reference.toordinal()
        payer = Payer(loan, rng)
        contract_id = loan.contract_id
        open_amount = money.ZERO
        paid_at = ""
        paid_on = 0
        amounts = _amounts(loan.principal, loan.monthly_rate, loan.installments)
        dates = _due_dates(loan.signed_on)
        for number, (amount, split), (due, due_date) in zip(count(1), amounts, dates, strict=False):
            if paid_on < today:
                paid_on = payer.pays_on(due)
            if paid_on < today:
                fee = money.late_fee(amount, paid_on - due)
                status = "paid"
                paid_at = max(paid_at, self.timeline.some_time_on(paid_on - start, rng.random()))
                installment = f"{contract_id}\t{self.installments.next_id}"
                self._book(f"{installment}\tpayment\t{amount + fee!s}", paid_at, rng)
            else:
                late = today - due
                fee = money.late_fee(amount, late) if late > CHARGED_AFTER_DAYS else money.ZERO
                status = "overdue" if late > MARKED_AFTER_DAYS else "open"
                paid_at = NULL
                open_amount += amount + fee
            self.installments.add(
                f"{contract_id}\t{number}\t{due_date}\t{split}\t{fee!s}\t{status}\t{paid_at}"
            )
        return Standing(open_amount=open_amount, settled_at=paid_at)

    def _book(self, movement: str, at: str, rng: Random) -> None:
        self.transactions.add(f"{movement}\t{rng.getrandbits(128):032x}\t{at}")


@lru_cache(maxsize=4096)
def _amounts(
    principal: Decimal, monthly_rate: Decimal, installments: int
) -> tuple[tuple[Decimal, str], ...]:
    """Return each installment's amount, and its principal and interest as text; cached: sums are round."""
    amounts = money.amortise(principal, monthly_rate, installments)
    return tuple(
        (amortised + interest, f"{amortised}\t{interest}") for amortised, interest in amounts
    )


@lru_cache(maxsize=64)
def _due_dates(signed_on: date) -> tuple[tuple[int, str], ...]:
    """Return all due dates of loans signed on a day, as ordinal and text; cached: loans are sorted by day."""
    first = money.month_after(signed_on, 1)
    dates = (money.month_after(first, number) for number in range(_LONGEST))
    return tuple((due.toordinal(), str(due)) for due in dates)
