"""credit-servicing: payments, late fees, settlements; and the retention that limits the disk usage."""

from collections import Counter, defaultdict
from datetime import timedelta
from decimal import Decimal
from uuid import uuid5

from workload import money
from workload.database import Row, Session
from workload.operation import NOTHING, ZERO, Call, Facts, Operation, Result, Service

OVERDUE_BATCH = 200
FEE_BATCH = 20
AUDIT_BATCH = 2000
CONTRACT_BATCH = 50
PROPOSAL_BATCH = 200


def _payer(call: Call) -> int:
    """Draw a contract id; before the transaction, as the reference data may need a connection, too."""
    return call.random.randint(*call.reference.get().contract_ids)


def _lock_contract(session: Session, start: int) -> Row | None:
    return session.row("lock_payable_contract", contract_id=start) or session.row(
        "lock_payable_contract", contract_id=0
    )


def _pay(call: Call, session: Session, contract_id: int, installments: list[Row]) -> Decimal:
    """Pay installments, rows of (id, amount), of a locked contract; return the sum."""
    ids = [row[0] for row in installments]
    amounts = [row[1] for row in installments]
    total = sum(amounts, start=ZERO)
    session.change("pay_installments", installment_ids=ids)
    session.change(
        "insert_payments",
        contract_id=contract_id,
        installment_ids=ids,
        amounts=amounts,
        # Derived, so that the same operation books the same payment with the same key again.
        idempotency_keys=[uuid5(call.operation_id, str(i)) for i in ids],
    )
    session.change("reduce_open_amount", contract_id=contract_id, amount=total)
    return total


def pay(call: Call) -> Result:
    """Pay the next installment of a contract."""
    start = _payer(call)
    with call.transaction() as session:
        contract = _lock_contract(session, start)
        if contract is None:
            return NOTHING
        due = session.rows("next_installment", contract_id=contract[0])
        facts = Facts(paid=_pay(call, session, contract[0], due))
        call.audit(session, facts, entity="contract", entity_id=contract[0])
    return Result(facts=facts)


def settle(call: Call) -> Result:
    """Pay all open installments of a contract."""
    start = _payer(call)
    with call.transaction() as session:
        contract = _lock_contract(session, start)
        if contract is None:
            return NOTHING
        due = session.rows("open_installments", contract_id=contract[0])
        facts = Facts(paid=_pay(call, session, contract[0], due))
        call.audit(session, facts, entity="contract", entity_id=contract[0])
    return Result(facts=facts, tags={"credit.installments": len(due)})


def mark_overdue(call: Call) -> Result:
    """Mark a batch of installments whose due date has passed."""
    with call.transaction() as session:
        marked = session.change("mark_overdue", batch=OVERDUE_BATCH)
        if not marked:
            return NOTHING
        call.audit(session, Facts(), entity="installments", entity_id=marked)
    return Result(tags={"credit.installments": marked})


def charge_late_fees(call: Call) -> Result:
    """Charge the late fee, once, on overdue installments of a few contracts."""
    with call.transaction() as session:
        contracts = [row[0] for row in session.rows("lock_late_contracts", batch=FEE_BATCH)]
        late = session.rows("late_installments", contract_ids=contracts) if contracts else []
        if not late:
            return NOTHING
        fees = {row[0]: money.late_fee(row[2], row[3]) for row in late}
        per_contract: defaultdict[int, Decimal] = defaultdict(Decimal)
        for installment_id, contract_id, _, _ in late:
            per_contract[contract_id] += fees[installment_id]
        session.change("charge_fees", installment_ids=list(fees), fees=[fees[i] for i in fees])
        session.change(
            "raise_open_amounts",
            contract_ids=list(per_contract),
            fees=list(per_contract.values()),
        )
        call.audit(session, Facts(), entity="installments", entity_id=len(late))
    return Result(tags={"credit.installments": len(late)})


def _archive_audit(session: Session, age: timedelta) -> int:
    gone = session.rows("delete_old_audit", age=age, batch=AUDIT_BATCH)
    if not gone:
        return 0
    counts: Counter[tuple[object, str, str]] = Counter()
    disbursed: defaultdict[tuple[object, str, str], Decimal] = defaultdict(Decimal)
    paid: defaultdict[tuple[object, str, str], Decimal] = defaultdict(Decimal)
    for instance, service, operation, detail in gone:
        key = (instance, service, operation)
        facts = Facts.from_detail(detail)
        counts[key] += 1
        disbursed[key] += facts.disbursed
        paid[key] += facts.paid
    session.change(
        "insert_audit_summary",
        instances=[key[0] for key in counts],
        services=[key[1] for key in counts],
        operations=[key[2] for key in counts],
        counts=list(counts.values()),
        disbursed=[disbursed[key] for key in counts],
        paid=[paid[key] for key in counts],
    )
    return len(gone)


def _archive_contracts(session: Session, age: timedelta) -> int:
    gone = session.rows("old_contracts", age=age, batch=CONTRACT_BATCH)
    if gone:
        contracts = {"contract_ids": [row[0] for row in gone]}
        session.change("delete_transactions", **contracts)
        session.change("delete_installments", **contracts)
        session.change("delete_contracts", **contracts)
        _delete_proposals(session, [row[1] for row in gone])
    return len(gone)


def _archive_proposals(session: Session, age: timedelta) -> int:
    gone = [
        row[0] for row in session.rows("old_undisbursed_proposals", age=age, batch=PROPOSAL_BATCH)
    ]
    if gone:
        _delete_proposals(session, gone)
    return len(gone)


def _delete_proposals(session: Session, proposal_ids: list[int]) -> None:
    session.change("delete_analyses", proposal_ids=proposal_ids)
    session.change("delete_proposals", proposal_ids=proposal_ids)


def archive(call: Call) -> Result:
    """Delete a batch of data older than the retention; contracts of the seed stay."""
    age = timedelta(hours=call.settings.workload_retention_hours)
    with call.transaction() as session:
        audit = _archive_audit(session, age)
        contracts = _archive_contracts(session, age)
        proposals = _archive_proposals(session, age)
        if not audit + contracts + proposals:
            return NOTHING
        call.audit(session, Facts(), entity="archive", entity_id=audit + contracts + proposals)
    return Result(
        tags={
            "credit.audit_rows": audit,
            "credit.contracts": contracts,
            "credit.proposals": proposals,
        }
    )


SERVICE = Service(
    name="servicing",
    port=lambda settings: settings.servicing_port,
    operations=(
        Operation(name="pay", run=pay, rate=lambda s: s.rate_pay, writes=True),
        Operation(name="settle", run=settle, rate=lambda s: s.rate_settle, writes=True),
        Operation(
            name="mark_overdue",
            run=mark_overdue,
            rate=lambda s: s.rate_mark_overdue,
            writes=True,
        ),
        Operation(
            name="charge_late_fees",
            run=charge_late_fees,
            rate=lambda s: s.rate_charge_late_fees,
            writes=True,
        ),
        Operation(name="archive", run=archive, rate=lambda s: s.rate_archive, writes=True),
    ),
)
