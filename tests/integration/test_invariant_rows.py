"""How many rows each invariant of `verify` counts: a portfolio written by hand, one violation at a time."""

from collections.abc import Iterator
from decimal import Decimal
from uuid import UUID

import pytest

from lab.clients.database import Connection, Role, rows
from lab.stack.native.cluster import Cluster
from lab.verify import invariants, ledger
from lab.verify.ledger import OperationTotals
from tests.fix_postgres import Database
from tests.fix_workload import cloned
from tests.portfolio import UNCHECKED, write

# Contract 1 is open, with two installments paid and two not; 2 is settled; 3 is new; proposal 4 waits.
SOUND = """
INSERT INTO credit_products VALUES (1, 'small', 'Small loan', 100, 1000, 1, 4, 0.02, 300);
INSERT INTO seed_manifest (scale, random_seed, max_customer_id, max_proposal_id, max_contract_id)
VALUES (1, 1, 2, 5, 3);
INSERT INTO customers
    (customer_id, cpf, full_name, email, phone, birth_date, city, state, monthly_income)
SELECT n, cpf, 'n', 'm', 'p', '1990-01-01', 'c', 'PE', 1000
FROM unnest(ARRAY['52998224725', '00123456797']) WITH ORDINALITY AS known (cpf, n);
INSERT INTO credit_proposals (proposal_id, customer_id, product_id, amount, installments, channel, status,
    decided_at)
SELECT n, 1, 1, 100, 1, 'app', status, CASE WHEN status <> 'pending' THEN now() END
FROM unnest(ARRAY['approved', 'approved', 'approved', 'pending', 'rejected'])
    WITH ORDINALITY AS known (status, n);
INSERT INTO credit_analysis (proposal_id, score, income_ratio, decision, reason)
SELECT proposal_id, 500, 0.1, status, '' FROM credit_proposals WHERE status <> 'pending';
INSERT INTO credit_contracts (contract_id, proposal_id, customer_id, product_id, principal, monthly_rate,
    installments, open_amount, status, settled_at)
VALUES (1, 1, 1, 1, 400, 0.02, 4, 215.50, 'active', NULL), (2, 2, 1, 1, 100, 0.02, 1, 0, 'settled', now()),
    (3, 3, 1, 1, 200, 0.02, 2, 206, 'active', NULL);
INSERT INTO installments (installment_id, contract_id, number, due_date, principal, interest, fee, status,
    paid_at)
VALUES (11, 1, 1, now(), 90, 10, 0, 'paid', now()), (12, 1, 2, now(), 100, 9, 2, 'paid', now()),
    (13, 1, 3, now(), 104, 4, 1.50, 'overdue', NULL), (14, 1, 4, now(), 106, 0, 0, 'open', NULL),
    (21, 2, 1, now(), 100, 2, 0, 'paid', now()),
    (31, 3, 1, now(), 99, 4, 0, 'open', NULL), (32, 3, 2, now(), 101, 2, 0, 'open', NULL);
INSERT INTO credit_transactions (contract_id, installment_id, kind, amount, idempotency_key)
SELECT contract_id, NULL, 'disbursement', principal, gen_random_uuid() FROM credit_contracts
UNION ALL
SELECT contract_id, installment_id, 'payment', principal + interest + fee, gen_random_uuid()
FROM installments WHERE status = 'paid';
"""
WITHOUT_INSTALLMENTS = "DELETE FROM installments WHERE contract_id = 3;"
# Violations, and how many rows each invariant counts that no longer holds.
VIOLATIONS = {
    "a customer of the seed is missing": ("DELETE FROM customers WHERE customer_id = 2", {"seed": 1}),
    "a contract of the seed is missing": (
        ("DELETE FROM credit_contracts WHERE contract_id = 2;"
        "DELETE FROM installments WHERE contract_id = 2;"
        "DELETE FROM credit_transactions WHERE contract_id = 2;"
        "DELETE FROM credit_analysis WHERE proposal_id = 2;"
        "DELETE FROM credit_proposals WHERE proposal_id = 2"),
        {"seed": 1},
    ),
    "the catalogue is empty": ("DELETE FROM credit_products", {"seed": 1}),
    "the seed is not recorded": ("DELETE FROM seed_manifest", {"seed": 1}),
    "open amounts of two contracts are wrong": (
        "UPDATE credit_contracts SET open_amount = open_amount + 1 WHERE status = 'active'",
        {"open_amounts": 2, "balances": 2},
    ),
    "a contract has no installments": (
        WITHOUT_INSTALLMENTS, {"open_amounts": 1, "balances": 1, "schedules": 1}
    ),
    "a paid installment has no payment": (
        "DELETE FROM credit_transactions WHERE installment_id = 11", {"payments": 1, "balances": 1}
    ),
    "an unpaid installment has a payment": (
        ("INSERT INTO credit_transactions (contract_id, installment_id, kind, amount, idempotency_key)"
        " VALUES (3, 31, 'payment', 103, gen_random_uuid())"),
        {"payments": 1, "balances": 1},
    ),
    "payments of two installments are exchanged": (
        "UPDATE credit_transactions SET amount = 211 - amount WHERE installment_id IN (11, 12)",
        {"payments": 2},
    ),
    "a contract was not disbursed": (
        "DELETE FROM credit_transactions WHERE contract_id = 3 AND kind = 'disbursement'",
        {"disbursements": 1},
    ),
    "a contract was disbursed in two parts": (
        ("DROP INDEX credit_transactions_one_disbursement;"
        "UPDATE credit_transactions SET amount = 100 WHERE contract_id = 3;"
        "INSERT INTO credit_transactions (contract_id, kind, amount, idempotency_key)"
        " VALUES (3, 'disbursement', 100, gen_random_uuid())"),
        {"disbursements": 1},
    ),
    "a disbursement is not the principal": (
        "UPDATE credit_transactions SET amount = 199.99 WHERE contract_id = 3", {"disbursements": 1}
    ),
    "an installment is missing, and its principal is in another": (
        ("DELETE FROM installments WHERE installment_id = 31;"
        "UPDATE installments SET principal = 200, interest = 6 WHERE installment_id = 32"),
        {"schedules": 1},
    ),
    "principals do not sum to the contract's": (
        ("UPDATE installments SET principal = principal + 1, interest = interest - 1"
        " WHERE installment_id = 31"),
        {"schedules": 1},
    ),
    "a decided proposal has no analysis": (
        "DELETE FROM credit_analysis WHERE proposal_id = 5", {"decisions": 1}
    ),
    "an analysis has another decision": (
        "UPDATE credit_analysis SET decision = 'rejected' WHERE proposal_id IN (1, 2)",
        {"decisions": 2},
    ),
    "an undecided proposal has a contract": (
        "UPDATE credit_contracts SET proposal_id = 4 WHERE proposal_id = 3", {"decisions": 2}
    ),
    "a rejected proposal has a contract": (
        ("UPDATE credit_contracts SET proposal_id = 5 WHERE proposal_id = 3;"
        "DELETE FROM credit_proposals WHERE proposal_id = 3"),
        {"decisions": 1},
    ),
    "the first check digit is wrong": (
        "UPDATE customers SET cpf = '52998224735' WHERE customer_id = 1", {"cpf_digits": 1}
    ),
    "the second check digit is wrong": (
        "UPDATE customers SET cpf = '52998224726' WHERE customer_id = 1", {"cpf_digits": 1}
    ),
    "a CPF is one digit repeated": (
        "UPDATE customers SET cpf = '99999999999' WHERE customer_id = 1", {"cpf_digits": 1}
    ),
    "two customers have one CPF": (
        ("ALTER TABLE customers DROP CONSTRAINT customers_cpf_key;"
        "UPDATE customers SET cpf = '52998224725'"),
        {"cpf_unique": 1},
    ),
}  # fmt: skip
AUDIT = """
INSERT INTO audit_log (operation_id, instance, service, operation, entity, entity_id, detail)
SELECT gen_random_uuid(), instance::uuid, 'credit-x', operation, 'row', 1, detail::jsonb
FROM (VALUES ('{one}', 'pay', '{{"paid": "10.05"}}'), ('{one}', 'pay', '{{"paid": "10.05"}}'),
    ('{one}', 'decide', '{{"disbursed": "500.00"}}'), ('{other}', 'pay', '{{"paid": "1.00"}}')
) AS known (instance, operation, detail);
INSERT INTO audit_summary (instance, service, operation, rows, disbursed, paid)
VALUES ('{one}', 'credit-x', 'pay', 3, 0, 4.00), ('{other}', 'credit-x', 'pay', 9, 0, 9.00);
"""


@pytest.fixture(scope="module")
def sound(cluster: Cluster) -> Iterator[Database]:
    with cloned(cluster, cluster.settings.postgres_db) as database:
        write(database, SOUND)
        yield database


def broken(connection: Connection) -> dict[str, int]:
    """Return the invariants that count a row, with their number of rows."""
    counts = {
        statement.name: rows(connection, statement.sql)[0][0]
        for statement in invariants.statements("invariants.sql")
    }
    return {name: count for name, count in counts.items() if count}


def test_a_sound_portfolio_has_no_violation(sound: Database) -> None:
    """Nor have the sums: 700.00 lent and disbursed, 313.00 due and paid."""
    checks = list(invariants.check(sound.settings))
    assert [check.name for check in checks if not check.ok] == []
    sums = {check.name: check.actual for check in checks if check.name.startswith("sum_")}
    assert sums == {"sum_disbursed": "700.00", "sum_paid": "313.00"}


@pytest.mark.parametrize("violation", VIOLATIONS)
def test_each_violating_row_is_counted_by_its_invariants_and_no_others(
    sound: Database, violation: str
) -> None:
    sql, counts = VIOLATIONS[violation]
    with sound.connect(Role.SUPERUSER) as superuser:
        rows(superuser, "BEGIN")
        rows(superuser, f"{UNCHECKED} {sql}")
        assert broken(superuser) == counts
        rows(superuser, "ROLLBACK")


def test_the_ledger_adds_up_audit_rows_and_their_summary(database: Database) -> None:
    """By process and operation; two equal rows are two operations."""
    one, other = UUID(int=1), UUID(int=2)
    write(database, AUDIT.format(one=one, other=other))
    with database.connect(Role.LAB) as connection:
        assert ledger.read(connection, [str(one)]) == {
            (str(one), "pay"): OperationTotals(count=5, paid=Decimal("24.10")),
            (str(one), "decide"): OperationTotals(count=1, disbursed=Decimal("500.00")),
        }
        assert ledger.read(connection, []) == {}


def test_only_sessions_of_the_services_in_this_database_are_counted(
    database: Database, sound: Database
) -> None:
    """Not those of other roles, nor those of the services in another database."""
    count = invariants.FIGURES["open_sessions"].sql
    with database.connect(Role.LAB) as observer, sound.connect(Role.APP):
        assert rows(observer, count) == [(0,)]
        with database.connect(Role.APP):
            assert rows(observer, count) == [(1,)]
