"""credit-underwriting: one proposal at a time, oldest first, decided in one transaction."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from workload import money
from workload.database import Row, Session
from workload.operation import NOTHING, Call, Facts, Operation, Result, Service
from workload.reference import Product
from workload.scoring import Application, Decision, decide


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """A locked proposal with what underwriting needs of its customer; amounts in BRL."""

    proposal_id: int
    customer_id: int
    product_id: int
    amount: Decimal
    installments: int
    monthly_income: Decimal
    birth_date: date

    @classmethod
    def from_row(cls, row: Row) -> "Proposal":
        """Build from a row of the statement `take_oldest_pending`."""
        return cls(
            proposal_id=row[0],
            customer_id=row[1],
            product_id=row[2],
            amount=row[3],
            installments=row[4],
            monthly_income=row[5],
            birth_date=row[6],
        )


def _today() -> date:
    return datetime.now(UTC).date()


def _score(call: Call, session: Session, proposal: Proposal, product: Product) -> Decision:
    exposure = session.row("customer_exposure", customer_id=proposal.customer_id)
    _, open_amount, overdue = exposure or (0, Decimal(0), 0)
    # The same payment every month: interest of the first month and the remaining principal.
    first = money.payment(proposal.amount, product.monthly_rate, proposal.installments)
    application = Application(
        monthly_income=proposal.monthly_income,
        first_installment=first,
        open_amount=open_amount,
        overdue_installments=overdue,
        age_years=(_today() - proposal.birth_date).days // 365,
    )
    return decide(application, product, luck=call.random.random())


def _open_contract(call: Call, session: Session, proposal: Proposal, product: Product) -> None:
    schedule = money.schedule(
        proposal.amount,
        product.monthly_rate,
        proposal.installments,
        money.month_after(_today(), 1),
    )
    contract = session.row(
        "insert_contract",
        proposal_id=proposal.proposal_id,
        customer_id=proposal.customer_id,
        product_id=proposal.product_id,
        principal=proposal.amount,
        monthly_rate=product.monthly_rate,
        installments=proposal.installments,
        open_amount=sum(i.principal + i.interest for i in schedule),
    )
    assert contract is not None
    session.change(
        "insert_installments",
        contract_id=contract[0],
        numbers=[i.number for i in schedule],
        due_dates=[i.due_date for i in schedule],
        principals=[i.principal for i in schedule],
        interests=[i.interest for i in schedule],
    )
    session.change(
        "insert_disbursement",
        contract_id=contract[0],
        amount=proposal.amount,
        idempotency_key=call.operation_id,
    )


def decide_oldest(call: Call) -> Result:
    """Take the oldest pending proposal, score it, decide, and on approval disburse it."""
    products = call.reference.get()
    with call.transaction() as session:
        row = session.row("take_oldest_pending")
        if row is None:
            return NOTHING
        proposal = Proposal.from_row(row)
        product = products.product(proposal.product_id)
        decision = _score(call, session, proposal, product)
        session.change(
            "insert_analysis",
            proposal_id=proposal.proposal_id,
            score=decision.score,
            income_ratio=decision.income_ratio,
            decision=decision.status,
            reason=decision.reason,
        )
        session.change(
            "decide_proposal", proposal_id=proposal.proposal_id, decision=decision.status
        )
        facts = Facts(proposal=decision.status)
        if decision.approved:
            _open_contract(call, session, proposal, product)
            facts = Facts(proposal=decision.status, disbursed=proposal.amount)
        call.audit(session, facts, entity="proposal", entity_id=proposal.proposal_id)
    return Result(
        facts=facts,
        tags={
            "credit.product": product.code,
            "credit.decision": decision.status,
            "credit.reason": decision.reason,
            "credit.score": decision.score,
        },
    )


SERVICE = Service(
    name="underwriting",
    port=lambda settings: settings.underwriting_port,
    operations=(
        Operation(name="decide", run=decide_oldest, rate=lambda s: s.rate_decide, writes=True),
    ),
)
