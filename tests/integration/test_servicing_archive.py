"""What retention deletes: old rows of the running lab that no other worker holds; their totals stay."""

from uuid import UUID

import pytest

from tests.fix_postgres import Database
from tests.fix_workload import Wire, Wired, ask
from tests.portfolio import locked, write
from workload.operation import Outcome

pytestmark = pytest.mark.meets_clock
LIMIT_MS = 10_000
PROCESS = UUID(int=7)
# An hour is kept, and the database was seeded three hours ago, with ids up to 20.
SEEDED = """
INSERT INTO seed_manifest (scale, random_seed, max_customer_id, max_proposal_id, max_contract_id, seeded_at)
VALUES (1, 1, 9, 20, 20, now() - interval '3 hours');
"""
AUDIT = """
INSERT INTO audit_log (operation_id, instance, service, operation, entity, entity_id, detail, at)
SELECT gen_random_uuid(), '{instance}', 'credit-x', operation, 'row', 1, detail::jsonb, now() - age::interval
FROM (VALUES {rows}) AS written (operation, detail, age);
"""
CONTRACTS = """
INSERT INTO credit_contracts (contract_id, proposal_id, customer_id, product_id, principal, monthly_rate,
    installments, open_amount, signed_at)
SELECT id, id, 1, 1, 100, 0.01, 1, 101, signed_at FROM (VALUES
    (20, now() - interval '2 hours'),
    (30, now() - interval '2 hours'),
    (31, (SELECT seeded_at FROM seed_manifest)),
    (40, now()),
    (50, now() - interval '2 hours'),
    (60, now() - interval '4 hours')) AS signed (id, signed_at);
INSERT INTO installments (contract_id, number, due_date, principal, interest)
    SELECT contract_id, 1, current_date, 100, 1 FROM credit_contracts;
INSERT INTO credit_transactions (contract_id, kind, amount, idempotency_key)
    SELECT contract_id, 'disbursement', 100, gen_random_uuid() FROM credit_contracts;
"""
PROPOSALS = """
INSERT INTO credit_proposals (proposal_id, customer_id, product_id, amount, installments, channel, status,
    submitted_at, decided_at)
SELECT id, 1, 1, 100, 1, 'app', status, now() - age::interval,
    CASE WHEN status <> 'pending' THEN now() END
FROM (VALUES
    (19, 'approved', '5 hours'), (20, 'rejected', '2 hours'),
    (30, 'approved', '2 hours'), (31, 'approved', '3 hours'), (40, 'approved', '1 minute'),
    (50, 'approved', '2 hours'), (60, 'approved', '4 hours'),
    (61, 'rejected', '2 hours'), (62, 'pending', '2 hours'), (63, 'approved', '2 hours'),
    (64, 'rejected', '1 minute'), (65, 'rejected', '2 hours'), (66, 'rejected', '4 hours')
) AS submitted (id, status, age);
INSERT INTO credit_analysis (proposal_id, score, income_ratio, decision, reason)
    SELECT proposal_id, 1, 0, status, '' FROM credit_proposals WHERE status <> 'pending';
"""
SUMMARY = (
    "SELECT operation, rows, disbursed::text, paid::text FROM audit_summary"
    " WHERE service = 'credit-x' AND instance = %s ORDER BY 1"
)


@pytest.fixture
def wired(database: Database, wire: Wire) -> Wired:
    write(database, SEEDED)
    return wire(
        "servicing",
        database.settings,
        workload_retention_hours=1.0,
        workload_statement_timeout_ms=LIMIT_MS,
    )


def numbers(database: Database, column: str, table: str) -> list[int]:
    return [number for (number,) in ask(database, f"SELECT {column} FROM {table} ORDER BY 1")]


def test_deleted_audit_rows_are_added_to_the_totals_of_their_operation(
    database: Database, wired: Wired
) -> None:
    """By process and operation, to the cent; a row within the retention stays."""
    old = (
        """('pay', '{"paid": "10.05"}', '2 hours'), ('pay', '{"paid": "20.00"}', '61 minutes'),"""
        """('decide', '{"proposal": "approved", "disbursed": "500.00"}', '2 hours'),"""
        """('browse', '{}', '2 hours'), ('young', '{}', '59 minutes')"""
    )
    write(database, AUDIT.format(instance=PROCESS, rows=old))
    write(database, AUDIT.format(instance=UUID(int=8), rows="('pay', '{}', '2 hours')"))
    assert wired.run("archive").tags["credit.audit_rows"] == 5
    kept = [("browse", 1, "0.00", "0.00"), ("decide", 1, "500.00", "0.00")]
    assert ask(database, SUMMARY, str(PROCESS)) == [*kept, ("pay", 2, "0.00", "30.05")]
    assert ask(database, SUMMARY, str(UUID(int=8))) == [("pay", 1, "0.00", "0.00")]
    left = "SELECT operation, entity, entity_id FROM audit_log ORDER BY audit_id"
    assert ask(database, left) == [("young", "row", 1), ("archive", "archive", 5)]
    again = """('pay', '{"paid": "0.95", "disbursed": "2.00"}', '2 hours')"""
    write(database, AUDIT.format(instance=PROCESS, rows=again))
    assert wired.run("archive").tags["credit.audit_rows"] == 1
    assert ask(database, SUMMARY, str(PROCESS)) == [*kept, ("pay", 3, "2.00", "31.00")]


def test_old_contracts_go_whole_and_the_seed_stays(database: Database, wired: Wired) -> None:
    """Of 30 and 31 nothing is left; the seed's, young and locked ones are complete."""
    write(database, CONTRACTS + PROPOSALS)
    write(database, AUDIT.format(instance=PROCESS, rows="('pay', '{}', '2 hours')"))
    with locked(database, "credit_contracts", "contract_id = 50"):
        assert wired.run("archive").tags["credit.contracts"] == 2
    for table in ("credit_contracts", "installments", "credit_transactions"):
        assert numbers(database, "contract_id", table) == [20, 40, 50, 60], table
    assert not {30, 31} & set(numbers(database, "proposal_id", "credit_proposals"))
    assert not {30, 31} & set(numbers(database, "proposal_id", "credit_analysis"))
    [audited] = ask(database, "SELECT entity, entity_id FROM audit_log")
    # With one row of audit_log, and proposals 61, 62 and 65.
    assert audited == ("archive", 6)


def test_old_proposals_without_a_contract_go(database: Database, wired: Wired) -> None:
    """Rejected and pending ones; what is approved leaves with its contract."""
    write(database, PROPOSALS)
    stay = [19, 20, 30, 31, 40, 50, 60, 63, 64, 65, 66]
    with locked(database, "credit_proposals", "proposal_id = 65"):
        assert wired.run("archive").tags == {
            "credit.audit_rows": 0,
            "credit.contracts": 0,
            "credit.proposals": 2,
        }
        assert wired.run("archive").outcome is Outcome.NOTHING
    assert numbers(database, "proposal_id", "credit_proposals") == stay
    assert numbers(database, "proposal_id", "credit_analysis") == stay
