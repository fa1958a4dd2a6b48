"""Which rows customers, proposals, underwriting and risk read and write, and in which order."""

from datetime import timedelta
from decimal import Decimal

import pytest

from lab.clients.database import Row
from tests.fix_postgres import Database
from tests.fix_workload import Wire, Wired, ask
from tests.portfolio import CONTRACTS, CUSTOMERS, locked, write
from workload.operation import Outcome

pytestmark = pytest.mark.meets_clock
LIMIT_MS = 10_000
PROPOSALS = """
INSERT INTO credit_proposals (proposal_id, customer_id, product_id, amount, installments, channel, status,
    submitted_at, decided_at)
SELECT id, customer, product, amount, 3, 'app', status, now() - age::interval,
    CASE WHEN status <> 'pending' THEN now() END
FROM (VALUES
    (1, 3, 1, 100, 'pending', '5 minutes'), (2, 3, 1, 200, 'pending', '9 minutes'),
    (3, 4, 2, 1000, 'pending', '9 minutes'), (4, 4, 2, 1000, 'rejected', '10 minutes'),
    (5, 5, 1, 300, 'pending', '1 minute'), (6, 5, 1, 300, 'pending', '1 minute'),
    (7, 5, 1, 300, 'approved', '1 second')
) AS submitted (id, customer, product, amount, status, age);
"""
# Of 21 proposals of customer 6 the newest has the highest id.
HISTORY = """
INSERT INTO credit_proposals (proposal_id, customer_id, product_id, amount, installments, channel,
    submitted_at)
SELECT 100 + n, 6, 1, 100, 2, 'web', now() - (30 - n) * interval '1 day' FROM generate_series(1, 21) AS n;
INSERT INTO credit_analysis (proposal_id, score, income_ratio, decision, reason)
VALUES (121, 700, 0, 'approved', ''), (120, 300, 0, 'rejected', '');
INSERT INTO credit_contracts (contract_id, proposal_id, customer_id, product_id, principal, monthly_rate,
    installments, open_amount)
VALUES (900, 121, 6, 1, 100, 0.02, 2, 102);
"""
PENDING = "SELECT proposal_id FROM credit_proposals WHERE status = 'pending' ORDER BY 1"


@pytest.fixture
def portfolio(database: Database) -> Database:
    write(database, CUSTOMERS + CONTRACTS)
    return database


def wired(name: str, database: Database, wire: Wire) -> Wired:
    return wire(name, database.settings, workload_statement_timeout_ms=LIMIT_MS)


def found(wired: Wired, statement: str, **parameters: object) -> list[Row]:
    """Return the rows of a statement; run its operations before, so that they are the same."""
    for operation in wired.service.operations:
        assert wired.run(operation.name).outcome is not Outcome.ERROR
    with wired.database.autocommit() as session:
        return session.rows(statement, **parameters)


def pending(database: Database) -> list[int]:
    return [number for (number,) in ask(database, PENDING)]


def test_the_reference_data_are_the_catalogue_the_ranges_of_ids_and_some_customers(
    portfolio: Database, wire: Wire
) -> None:
    reference = wired("customers", portfolio, wire).runner._reference
    snapshot = reference.get()
    assert (snapshot.customer_ids, snapshot.contract_ids) == ((3, 7), (10, 40))
    assert snapshot.customers == tuple((n, f"{n:011}") for n in range(3, 8))
    second = snapshot.product(2)
    assert (second.code, second.min_amount, second.max_amount) == (
        "large",
        Decimal(1000),
        Decimal(5000),
    )
    assert (second.min_installments, second.max_installments) == (3, 12)
    assert (second.monthly_rate, second.min_score) == (Decimal("0.01"), 500)
    assert [product.product_id for product in snapshot.products] == [1, 2, 3]


def test_a_sample_of_customers_is_taken_at_equal_steps(portfolio: Database, wire: Wire) -> None:
    """From the first id in steps; where an id is missing, the next one."""
    customers = wired("customers", portfolio, wire)
    assert found(customers, "sample_customers", first=1, last=6, step=5) == [
        (3, "00000000003"), (6, "00000000006")
    ]  # fmt: skip


def test_a_customer_is_found_by_cpf_with_the_last_twenty_proposals(
    portfolio: Database, wire: Wire
) -> None:
    write(portfolio, HISTORY)
    customers = wired("customers", portfolio, wire)
    [(customer, name, *_)] = found(customers, "customer_by_cpf", cpf="00000000006")
    assert (customer, name) == (6, "Customer 6")
    with customers.database.autocommit() as session:
        history = session.rows("customer_history", customer_id=6)
    assert [row[0] for row in history] == list(range(121, 101, -1))
    scores = [(row[4], row[5]) for row in history[:3]]
    assert scores == [(700, Decimal("102.00")), (300, None), (None, None)]


def test_an_account_statement_has_every_installment_with_its_payment(
    portfolio: Database, wire: Wire
) -> None:
    """An unpaid one has none; the contract is the next one from an id on."""
    write(
        portfolio,
        "INSERT INTO credit_transactions (contract_id, installment_id, kind, amount, idempotency_key)"
        " VALUES (20, 201, 'payment', 55, gen_random_uuid())",
    )
    customers = wired("customers", portfolio, wire)
    lines = found(customers, "account_statement", contract_id=20)
    assert [(row[0], str(row[2]), row[3], row[4]) for row in lines] == [
        (1, "55.00", "paid", 55), (2, "56.00", "overdue", None), (3, "55.00", "open", None)
    ]  # fmt: skip
    with customers.database.autocommit() as session:
        for start, contract in ((20, 20), (21, 30)):
            rows = session.rows("contract_for_statement", contract_id=start)
            assert [row[0] for row in rows] == [contract]


def test_a_contact_is_changed_for_one_customer(portfolio: Database, wire: Wire) -> None:
    """The new address names the customer that the audit row names."""
    result = wired("customers", portfolio, wire).run("update_contact")
    assert result.outcome is Outcome.OK
    [(customer, email, phone)] = ask(
        portfolio, "SELECT customer_id, email, phone FROM customers WHERE email <> 'mail'"
    )
    number = email.split(".")[2].partition("@")[0]
    assert email == f"customer.{customer}.{number}@example.com"
    assert phone == f"+55 00 9{number[:4]}-{number[4:]}"
    assert ask(portfolio, "SELECT entity, entity_id FROM audit_log") == [("customer", customer)]


def test_products_are_offered_for_amounts_within_their_limits(
    portfolio: Database, wire: Wire
) -> None:
    """Limits included; the cheapest first, of equal ones the first."""
    proposals = wired("proposals", portfolio, wire)
    found(proposals, "applicant", customer_id=1)
    with proposals.database.autocommit() as session:

        def offered(amount: int) -> list[int]:
            return [row[0] for row in session.rows("browse_products", amount=amount)]

        assert offered(99) == offered(5001) == []
        assert offered(100) == [1, 3]
        assert offered(1000) == [2, 1, 3]
        assert offered(1001) == offered(5000) == [2]


def test_a_product_is_shown_with_its_demand_of_ten_seconds(portfolio: Database, wire: Wire) -> None:
    write(portfolio, PROPOSALS)
    write(
        portfolio,
        "UPDATE credit_proposals SET submitted_at = now() + interval '1 hour' WHERE amount > 200",
    )
    with wired("proposals", portfolio, wire).database.autocommit() as session:
        shown = [session.rows("product_detail", product_id=number) for number in (1, 2, 3)]
    assert [[(row[0], row[4]) for row in rows] for rows in shown] == [
        [("Small loan", 3)], [("Large loan", 2)], [("Quick loan", 0)]
    ]  # fmt: skip
    assert wired("proposals", portfolio, wire).run("browse").outcome is Outcome.OK


def test_the_applicant_is_the_next_customer_from_an_id_on(portfolio: Database, wire: Wire) -> None:
    proposals = wired("proposals", portfolio, wire)
    assert found(proposals, "applicant", customer_id=5) == [(5, 5000)]
    with proposals.database.autocommit() as session:
        assert session.rows("applicant", customer_id=1) == [(3, 3000)]
        assert session.rows("applicant", customer_id=8) == []


def test_withdraw_deletes_the_newest_pending_proposal_that_no_worker_holds(
    portfolio: Database, wire: Wire
) -> None:
    """Of equally new ones that with the higher id; decided ones stay."""
    write(portfolio, PROPOSALS)
    proposals = wired("proposals", portfolio, wire)
    proposals.run("withdraw")
    assert pending(portfolio) == [1, 2, 3, 5]
    with locked(portfolio, "credit_proposals", "proposal_id = 5"):
        proposals.run("withdraw")
    assert pending(portfolio) == [2, 3, 5]
    audited = "SELECT entity, entity_id, detail ->> 'proposal' FROM audit_log ORDER BY audit_id"
    assert ask(portfolio, audited) == [
        ("proposal", 6, "withdrawn"), ("proposal", 1, "withdrawn")
    ]  # fmt: skip


def test_the_oldest_pending_proposal_that_no_worker_holds_is_decided(
    portfolio: Database, wire: Wire
) -> None:
    """Of equally old ones that with the lower id; each decision is of its own proposal only."""
    write(portfolio, PROPOSALS)
    underwriting = wired("underwriting", portfolio, wire)
    with locked(portfolio, "credit_proposals", "proposal_id = 2"):
        underwriting.run("decide")
        assert pending(portfolio) == [1, 2, 5, 6]
    underwriting.run("decide")
    assert pending(portfolio) == [1, 5, 6]
    analysed = "SELECT proposal_id FROM credit_analysis ORDER BY analysis_id"
    assert ask(portfolio, analysed) == [(3,), (2,)]


def test_the_exposure_is_what_a_customer_owes_on_active_contracts(
    portfolio: Database, wire: Wire
) -> None:
    """Customer 4: contracts 20 and 30, 331.00 open, two overdue installments; customer 3 has settled."""
    underwriting = wired("underwriting", portfolio, wire)
    assert found(underwriting, "customer_exposure", customer_id=4) == [(2, Decimal("331.00"), 2)]
    with underwriting.database.autocommit() as session:
        assert session.rows("customer_exposure", customer_id=5) == [(1, Decimal("330.00"), 1)]
        assert session.rows("customer_exposure", customer_id=3) == [(0, 0, 0)]


def test_an_approved_proposal_is_paid_out_with_a_schedule_from_next_month(
    portfolio: Database, wire: Wire
) -> None:
    """250.00 at 2 % in 3 installments: 86.69 each, the first a month from today."""
    write(
        portfolio,
        "INSERT INTO credit_proposals (customer_id, product_id, amount, installments, channel)"
        " VALUES (7, 1, 250, 3, 'app')",
    )
    result = wired("underwriting", portfolio, wire).run("decide")
    assert (result.facts.proposal, str(result.facts.disbursed)) == ("approved", "250.00")
    [(contract, opened, principal, number)] = ask(
        portfolio,
        "SELECT contract_id, open_amount::text, principal::text, installments FROM credit_contracts"
        " WHERE customer_id = 7 AND product_id = 1 AND status = 'active' AND monthly_rate = 0.02",
    )
    assert (opened, principal, number) == ("260.07", "250.00", 3)
    lines = ask(
        portfolio,
        "SELECT number, (principal + interest)::text, interest::text, due_date FROM installments"
        " WHERE contract_id = %s ORDER BY number",
        contract,
    )
    assert [line[:3] for line in lines] == [
        (1, "86.69", "5.00"), (2, "86.69", "3.37"), (3, "86.69", "1.70")
    ]  # fmt: skip
    days = [line[3] for line in lines]
    assert timedelta(28) <= days[1] - days[0] <= timedelta(31)
    [(soon,)] = ask(
        portfolio,
        "SELECT min(due_date) - (now() AT TIME ZONE 'UTC')::date FROM installments WHERE contract_id = %s",
        contract,
    )
    assert 27 <= soon <= 32
    paid = "SELECT kind, amount::text, installment_id FROM credit_transactions"
    assert ask(portfolio, paid) == [("disbursement", "250.00", None)]
    assert result.tags["credit.product"] == "small"
