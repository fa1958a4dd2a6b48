"""Which rows the operations of credit-servicing read and write: these and no others."""

from contextlib import ExitStack

import pytest

from lab.clients.database import Row
from tests.fix_postgres import Database
from tests.fix_workload import Wire, Wired, ask
from tests.portfolio import CONTRACTS, CUSTOMERS, locked, write
from workload.operation import Outcome
from workload.services import servicing

# What is due is due by the day of the database.
pytestmark = pytest.mark.meets_clock
# A statement that waits for a lock ends soon after.
LIMIT_MS = 10_000
STATES = "SELECT installment_id, status FROM installments ORDER BY 1"
OPEN = (
    "SELECT contract_id, open_amount::text, status, settled_at IS NOT NULL"
    " FROM credit_contracts ORDER BY 1"
)
# As in tests/portfolio.py.
BEFORE = {
    101: "paid", 201: "paid", 202: "overdue", 203: "open", 301: "overdue", 302: "open",
    401: "overdue", 402: "open", 403: "open",
}  # fmt: skip
OPEN_BEFORE = [
    (10, "0.00", "settled", True),
    (20, "111.00", "active", False),
    (30, "220.00", "active", False),
    (40, "330.00", "active", False),
]


@pytest.fixture
def portfolio(database: Database) -> Database:
    write(database, CUSTOMERS + CONTRACTS)
    return database


@pytest.fixture
def wired(portfolio: Database, wire: Wire) -> Wired:
    return wire("servicing", portfolio.settings, workload_statement_timeout_ms=LIMIT_MS)


def changed(database: Database) -> dict[int, str]:
    """Return the installments whose status is no longer the portfolio's."""
    return {number: now for number, now in ask(database, STATES) if BEFORE[number] != now}


def paid_out(database: Database) -> list[Row]:
    return ask(
        database,
        "SELECT contract_id, installment_id, kind, amount::text FROM credit_transactions ORDER BY 2",
    )


def test_a_worker_locks_the_next_active_contract_that_no_other_holds(
    portfolio: Database, wired: Wired
) -> None:
    """Settled ones are left out, one contract is locked at a time, and after the last comes the first."""
    with ExitStack() as workers:
        found = []
        for start in (10, 20, 31, 10):
            session = workers.enter_context(wired.database.transaction())
            contract = servicing._lock_contract(session, start)
            found.append(contract[0] if contract else None)
    assert found == [20, 30, 40, None]
    with (
        locked(portfolio, "credit_contracts", "contract_id = 20"),
        wired.database.transaction() as session,
    ):
        assert servicing._lock_contract(session, 41) == (30, 220)


def test_pay_pays_the_first_unpaid_installment_and_the_last_one_settles(
    portfolio: Database, wired: Wired
) -> None:
    """Principal, interest and fee of one installment; no row of another contract or number changes."""
    with locked(portfolio, "credit_contracts", "contract_id IN (30, 40)"):
        assert str(wired.run("pay").facts.paid) == "56.00"
        assert changed(portfolio) == {202: "paid"}
        assert ask(portfolio, OPEN) == [
            OPEN_BEFORE[0], (20, "55.00", "active", False), *OPEN_BEFORE[2:]
        ]  # fmt: skip
        assert paid_out(portfolio) == [(20, 202, "payment", "56.00")]
        assert str(wired.run("pay").facts.paid) == "55.00"
        assert changed(portfolio) == {202: "paid", 203: "paid"}
        assert ask(portfolio, OPEN) == [
            OPEN_BEFORE[0], (20, "0.00", "settled", True), *OPEN_BEFORE[2:]
        ]  # fmt: skip
        assert wired.run("pay").outcome is Outcome.NOTHING
    audited = "SELECT entity, entity_id, detail ->> 'paid' FROM audit_log ORDER BY audit_id"
    assert ask(portfolio, audited) == [("contract", 20, "56.00"), ("contract", 20, "55.00")]


def test_settle_pays_every_unpaid_installment_of_one_contract(
    portfolio: Database, wired: Wired
) -> None:
    with locked(portfolio, "credit_contracts", "contract_id IN (30, 40)"):
        result = wired.run("settle")
    assert (str(result.facts.paid), result.tags["credit.installments"]) == ("111.00", 2)
    assert changed(portfolio) == {202: "paid", 203: "paid"}
    assert ask(portfolio, OPEN) == [
        OPEN_BEFORE[0], (20, "0.00", "settled", True), *OPEN_BEFORE[2:]
    ]  # fmt: skip
    assert paid_out(portfolio) == [(20, 202, "payment", "56.00"), (20, 203, "payment", "55.00")]


def test_without_contracts_there_is_nothing_to_pay(database: Database, wire: Wire) -> None:
    write(database, CUSTOMERS)
    wired = wire("servicing", database.settings)
    assert [wired.run(name).outcome for name in ("pay", "settle")] == [Outcome.NOTHING] * 2


def test_an_installment_is_overdue_from_the_day_after_its_due_date(
    portfolio: Database, wired: Wired
) -> None:
    """What is due today is open; a row that another worker holds is left to it."""
    with locked(portfolio, "installments", "installment_id = 402"):
        assert wired.run("mark_overdue").tags == {"credit.installments": 1}
        assert changed(portfolio) == {302: "overdue"}
        assert wired.run("mark_overdue").outcome is Outcome.NOTHING
    [audited] = ask(portfolio, "SELECT entity, entity_id FROM audit_log")
    assert audited == ("installments", 1)


def test_a_late_fee_is_for_overdue_installments_without_one(
    portfolio: Database, wired: Wired
) -> None:
    """2 % and 1 % a month: 110 x (0.02 + 0.01 x 40/30) = 3.67; paid, open and charged ones have none."""
    fees = "SELECT installment_id, fee::text FROM installments WHERE fee > 0 ORDER BY 1"
    with wired.database.transaction() as session:
        assert session.rows("lock_late_contracts", batch=5) == [(30,), (40,)]
        assert session.rows("lock_late_contracts", batch=1) == [(30,)]
        assert session.rows("late_installments", contract_ids=[10, 20, 30]) == [(301, 30, 110, 40)]
    with locked(portfolio, "credit_contracts", "contract_id = 40"):
        assert wired.run("charge_late_fees").tags == {"credit.installments": 1}
        assert ask(portfolio, fees) == [(202, "1.00"), (301, "3.67")]
        assert wired.run("charge_late_fees").outcome is Outcome.NOTHING
    assert ask(portfolio, OPEN) == [
        *OPEN_BEFORE[:2], (30, "223.67", "active", False), OPEN_BEFORE[3]
    ]  # fmt: skip
    # 110 x (0.02 + 0.01 x 15/30): of another contract.
    assert wired.run("charge_late_fees").tags == {"credit.installments": 1}
    assert ask(portfolio, fees) == [(202, "1.00"), (301, "3.67"), (401, "2.75")]


def test_several_fees_of_a_contract_are_added_up(portfolio: Database, wired: Wired) -> None:
    write(
        portfolio,
        "UPDATE installments SET status = 'overdue', fee = 0 WHERE installment_id IN (202, 203)",
    )
    # 55 x (0.02 + 0.01 x 30/30) = 1.65, and on the day itself nothing.
    assert wired.run("charge_late_fees").tags == {"credit.installments": 4}
    fees = "SELECT installment_id, fee::text FROM installments WHERE fee > 0 ORDER BY 1"
    assert ask(portfolio, fees) == [(202, "1.65"), (301, "3.67"), (401, "2.75")]
    write(portfolio, "UPDATE installments SET fee = 0, due_date = current_date - 30")
    write(portfolio, "UPDATE credit_contracts SET open_amount = 110 WHERE contract_id = 20")
    wired.run("charge_late_fees")
    assert ask(portfolio, OPEN)[1] == (20, "113.30", "active", False)
