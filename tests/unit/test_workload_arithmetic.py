"""The workload's figures, calculated by hand: the score, the shapes of load, the fee, the schedule, a CPF."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from workload import cpf, money
from workload.clocks import HIGHEST_S, LOWEST_S, SECONDS, Clock, bucket_of, middle_s
from workload.exemplars import SpanIds
from workload.pacing import Arrivals, factor
from workload.reference import Product
from workload.scoring import Application, decide
from workload.settings import Shape

PRODUCT = Product(
    product_id=1, code="x", min_amount=Decimal(100), max_amount=Decimal(9000), min_installments=1,
    max_installments=24, monthly_rate=Decimal("0.02"), min_score=500,
)  # fmt: skip
# 620 + 190 for luck - 26 for a ratio of a tenth + 30 for fifteen years above 25.
APPLICANT = Application(
    monthly_income=Decimal(5000), first_installment=Decimal(500), open_amount=Decimal(0),
    overdue_installments=0, age_years=40,
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "score"),
    [
        ({}, 814),
        ({"first_installment": Decimal(1000)}, 788),
        ({"first_installment": Decimal(5000)}, 580),
        ({"first_installment": Decimal(10_000)}, 580),
        ({"open_amount": Decimal(30_000)}, 784),
        ({"open_amount": Decimal(180_000)}, 634),
        ({"open_amount": Decimal(999_000)}, 634),
        ({"overdue_installments": 1}, 724),
        ({"overdue_installments": 4}, 454),
        ({"overdue_installments": 9}, 454),
        ({"age_years": 18}, 784),
        ({"age_years": 25}, 784),
        ({"age_years": 26}, 786),
        ({"age_years": 45}, 824),
        ({"age_years": 90}, 824),
    ],
)
def test_a_score_is_the_sum_of_its_parts(change: dict[str, object], score: int) -> None:
    """260 for the whole income, 60 for a year of debt, 90 for an overdue installment; each up to a limit."""
    assert decide(replace(APPLICANT, **change), PRODUCT, luck=0.5).score == score  # type: ignore[arg-type]


def test_a_score_is_from_0_to_1000() -> None:
    best = replace(APPLICANT, first_installment=Decimal("0.01"), age_years=60)
    worst = replace(
        APPLICANT, first_installment=Decimal(9000), open_amount=Decimal(10**6), overdue_installments=4
    )  # fmt: skip
    assert decide(best, PRODUCT, luck=0.99).score == 1000
    assert decide(worst, PRODUCT, luck=0.0).score == 0
    assert decide(APPLICANT, PRODUCT, luck=0.0).score == 624


@pytest.mark.parametrize(
    ("change", "min_score", "reason"),
    [
        ({"overdue_installments": 2}, 500, "within policy"),
        ({"overdue_installments": 3}, 0, "overdue elsewhere"),
        ({"first_installment": Decimal(1750)}, 500, "within policy"),
        ({"first_installment": Decimal("1750.50")}, 0, "income too low"),
        ({}, 814, "within policy"),
        ({}, 815, "score too low"),
    ],
)
def test_a_limit_itself_is_within_the_policy(
    change: dict[str, object], min_score: int, reason: str
) -> None:
    """Two overdue installments, 35 % of the income, the product's own score."""
    product = replace(PRODUCT, min_score=min_score)
    assert decide(replace(APPLICANT, **change), product, luck=0.5).reason == reason  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shape", "at", "expected"),
    [
        (Shape.STEADY, 17.0, 1.0),
        (Shape.WAVE, 0.0, 1.0), (Shape.WAVE, 75.0, 1.8), (Shape.WAVE, 225.0, 0.2), (Shape.WAVE, 25.0, 1.4),
        (Shape.BURST, 0.0, 5.5), (Shape.BURST, 5.9, 5.5), (Shape.BURST, 6.0, 0.5), (Shape.BURST, 59.9, 0.5),
        (Shape.BURST, 60.0, 5.5), (Shape.BURST, 126.0, 0.5),
    ],
)  # fmt: skip
def test_a_shape_has_its_factor_at_a_time(shape: Shape, at: float, expected: float) -> None:
    """A wave of five minutes and four fifths; six seconds of each minute at 5.5 times the rate."""
    assert factor(shape, at) == pytest.approx(expected)


class Hazards(random.Random):
    """Draws what it was given."""

    def __init__(self, *drawn: float) -> None:
        super().__init__()
        self._drawn: Iterator[float] = iter(drawn)

    def expovariate(self, lambd: float = 1.0) -> float:
        assert lambd == 1.0
        return next(self._drawn)


def test_an_arrival_is_due_when_rate_times_time_is_what_was_drawn() -> None:
    """At 2/s a draw of 1 is half a second; what is left is used up at the next rate."""
    arrivals = Arrivals(Hazards(1.0, 0.5, 2.0, 1.0), start=10.0)
    assert arrivals.next_due(rate=2.0) == 10.5
    assert arrivals.advance(10.25, rate=2.0) == []
    assert arrivals.next_due(rate=1.0) == 10.75
    assert arrivals.advance(10.75, rate=1.0) == [10.75]
    assert arrivals.advance(11.0, rate=1.0) == []
    assert arrivals.advance(12.0, rate=1.0) == [11.25]
    assert arrivals.advance(20.0, rate=0.0) == []
    assert arrivals.next_due(rate=5.0) == 20.25


def test_a_duration_is_in_the_bucket_whose_bound_it_does_not_exceed() -> None:
    """0.5 s is at most half a second; the bucket of two per cent, too, has its upper bound."""
    clock = Clock()
    for seconds in (0.0005, 0.0006, 0.5, 31.0):
        clock.observe(seconds, SpanIds(trace_id=7, span_id=9) if seconds > 0.4 else None)
    read = clock.histogram()
    assert read.count == 4
    assert read.seconds == pytest.approx(31.5011)
    assert dict(zip(SECONDS, read.cumulative, strict=True)) == {
        0.0005: 1, 0.001: 2, 0.0025: 2, 0.005: 2, 0.01: 2, 0.025: 2, 0.05: 2, 0.1: 2, 0.25: 2, 0.5: 3, 1.0: 3,
        2.5: 3, 5.0: 3, 10.0: 3, 30.0: 3,
    }  # fmt: skip
    assert {index: shown.seconds for index, shown in read.exemplars.items()} == {9: 0.5, 15: 31.0}
    assert [bucket_of(seconds) for seconds in (1.0, 1.0001, 1.02, 1.021, 0.99, 0.98)] == [
        0, 1, 1, 2, 0, -1
    ]  # fmt: skip
    assert middle_s(0) == pytest.approx(1.02**-0.5)
    assert middle_s(35) == pytest.approx(1.02**34.5)
    assert bucket_of(0.0) == bucket_of(LOWEST_S / 2) < bucket_of(2 * LOWEST_S)
    assert bucket_of(HIGHEST_S) > bucket_of(HIGHEST_S / 2)
    assert middle_s(bucket_of(2e-6)) == pytest.approx(2e-6, rel=0.01)
    assert middle_s(bucket_of(0.9e6)) == pytest.approx(0.9e6, rel=0.01)


@pytest.mark.parametrize(
    ("amount", "late", "fee"),
    [
        ("200.00", 15, "5.00"), ("200.00", 1, "4.07"), ("200.00", 30, "6.00"), ("100.00", 60, "4.00"),
        ("0.00", 10, "0.00"), ("100.00", 0, "0.00"), ("0.50", 30, "0.02"), ("1.50", 30, "0.04"),
    ],
)  # fmt: skip
def test_a_late_fee_to_the_cent(amount: str, late: int, fee: str) -> None:
    assert str(money.late_fee(Decimal(amount), late)) == fee


def test_a_schedule_to_the_cent_and_to_the_day() -> None:
    """1,000.00 at 2 % over three months: 346.75 each (13.465 is 13.46), and a cent more at the end."""
    rows = money.schedule(Decimal("1000.00"), Decimal("0.02"), 3, date(2024, 1, 31))
    assert [(r.number, str(r.due_date), str(r.principal), str(r.interest)) for r in rows] == [
        (1, "2024-01-31", "326.75", "20.00"),
        (2, "2024-02-29", "333.29", "13.46"),
        (3, "2024-03-31", "339.96", "6.80"),
    ]
    assert money.payment(Decimal("1000.00"), Decimal("0.02"), 12) == Decimal("94.56")
    assert [(str(p), str(i)) for p, i in money.amortise(Decimal(50), Decimal("0.1"), 1)] == [
        ("50.00", "5.00")
    ]


@pytest.mark.parametrize(
    ("day", "months", "later"),
    [
        ("2025-01-31", 1, "2025-02-28"), ("2025-01-28", 1, "2025-02-28"), ("2025-01-29", 1, "2025-02-28"),
        ("2025-12-15", 1, "2026-01-15"), ("2025-11-30", 3, "2026-02-28"), ("2025-06-30", 18, "2026-12-30"),
        ("2025-03-31", 0, "2025-03-31"), ("2025-03-31", 12, "2026-03-31"),
    ],
)  # fmt: skip
def test_a_later_month_has_the_same_day_or_its_last(day: str, months: int, later: str) -> None:
    assert str(money.month_after(date.fromisoformat(day), months)) == later


@pytest.mark.parametrize(
    ("principal", "rate", "installments"),
    [("100.00", "0.00", 3), ("100.00", "1.00", 3), ("100.00", "0.02", 0), ("100.005", "0.02", 3)],
)
def test_a_loan_without_a_schedule_is_refused_with_what_was_expected(
    principal: str, rate: str, installments: int
) -> None:
    expected = (
        f"no schedule for {principal} at {rate} a month in {installments} installments: expected"
    )
    with pytest.raises(ValueError, match=expected):
        money.amortise(Decimal(principal), Decimal(rate), installments)


def test_a_loan_is_too_small_for_installments_of_a_cent() -> None:
    """Two cents in two installments are possible, in three they are not."""
    assert money.amortise(Decimal("0.02"), Decimal("0.01"), 2) == [
        (Decimal("0.01"), Decimal("0.00")), (Decimal("0.01"), Decimal("0.00"))
    ]  # fmt: skip
    with pytest.raises(ValueError, match="too little for 3 installments"):
        money.amortise(Decimal("0.02"), Decimal("0.01"), 3)


def test_check_digits_of_a_cpf() -> None:
    """Each is ten times the weighted sum, modulo 11, and 0 for 10."""
    bases = (529_982_247, 1_234_567, 1, 100_000_000, 123_456_789, 999_999_998)
    assert [cpf.from_base(base) for base in bases] == [
        "52998224725", "00123456797", "00000000191", "10000000019", "12345678909", "99999999808"
    ]  # fmt: skip
    for base in (0, -1, 111_111_111, 999_999_999, 10**9):
        with pytest.raises(ValueError, match="expected nine digits, not all equal"):
            cpf.from_base(base)


class Bases(random.Random):
    """Draws what it was given."""

    def __init__(self, drawn: Sequence[int]) -> None:
        super().__init__()
        self._drawn = iter(drawn)

    def randrange(self, *_: object) -> int:
        return next(self._drawn)


def test_a_base_that_is_never_issued_is_drawn_again() -> None:
    assert cpf.generate(Bases([0, 222_222_222, 529_982_247])) == "52998224725"


@pytest.mark.parametrize(
    "text", ["5299822472", "529982247250", "52998224726", "52998224735", "5299822472x", "0" * 11]
)  # fmt: skip
def test_a_text_that_is_no_cpf(text: str) -> None:
    assert not cpf.is_valid(text)
    assert cpf.is_valid("52998224725")
