"""The credit decision: what it must reject, and how the score moves."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from workload.reference import Product
from workload.scoring import MAX_INCOME_RATIO, Application, decide

PRODUCT = Product(
    product_id=1,
    code="test",
    min_amount=Decimal(100),
    max_amount=Decimal(10_000),
    min_installments=1,
    max_installments=24,
    monthly_rate=Decimal("0.02"),
    min_score=500,
)
SOUND = Application(
    monthly_income=Decimal(5000),
    first_installment=Decimal(500),
    open_amount=Decimal(0),
    overdue_installments=0,
    age_years=40,
)
money = st.decimals(1, 10**6, places=2)
applications = st.builds(
    Application,
    monthly_income=money,
    first_installment=money,
    open_amount=money,
    overdue_installments=st.integers(0, 500),
    age_years=st.integers(18, 110),
)
luck = st.floats(0, 1, exclude_max=True)


@given(applications, luck)
def test_the_score_is_one_that_the_schema_takes(application: Application, luck: float) -> None:
    decision = decide(application, PRODUCT, luck=luck)
    assert 0 <= decision.score <= 1000
    assert decision.status == ("approved" if decision.approved else "rejected")


@given(applications, luck)
def test_approved_means_within_every_limit(application: Application, luck: float) -> None:
    decision = decide(application, PRODUCT, luck=luck)
    assert decision.approved is (
        application.overdue_installments <= 2
        and decision.income_ratio <= MAX_INCOME_RATIO
        and decision.score >= PRODUCT.min_score
    )


@given(applications, luck, luck)
def test_more_luck_never_costs_points(application: Application, one: float, other: float) -> None:
    less, more = sorted((one, other))
    assert (
        decide(application, PRODUCT, luck=less).score
        <= decide(application, PRODUCT, luck=more).score
    )


def test_each_reason_is_given_for_what_it_says() -> None:
    reasons = {
        "within policy": SOUND,
        "overdue elsewhere": replace(SOUND, overdue_installments=3),
        "income too low": replace(SOUND, first_installment=Decimal(1751)),
        "score too low": replace(SOUND, open_amount=Decimal(200_000), overdue_installments=2),
    }
    assert {
        reason: decide(application, PRODUCT, luck=0.3).reason
        for reason, application in reasons.items()
    } == {reason: reason for reason in reasons}


def test_debts_and_arrears_cost_points() -> None:
    def score(application: Application) -> int:
        return decide(application, PRODUCT, luck=0.5).score

    assert score(SOUND) > score(replace(SOUND, open_amount=Decimal(50_000)))
    assert score(SOUND) > score(replace(SOUND, overdue_installments=1))
    assert score(SOUND) > score(replace(SOUND, first_installment=Decimal(1500)))
    assert score(SOUND) > score(replace(SOUND, age_years=20))
