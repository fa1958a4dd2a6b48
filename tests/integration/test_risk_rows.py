"""The reports of credit-risk on a portfolio written by hand: classes, sums and shares."""

import pytest

from tests.fix_postgres import Database
from tests.fix_workload import Wire
from tests.portfolio import CONTRACTS, CUSTOMERS, write

pytestmark = pytest.mark.meets_clock
# Scores at the bounds of the ten classes; the last proposal is older than a year.
ANALYSES = """
INSERT INTO credit_proposals (proposal_id, customer_id, product_id, amount, installments, channel, status,
    submitted_at, decided_at)
SELECT id, 3, product, amount, 3, 'app', decision, now() - age::interval, now()
FROM (VALUES
    (1, 1, 100, 'rejected', '1 hour'), (2, 1, 200, 'rejected', '1 hour'), (3, 1, 400, 'approved', '1 hour'),
    (4, 2, 1000, 'approved', '1 hour'), (5, 2, 2000, 'approved', '364 days'),
    (6, 2, 9, 'approved', '367 days')
) AS submitted (id, product, amount, decision, age);
INSERT INTO credit_analysis (proposal_id, score, income_ratio, decision, reason)
VALUES (1, 100, 0.1, 'rejected', ''), (2, 199, 0.3, 'rejected', ''), (3, 100, 0.5, 'approved', ''),
    (4, 0, 0.2, 'approved', ''), (5, 1000, 0.2, 'approved', ''), (6, 500, 0.2, 'approved', '');
"""
LATE = """
INSERT INTO installments (contract_id, number, due_date, principal, interest, fee, status)
SELECT 70 + n % 2, n, current_date - days, 10, 1, 0.5, 'overdue'
FROM unnest(ARRAY[0, 1, 14, 15, 30, 31, 60, 61, 90, 91, 120, 121, 150, 151, 180, 181])
    WITH ORDINALITY AS late (days, n);
INSERT INTO installments (contract_id, number, due_date, principal, interest)
VALUES (80, 1, current_date - 50, 1, 1);
"""


def report(database: Database, wire: Wire, name: str) -> list[tuple[str, ...]]:
    """Return the rows of a report, and require as many of the operation."""
    risk = wire("risk", database.settings)
    with risk.database.autocommit() as session:
        rows = session.rows(name)
    assert risk.run(name).tags == {"credit.report_rows": len(rows)}
    return [tuple(str(value) for value in row) for row in rows]


def test_scores_are_distributed_over_ten_classes_by_product_and_decision(
    database: Database, wire: Wire
) -> None:
    """A class has a hundred points from 0 on, 1000 is above the last; a year is counted."""
    write(database, CUSTOMERS + ANALYSES)
    rows = report(database, wire, "risk_distribution")
    assert [(*row[:4], float(row[4]), row[5]) for row in rows] == [
        ("1", "2", "approved", "1", 0.5, "400.00"),
        ("1", "2", "rejected", "2", 0.2, "300.00"),
        ("2", "1", "approved", "1", 0.2, "1000.00"),
        ("2", "11", "approved", "1", 0.2, "2000.00"),
    ]


def test_a_product_has_its_contracts_amounts_and_share_of_overdue_installments(
    database: Database, wire: Wire
) -> None:
    """`small`: contracts 10, 20 and 40, of seven installments two overdue, 441.00 unpaid."""
    write(database, CUSTOMERS + CONTRACTS)
    rows = report(database, wire, "product_performance")
    assert [(*row[:4], round(float(row[4]), 4)) for row in rows] == [
        ("large", "1", "200.00", "220.00", 0.5),
        ("small", "3", "550.00", "441.00", 0.2857),
    ]
    old = (
        "UPDATE credit_contracts SET signed_at = now() - interval '367 days' WHERE contract_id > 20"
    )
    write(database, old)
    assert [row[:4] for row in report(database, wire, "product_performance")] == [
        ("small", "2", "250.00", "111.00")
    ]


def test_overdue_amounts_are_in_classes_of_days_late(database: Database, wire: Wire) -> None:
    """From 1, 15, 31, 61, 91, 121, 151 and 181 days; open installments are in none."""
    write(database, LATE)
    pair = ("2", "2", "23.00")
    assert report(database, wire, "delinquency_ageing") == [
        ("0", "1", "1", "11.50"),
        *((str(number), *pair) for number in range(1, 8)),
        ("8", "1", "1", "11.50"),
    ]
