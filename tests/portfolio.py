"""A portfolio written by hand, in an empty database: a test can name every row that it expects.

Contracts: 10 is settled, 20, 30 and 40 are active. Amounts are principal + interest + fee.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from lab.clients.database import Role, rows
from tests.fix_postgres import Database
from tests.fix_workload import ask

# Without foreign keys: the tests of one table need no rows in the others.
UNCHECKED = "SET session_replication_role = replica;"
CUSTOMERS = """
INSERT INTO credit_products VALUES
    (1, 'small', 'Small loan', 100, 1000, 2, 4, 0.02, 300),
    (2, 'large', 'Large loan', 1000, 5000, 3, 12, 0.01, 500),
    (3, 'quick', 'Quick loan', 100, 1000, 2, 6, 0.05, 200);
INSERT INTO customers
    (customer_id, cpf, full_name, email, phone, birth_date, city, state, monthly_income)
SELECT n, lpad(n::text, 11, '0'), 'Customer ' || n, 'mail', 'phone', '1990-01-01', 'Recife', 'PE', 1000 * n
FROM generate_series(3, 7) AS n;
"""
CONTRACTS = """
INSERT INTO credit_contracts (contract_id, proposal_id, customer_id, product_id, principal, monthly_rate,
    installments, open_amount, status, settled_at)
VALUES (10, 10, 3, 1, 100, 0.02, 1, 0.00, 'settled', now()),
       (20, 20, 4, 1, 150, 0.02, 3, 111.00, 'active', NULL),
       (30, 30, 4, 2, 200, 0.01, 2, 220.00, 'active', NULL),
       (40, 40, 5, 1, 300, 0.02, 3, 330.00, 'active', NULL);
INSERT INTO installments (installment_id, contract_id, number, due_date, principal, interest, fee, status,
    paid_at)
VALUES (101, 10, 1, current_date - 90, 100, 2, 0, 'paid', now()),
       (201, 20, 1, current_date - 60, 50, 5, 0, 'paid', now()),
       (202, 20, 2, current_date - 30, 50, 5, 1, 'overdue', NULL),
       (203, 20, 3, current_date, 50, 5, 0, 'open', NULL),
       (301, 30, 1, current_date - 40, 100, 10, 0, 'overdue', NULL),
       (302, 30, 2, current_date - 1, 100, 10, 0, 'open', NULL),
       (401, 40, 1, current_date - 15, 100, 10, 0, 'overdue', NULL),
       (402, 40, 2, current_date - 1, 100, 10, 0, 'open', NULL),
       (403, 40, 3, current_date + 30, 100, 10, 0, 'open', NULL);
"""


def write(database: Database, sql: str) -> None:
    """Write rows as the superuser, without a check of foreign keys."""
    ask(database, f"{UNCHECKED} {sql}", role=Role.SUPERUSER)


@contextmanager
def locked(database: Database, table: str, condition: str) -> Iterator[None]:
    """Hold the locks of some rows, as another worker does, until the block ends."""
    with database.connect(Role.SUPERUSER) as other:
        rows(other, "BEGIN")
        rows(other, f"SELECT FROM {table} WHERE {condition} FOR UPDATE")
        yield
        rows(other, "ROLLBACK")
