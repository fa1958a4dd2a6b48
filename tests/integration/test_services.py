"""What each operation of the five services does to the database, and that it leaves one audit row."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from lab.clients.database import Role
from lab.stack.native.cluster import Cluster
from lab.verify import invariants
from tests.fix_postgres import Database
from tests.fix_workload import Wire, ask, cloned, one
from workload import money
from workload.operation import Facts, Outcome
from workload.services import SERVICES

ALL = [(service, operation) for service in SERVICES.values() for operation in service.operations]
WRITES = [(s.name, o.name) for s, o in ALL if o.writes]
READS = [(s.name, o.name) for s, o in ALL if not o.writes]


@pytest.fixture(scope="module")
def common(cluster: Cluster, seeded_template: str) -> Iterator[Database]:
    """One seeded database for the tests that look at their own rows only."""
    with cloned(cluster, seeded_template) as database:
        yield database


def change(database: Database, sql: str) -> None:
    """Prepare rows as the superuser."""
    ask(database, sql, role=Role.SUPERUSER)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("service", "operation"), WRITES)
def test_a_write_operation_leaves_one_audit_row_with_its_facts(
    common: Database, wire: Wire, service: str, operation: str
) -> None:
    """One audit row, with the identity of the process and the figures that the counters take.

    One thread and one connection are enough: no operation waits for itself, the first one included.
    """
    wired = wire(service, common.settings, workload_threads=1)
    result = wired.run(operation)
    assert result.outcome is Outcome.OK
    [(name, detail)] = ask(
        common,
        "SELECT service, detail FROM audit_log WHERE instance = %s AND operation = %s",
        str(wired.instance),
        operation,
    )
    assert name == f"credit-{service}"
    assert Facts.from_detail(detail) == result.facts
    assert wired.value("credit_operations_total", operation=operation, outcome="ok") == 1


@pytest.mark.parametrize(("service", "operation"), READS)
def test_a_read_operation_finds_something_and_writes_nothing(
    common: Database, wire: Wire, service: str, operation: str
) -> None:
    wired = wire(service, common.settings)
    result = wired.run(operation)
    assert result.outcome is Outcome.OK
    [found] = result.tags.values()
    assert isinstance(found, int)
    assert found >= 0
    assert (
        one(common, "SELECT count(*) FROM audit_log WHERE instance = %s", str(wired.instance)) == 0
    )


@pytest.mark.parametrize("operation", ["pay", "settle", "mark_overdue", "charge_late_fees"])
def test_servicing_with_nothing_to_service_does_nothing(
    seeded: Database, wire: Wire, operation: str
) -> None:
    change(seeded, "TRUNCATE credit_transactions, installments, credit_contracts")
    wired = wire("servicing", seeded.settings)
    assert wired.run(operation).outcome is Outcome.NOTHING
    assert (
        one(seeded, "SELECT count(*) FROM audit_log WHERE instance = %s", str(wired.instance)) == 0
    )
    assert wired.value("credit_operations_total", operation=operation, outcome="nothing") == 1


@pytest.mark.parametrize(
    ("service", "operation"), [("proposals", "withdraw"), ("underwriting", "decide")]
)
def test_without_a_pending_proposal_there_is_nothing_to_do(
    seeded: Database, wire: Wire, service: str, operation: str
) -> None:
    change(seeded, "DELETE FROM credit_proposals WHERE status = 'pending'")
    assert wire(service, seeded.settings).run(operation).outcome is Outcome.NOTHING


def test_submit_adds_a_pending_proposal_within_the_limits_of_its_product(
    common: Database, wire: Wire
) -> None:
    last = one(common, "SELECT max(proposal_id) FROM credit_proposals")
    wired = wire("proposals", common.settings)
    for _ in range(20):
        wired.run("submit")
    fitting = one(
        common,
        "SELECT count(*) FROM credit_proposals p JOIN credit_products c USING (product_id)"
        " WHERE p.proposal_id > %s AND p.status = 'pending'"
        " AND p.amount BETWEEN c.min_amount AND c.max_amount"
        " AND p.installments BETWEEN c.min_installments AND c.max_installments",
        last,
    )
    assert fitting == 20
    assert wired.value("credit_proposals_total", status="submitted") == 20


def test_withdraw_deletes_the_newest_pending_proposal(seeded: Database, wire: Wire) -> None:
    newest = one(
        seeded,
        "SELECT proposal_id FROM credit_proposals WHERE status = 'pending'"
        " ORDER BY submitted_at DESC, proposal_id DESC LIMIT 1",
    )
    wire("proposals", seeded.settings).run("withdraw")
    assert one(seeded, "SELECT count(*) FROM credit_proposals WHERE proposal_id = %s", newest) == 0


def test_decide_closes_the_oldest_proposal_and_pays_an_approved_one_out(
    seeded: Database, wire: Wire
) -> None:
    """Oldest first; approved means contract, whole schedule and one disbursement, to the cent."""
    waiting = ask(
        seeded,
        "SELECT proposal_id, amount FROM credit_proposals WHERE status = 'pending'"
        " ORDER BY submitted_at, proposal_id",
    )
    wired = wire("underwriting", seeded.settings)
    disbursed = Decimal(0)
    for proposal_id, amount in waiting:
        result = wired.run("decide")
        [(status, decision, principal, paid_out, scheduled)] = ask(
            seeded,
            "SELECT p.status, a.decision, c.principal, t.amount,"
            " (SELECT sum(principal) FROM installments i WHERE i.contract_id = c.contract_id)"
            " FROM credit_proposals p JOIN credit_analysis a USING (proposal_id)"
            " LEFT JOIN credit_contracts c USING (proposal_id)"
            " LEFT JOIN credit_transactions t USING (contract_id) WHERE proposal_id = %s",
            proposal_id,
        )
        assert result.facts.proposal == status == decision
        expected = amount if status == "approved" else None
        assert (principal, paid_out, scheduled) == (expected,) * 3
        disbursed += result.facts.disbursed
    assert disbursed > 0
    assert wired.value("credit_disbursed_brl_total") == float(disbursed)


def test_update_contact_changes_one_customer(seeded: Database, wire: Wire) -> None:
    wire("customers", seeded.settings).run("update_contact")
    changed = "SELECT count(*) FROM customers WHERE email LIKE 'customer.%@example.com'"
    assert one(seeded, changed) == 1


def test_pay_books_the_next_installment_of_a_contract(seeded: Database, wire: Wire) -> None:
    """Installments are paid in their order; what was paid is off the contract."""
    wired = wire("servicing", seeded.settings)
    result = wired.run("pay")
    contract = one(
        seeded, "SELECT entity_id FROM audit_log WHERE instance = %s", str(wired.instance)
    )
    [(last_paid, first_open)] = ask(
        seeded,
        "SELECT max(number) FILTER (WHERE status = 'paid'),"
        " min(number) FILTER (WHERE status <> 'paid') FROM installments WHERE contract_id = %s",
        contract,
    )
    assert first_open in {None, last_paid + 1}
    assert wired.value("credit_paid_brl_total") == float(result.facts.paid) > 0


def test_settle_leaves_nothing_open(seeded: Database, wire: Wire) -> None:
    wired = wire("servicing", seeded.settings)
    wired.run("settle")
    [(status, open_amount)] = ask(
        seeded,
        "SELECT c.status, c.open_amount FROM credit_contracts c JOIN audit_log ON entity_id = contract_id"
        " WHERE instance = %s",
        str(wired.instance),
    )
    assert (status, open_amount) == ("settled", 0)


def test_mark_overdue_marks_all_that_is_past_its_date(seeded: Database, wire: Wire) -> None:
    late = "SELECT count(*) FROM installments WHERE status = 'open' AND due_date < current_date"
    assert one(seeded, late) != 0
    wire("servicing", seeded.settings).run("mark_overdue")
    assert one(seeded, late) == 0


def test_a_late_fee_is_charged_once_and_as_the_law_says(seeded: Database, wire: Wire) -> None:
    """Every overdue installment gets money.late_fee, and the contract's open amount grows by it."""
    change(seeded, "UPDATE installments SET fee = 0 WHERE status = 'overdue'")
    change(
        seeded,
        "UPDATE credit_contracts c SET open_amount = (SELECT sum(principal + interest + fee)"
        " FROM installments i WHERE i.contract_id = c.contract_id AND i.status <> 'paid')"
        " WHERE status = 'active'",
    )
    wired = wire("servicing", seeded.settings)
    while wired.run("charge_late_fees").outcome is Outcome.OK:
        pass
    late = ask(
        seeded,
        "SELECT principal + interest, current_date - due_date, fee FROM installments"
        " WHERE status = 'overdue'",
    )
    assert late
    assert [fee for _, _, fee in late] == [money.late_fee(amount, days) for amount, days, _ in late]
    assert_sound(seeded)


def test_archive_keeps_the_counts_of_what_it_takes_out(seeded: Database, wire: Wire) -> None:
    """audit_log + audit_summary stay the same, row by row and to the cent."""
    servicing = wire("servicing", seeded.settings, workload_retention_hours=1e-9)
    paid = sum((servicing.run("pay").facts.paid for _ in range(5)), start=Decimal(0))
    before = one(seeded, "SELECT count(*) FROM audit_log")
    servicing.run("archive")
    assert one(seeded, "SELECT count(*) FROM audit_log") == 1  # its own
    assert one(seeded, "SELECT sum(rows) FROM audit_summary") == before
    kept = "SELECT rows, paid FROM audit_summary WHERE instance = %s AND operation = 'pay'"
    assert ask(seeded, kept, str(servicing.instance)) == [(5, paid)]


def test_archive_takes_out_old_contracts_whole_but_none_of_the_seed(
    seeded: Database, wire: Wire
) -> None:
    counts = (
        "SELECT (SELECT count(*) FROM credit_contracts), (SELECT count(*) FROM credit_proposals)"
    )
    [seed] = ask(seeded, counts)
    proposals, underwriting = (
        wire("proposals", seeded.settings),
        wire("underwriting", seeded.settings),
    )
    change(seeded, "DELETE FROM credit_proposals WHERE status = 'pending'")
    [(contracts, decided)] = ask(seeded, counts)
    for _ in range(30):
        proposals.run("submit")
        underwriting.run("decide")
    [(more_contracts, _)] = ask(seeded, counts)
    assert more_contracts > contracts == seed[0]
    wire("servicing", seeded.settings, workload_retention_hours=1e-9).run("archive")
    assert ask(seeded, counts) == [(contracts, decided)]
    assert_sound(seeded)


def test_archive_leaves_what_is_younger_than_the_retention(seeded: Database, wire: Wire) -> None:
    change(seeded, "DELETE FROM audit_log")
    wire("proposals", seeded.settings).run("submit")
    assert wire("servicing", seeded.settings).run("archive").outcome is Outcome.NOTHING


def test_two_workers_never_decide_one_proposal_twice(seeded: Database, wire: Wire) -> None:
    """Eight threads, few proposals: as many decisions as proposals, one analysis for each."""
    waiting = one(seeded, "SELECT count(*) FROM credit_proposals WHERE status = 'pending'")
    assert isinstance(waiting, int)
    wired = wire("underwriting", seeded.settings, workload_threads=8)
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda _: wired.run("decide"), range(waiting + 16)))
    decided = [result for result in results if result.outcome is Outcome.OK]
    # SKIP LOCKED: while others hold the last ones, a worker may find nothing; none is lost.
    left = one(seeded, "SELECT count(*) FROM credit_proposals WHERE status = 'pending'")
    assert left == waiting - len(decided)
    assert Outcome.ERROR not in {result.outcome for result in results}
    assert_sound(seeded)


def test_two_workers_never_pay_one_installment_twice(seeded: Database, wire: Wire) -> None:
    """Eight threads pay and settle three contracts; each installment has one payment at the end."""
    change(
        seeded,
        "CREATE TEMP TABLE others AS SELECT contract_id FROM credit_contracts"
        " WHERE status = 'active' ORDER BY contract_id OFFSET 3;"
        " INSERT INTO credit_transactions (contract_id, installment_id, kind, amount, idempotency_key)"
        " SELECT contract_id, installment_id, 'payment', principal + interest + fee, gen_random_uuid()"
        " FROM installments WHERE status <> 'paid' AND contract_id IN (TABLE others);"
        " UPDATE installments SET status = 'paid', paid_at = now()"
        " WHERE status <> 'paid' AND contract_id IN (TABLE others);"
        " UPDATE credit_contracts SET status = 'settled', settled_at = now(), open_amount = 0"
        " WHERE contract_id IN (TABLE others)",
    )
    owed = one(seeded, "SELECT sum(open_amount) FROM credit_contracts")
    wired = wire("servicing", seeded.settings, workload_threads=8)
    paid = Decimal(0)
    with ThreadPoolExecutor(8) as threads:
        while one(seeded, "SELECT count(*) FROM credit_contracts WHERE status = 'active'"):
            names = ["pay"] * 15 + ["settle"]
            paid += sum((r.facts.paid for r in threads.map(wired.run, names)), start=Decimal(0))
    assert paid == owed
    assert_sound(seeded)


def test_many_threads_in_every_operation_leave_the_books_balanced(
    seeded: Database, wire: Wire
) -> None:
    """All write operations at once, archive among them: no error, no deadlock, every invariant holds."""
    services = {
        name: wire(name, seeded.settings, workload_threads=4, workload_retention_hours=1e-9)
        for name in SERVICES
    }
    jobs = WRITES * 25
    with ThreadPoolExecutor(16) as threads:
        results = list(threads.map(lambda job: services[job[0]].run(job[1]), jobs))
    assert Outcome.ERROR not in {result.outcome for result in results}
    assert_sound(seeded)


def assert_sound(database: Database) -> None:
    broken = [check for check in invariants.check(database.settings) if not check.ok]
    assert broken == []
