"""The credit decision: a pure rule over the data of an applicant.

Not a model of real scoring; it is plausible and returns its reason.
"""

from dataclasses import dataclass
from decimal import Decimal

from workload.reference import Product

# The maximum share of income for installments; above it a lender in Brazil assumes over-indebtedness.
MAX_INCOME_RATIO = Decimal("0.35")
MAX_OVERDUE = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Application:
    """The input of the decision; amounts in BRL per month or in total, as named."""

    monthly_income: Decimal
    first_installment: Decimal
    open_amount: Decimal
    overdue_installments: int
    age_years: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """A score from 0 to 1000, the income ratio, and the decision with its reason."""

    score: int
    income_ratio: Decimal
    approved: bool
    reason: str

    @property
    def status(self) -> str:
        """The value in the schema."""
        return "approved" if self.approved else "rejected"


def decide(application: Application, product: Product, *, luck: float) -> Decision:
    """Score an application; `luck` in [0, 1) represents all factors that the lab does not model."""
    ratio = (application.first_installment / application.monthly_income).quantize(Decimal("0.0001"))
    debt_years = float(application.open_amount / application.monthly_income) / 12
    score = 620 + 380 * luck
    score -= 260 * min(float(ratio), 1.0)
    score -= 60 * min(debt_years, 3.0)
    score -= 90 * min(application.overdue_installments, 4)
    score += min(max(application.age_years - 25, 0), 20) * 2
    points = int(min(max(score, 0), 1000))
    if application.overdue_installments > MAX_OVERDUE:
        return Decision(
            score=points, income_ratio=ratio, approved=False, reason="overdue elsewhere"
        )
    if ratio > MAX_INCOME_RATIO:
        return Decision(score=points, income_ratio=ratio, approved=False, reason="income too low")
    if points < product.min_score:
        return Decision(score=points, income_ratio=ratio, approved=False, reason="score too low")
    return Decision(score=points, income_ratio=ratio, approved=True, reason="within policy")
