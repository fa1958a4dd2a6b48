"""The seed's arithmetic, calculated by hand: times, growth, incomes, amounts, payments and fees."""

import random
from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import pytest

from lab.seed import lending
from lab.seed.batches import NULL, Batch, Page
from lab.seed.catalogue import OFFERS
from lab.seed.people import CpfSequence, joined, members
from lab.seed.plan import SeedPlan
from lab.seed.profiles import Profile, Profiles
from lab.seed.repayment import NEVER, Ledger, Loan, Payer
from lab.seed.seeding import SeedReport
from lab.seed.timeline import DAY_S, DAYS, Timeline
from workload import cpf

REFERENCE = date(2025, 11, 1)
TIMELINE = Timeline(REFERENCE)
[PERSONAL] = [offer for offer in OFFERS if offer.product.code == "pessoal"]


class Dice(random.Random):
    """Draws what it was given, and lognormal factors of 1."""

    def __init__(self, *drawn: float, numbers: tuple[int, ...] = ()) -> None:
        super().__init__()
        self._drawn: Iterator[float] = iter(drawn)
        self._numbers: Iterator[int] = iter(numbers)

    def random(self) -> float:
        return next(self._drawn)

    def randrange(self, *_: object) -> int:
        return next(self._numbers)

    def lognormvariate(self, mu: float = 0.0, sigma: float = 1.0) -> float:
        assert (mu, sigma) in {(0, 0.6), (0, 1.2)}
        return 1.0

    def expovariate(self, lambd: float = 1.0) -> float:
        return 1 / lambd

    def getrandbits(self, k: int, /) -> int:
        return k


def test_fractions_of_three_years_are_times_of_waking_hours() -> None:
    """The first day is 2022-11-01; a day goes from 10:00 to 24:00 UTC, 07:00 to 21:00 in Brasilia."""
    assert (DAYS, TIMELINE.end_s) == (1096, 1096 * 86_400)
    moments = [0.0, 0.5 / DAYS, 1 / DAYS, 1.25 / DAYS, 1 - 1e-12]
    assert [TIMELINE.text(TIMELINE.instant(fraction)) for fraction in moments] == [
        "2022-11-01 10:00:00+00",
        "2022-11-01 17:00:00+00",
        "2022-11-02 10:00:00+00",
        "2022-11-02 13:30:00+00",
        "2025-10-31 23:59:59+00",
    ]
    assert TIMELINE.text(3 * DAY_S + 3661) == "2022-11-04 01:01:01+00"
    assert [TIMELINE.day(second) for second in (0, DAY_S - 1, DAY_S)] == [
        date(2022, 11, 1), date(2022, 11, 1), date(2022, 11, 2)
    ]  # fmt: skip


@pytest.mark.parametrize("luck", [0.0, 0.3, 0.7, 0.9999])
def test_a_payment_is_made_at_some_time_of_waking_hours(luck: float) -> None:
    day, clock = TIMELINE.some_time_on(4, luck).split(" ")
    assert day == "2022-11-05"
    assert "10:00:00+00" <= clock < "24:00:00+00"
    assert len({TIMELINE.some_time_on(4, n / 4096) for n in range(4096)}) > 3000


def test_customers_join_faster_every_year() -> None:
    """The middle one of a hundred joins after 0.5 to the power of 0.7; `members` is the inverse."""
    assert joined(0, 100) == 0.0
    assert joined(50, 100) == pytest.approx(0.61557, abs=1e-5)
    assert [members(joined(n, 100) + 1e-9, 100) for n in (0, 1, 50, 99)] == [1, 2, 51, 100]
    assert members(0.0, 1) == 1


def test_numbers_lead_to_cpfs_by_a_permutation() -> None:
    """A step of about 618 million from an offset; the base that is never issued is permuted again."""
    sequence = CpfSequence(Dice(numbers=(2, 7)))
    assert [sequence.at(number)[:9] for number in (1, 2, 3)] == [
        "618034016", "236068025", "854102034"
    ]  # fmt: skip
    assert all(cpf.is_valid(sequence.at(number)) for number in range(1, 50))


def test_incomes_are_lognormal_and_all_are_of_age() -> None:
    """The median is about 2,880 reais, the least 900; all are from 22 to 72 years old."""
    people = [Profiles(15, REFERENCE).of(number) for number in range(1, 5001)]
    incomes = sorted(person.income for person in people)
    assert incomes[0] >= Decimal("900.00")
    assert incomes[100] < Decimal(1100)
    assert Decimal(2700) < incomes[2500] < Decimal(3100)
    # One standard deviation above the median: 2,800 x e^0.65, and up to 163.83 more.
    assert Decimal(5100) < incomes[4206] < Decimal(5900)
    assert all(income.as_tuple().exponent == -2 for income in incomes)
    born = sorted(person.born for person in people)
    assert date(1953, 11, 18) <= born[0] < date(1954, 2, 1)
    assert date(2003, 9, 1) < born[-1] <= date(2003, 11, 7)
    reliable = sorted(person.reliability for person in people)
    assert 0 <= reliable[0] < 0.05
    assert 0.95 < reliable[-1] < 1
    assert reliable[2500] == pytest.approx(0.5, abs=0.02)
    richer = [p.reliability for p in people if p.income > incomes[2500]]
    assert sum(richer) / len(richer) == pytest.approx(0.625, abs=0.02)
    assert Profiles(15, REFERENCE).of(7) == people[6] != Profiles(16, REFERENCE).of(7)


@pytest.mark.parametrize(
    ("income", "amount"),
    [
        # 15 % of the income / the annuity of 12 months at 5.9 %, 0.118612: 1.2646 incomes.
        ("1000", "1200.00"), ("3900", "4900.00"), ("4000", "5000.00"), ("10000", "12500.00"),
        ("17000", "21000.00"), ("300", "500.00"), ("99000", "30000.00"),
    ],
)  # fmt: skip
def test_an_amount_is_a_round_sum_that_the_income_pays_for(income: str, amount: str) -> None:
    """Hundreds below 5,000, five hundreds below 20,000, thousands above; within the product's limits."""
    profile = Profile(Decimal(income), date(1990, 1, 1), 0.5)
    assert str(lending._affordable(profile, PERSONAL, 12, Dice())) == amount


def loan(reliability: float = 1.0) -> Loan:
    return Loan(
        contract_id=5, principal=Decimal("1000.00"), monthly_rate=Decimal("0.02"), installments=3,
        signed_on=date(2025, 7, 31), reliability=reliability,
    )  # fmt: skip


def test_a_reliable_payer_pays_up_to_three_days_early_and_in_order() -> None:
    payer = Payer(loan(), Dice(0.0, 0.0, 0.99, 0.5, 0.0, 0.5, 0.99))
    assert [payer.pays_on(due) for due in (100, 130, 131, 160)] == [97, 130, 130, NEVER]


def test_an_unreliable_payer_pays_late_or_no_longer() -> None:
    """Three in ten are late, by 13 days on average and 90 at most; one in eight defaults."""
    late = Payer(loan(0.0), Dice(0.12, 0.29, 0.30, 0.0))
    assert [late.pays_on(due) for due in (100, 200)] == [113, 200]
    gone = Payer(loan(0.0), Dice(0.11, 0.30, 0.0, numbers=(1,)))
    assert [gone.pays_on(due) for due in (100, 130)] == [100, NEVER]


def test_a_repayment_has_what_was_paid_by_the_reference_date_and_what_is_open() -> None:
    """Due on August 31 and September 30, paid; the last one, due on October 31, is not marked yet."""
    ledger = Ledger(timeline=TIMELINE)
    # The last pays 13 days late: after the reference date.
    standing = ledger.repay(loan(0.0), Dice(0.5, 0.9, 0.0, 0.5, 0.0, 0.4, 0.0))
    rows = ledger.installments.take().text.decode().splitlines()
    assert [row.split("\t")[:8] for row in rows] == [
        ["1", "5", "1", "2025-08-31", "326.75", "20.00", "0.00", "paid"],
        # 346.75 x (0.02 + 0.01 x 13/30) = 8.44.
        ["2", "5", "2", "2025-09-30", "333.29", "13.46", "8.44", "paid"],
        ["3", "5", "3", "2025-10-31", "339.96", "6.80", "0.00", "open"],
    ]
    assert [row.split("\t")[8][:10] for row in rows] == ["2025-08-31", "2025-10-13", NULL]
    payments = ledger.transactions.take().text.decode().splitlines()
    assert [row.split("\t")[:6] for row in payments] == [
        ["1", "5", "1", "payment", "346.75", f"{128:032x}"],
        ["2", "5", "2", "payment", "355.19", f"{128:032x}"],
    ]
    assert (str(standing.open_amount), standing.settled_at) == ("346.76", NULL)


@pytest.mark.parametrize(
    ("today", "status", "fee"),
    [
        (date(2025, 10, 31), "open", "0.00"), (date(2025, 11, 1), "open", "0.00"),
        (date(2025, 11, 2), "overdue", "0.00"), (date(2025, 11, 4), "overdue", "0.00"),
        # 346.76 x (0.02 + 0.01 x 5/30) = 7.51.
        (date(2025, 11, 5), "overdue", "7.51"),
    ],
)  # fmt: skip
def test_an_unpaid_installment_is_marked_after_a_day_and_charged_after_four(
    today: date, status: str, fee: str
) -> None:
    ledger = Ledger(timeline=Timeline(today))
    # Paid twice, then no longer.
    standing = ledger.repay(loan(0.0), Dice(0.0, 0.9, 0.0, 0.5, 0.9, 0.0, 0.5, numbers=(2,)))
    last = ledger.installments.take().text.decode().splitlines()[-1]
    assert last.split("\t")[6:] == [fee, status, NULL]
    assert standing.open_amount == Decimal("346.76") + Decimal(fee)


def test_a_loan_that_was_paid_is_settled_with_its_last_payment() -> None:
    ledger = Ledger(timeline=Timeline(date(2026, 1, 1)))
    standing = ledger.repay(loan(), Dice(0.5, *(0.9, 0.0, 0.5) * 3))
    last = ledger.installments.take().text.decode().splitlines()[-1].split("\t")
    assert (standing.open_amount, standing.settled_at) == (Decimal(0), last[8])
    assert last[8].startswith("2025-10-31 ")


def test_a_page_numbers_its_rows_and_is_emptied_by_taking_them() -> None:
    page = Page(table="x")
    assert [page.add("a\tb"), page.add("ç")] == [1, 2]
    assert page.take() == Batch(table="x", rows=2, text="1\ta\tb\n2\tç\n".encode())
    assert page.take() == Batch(table="x", rows=0, text=b"")
    assert page.add("c") == 3


def test_a_plan_of_scale_one_expects_its_rows_within_a_tenth() -> None:
    """The estimate is for the progress bar."""
    small = SeedPlan(scale=Decimal("0.05"), random_seed=15, reference=REFERENCE)
    rows = sum(batch.rows for block in small.blocks() for batch in block)
    assert small.expected_rows == pytest.approx(rows, rel=0.1)


def test_a_report_of_a_seed_has_its_rate_or_that_it_was_kept() -> None:
    def report(*, loaded: bool, rows: int) -> SeedReport:
        return SeedReport(
            scale=Decimal("0.5"), random_seed=1, loaded=loaded, rows=rows, seconds=4.0
        )

    assert report(loaded=True, rows=10_000).summary == "scale 0.5, 10,000 rows at 2,500 rows/s"
    assert report(loaded=False, rows=0).summary == "scale 0.5, kept from an earlier run"
    assert report(loaded=False, rows=0).rows_per_second == 0


def proposal(submitted: int) -> lending.Proposal:
    [secured] = [offer for offer in OFFERS if offer.product.code == "consignado"]
    # 35 years of 365 days before the reference date.
    return lending.Proposal(
        customer_id=3, profile=Profile(Decimal(5000), date(1990, 11, 10), 0.8), offer=secured,
        amount=Decimal("1000.00"), installments=12, submitted=submitted,
    )  # fmt: skip


def test_a_proposal_is_decided_as_underwriting_does() -> None:
    """With debts of a year's income and an overdue installment, one in ten at this reliability."""
    owing = lending._decide(proposal(0), REFERENCE, Dice(0.09, 0.6, numbers=(12, 1)))
    # Payment 93.42: 620 + 380 x 0.7 - 260 x 0.0187 - 60 - 90 + 20 = 751.1
    assert (owing.score, owing.income_ratio, owing.approved) == (751, Decimal("0.0187"), True)
    free = lending._decide(proposal(0), REFERENCE, Dice(0.1, 0.6))
    assert free.score == 901
    unlucky = lending._decide(proposal(0), REFERENCE, Dice(0.1, 0.0))
    assert (unlucky.score, unlucky.reason) == (787, "within policy")


@pytest.mark.parametrize(
    ("before_end_s", "pending", "decided_at", "audited"),
    [
        # A decision takes three hours: it would be after the end.
        (3 * 3600, [0.0], NULL, 1),
        (3 * 3600 + 1, [0.0], "2025-10-31 23:59:59+00", 1),
        # At half of 52 days one in two still waits.
        (26 * DAY_S, [0.5], "2025-10-06 03:00:00+00", 1),
        (26 * DAY_S, [0.51], NULL, 1),
        # Audit rows are kept for the last 30 days.
        (30 * DAY_S - 1, [0.5], "2025-10-02 03:00:01+00", 1),
        (30 * DAY_S, [0.5], "2025-10-02 03:00:00+00", 0),
    ],
)
def test_a_recent_proposal_may_still_be_pending(
    before_end_s: int, pending: list[float], decided_at: str, audited: int
) -> None:
    made = lending.Lending(
        random_seed=1, customers=10, profiles=Profiles(1, REFERENCE), timeline=TIMELINE
    )
    # No debts, luck, then a reliable payer who pays on the day.
    made._rng = Dice(*pending, 0.9, 0.9, *[0.9] * 40)
    made._write(proposal(TIMELINE.end_s - before_end_s))
    [row] = made._proposals.take().text.decode().splitlines()
    status = "pending" if decided_at == NULL else "approved"
    assert row.split("\t")[:4] == ["1", "3", "1", "1000.00"]
    assert (row.split("\t")[6], row.split("\t")[8]) == (status, decided_at)
    signed = 0 if decided_at == NULL else 1
    assert [len(made._analyses.lines), len(made._contracts.lines)] == [signed, signed]
    assert len(made._ledger.installments.lines) == 12 * signed
    assert len(made._audit.lines) == audited
