"""`lab.verify` on a real database with real services: green when all is well, red by name when it is not."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab import verify
from lab.clients.database import Role
from lab.foundation.readiness import await_state
from lab.foundation.settings import LabSettings
from lab.verify import invariants, quiescence
from tests.fix_postgres import Database
from tests.fix_workload import Process, ask, running_service

WINDOW_S = 1.0
ATTEMPTS = 5
WRITTEN = ("attempted_rows.audit_log.insert", "attempted_rows.credit_transactions.insert")
SOON_SECONDS = 150
OFF = {"DD_TRACE_ENABLED": "false"}

# What is done to the database, and the invariants that must not hold any more: these and no others.
BREAKAGES = {
    "an open amount too high by a cent": (
        (
            "UPDATE credit_contracts SET open_amount = open_amount + 0.01"
            " WHERE contract_id = (SELECT min(contract_id) FROM credit_contracts WHERE status = 'active')"
        ),
        {"open_amounts", "balances"},
    ),
    "a payment lost": (
        (
            "DELETE FROM credit_transactions WHERE transaction_id ="
            " (SELECT min(transaction_id) FROM credit_transactions WHERE kind = 'payment')"
        ),
        {"payments", "balances", "sum_paid"},
    ),
    "a payment of a cent too little": (
        (
            "UPDATE credit_transactions SET amount = amount - 0.01 WHERE transaction_id ="
            " (SELECT min(transaction_id) FROM credit_transactions WHERE kind = 'payment')"
        ),
        {"payments", "balances", "sum_paid"},
    ),
    "an installment paid twice": (
        (
            "DROP INDEX credit_transactions_one_payment;"
            " INSERT INTO credit_transactions (contract_id, installment_id, kind, amount, idempotency_key)"
            " SELECT contract_id, installment_id, kind, amount, gen_random_uuid()"
            " FROM credit_transactions WHERE kind = 'payment' LIMIT 1"
        ),
        {"payments", "balances", "sum_paid"},
    ),
    "a contract disbursed twice": (
        (
            "DROP INDEX credit_transactions_one_disbursement;"
            " INSERT INTO credit_transactions (contract_id, kind, amount, idempotency_key)"
            " SELECT contract_id, kind, amount, gen_random_uuid()"
            " FROM credit_transactions WHERE kind = 'disbursement' LIMIT 1"
        ),
        {"disbursements", "sum_disbursed"},
    ),
    "two disbursements exchanged": (
        (
            "UPDATE credit_transactions t SET amount = t.amount + delta FROM ("
            " SELECT transaction_id,"
            " CASE row_number() OVER (ORDER BY transaction_id) WHEN 1 THEN 1 ELSE -1 END AS delta"
            " FROM credit_transactions WHERE kind = 'disbursement' ORDER BY transaction_id LIMIT 2) x"
            " WHERE t.transaction_id = x.transaction_id"
        ),
        {"disbursements"},
    ),
    "an open installment lost": (
        (
            "DELETE FROM installments WHERE installment_id ="
            " (SELECT min(installment_id) FROM installments WHERE status = 'open')"
        ),
        {"schedules", "open_amounts", "balances"},
    ),
    "a decision that its analysis contradicts": (
        (
            "UPDATE credit_analysis SET decision = 'approved' WHERE proposal_id ="
            " (SELECT min(proposal_id) FROM credit_proposals WHERE status = 'rejected')"
        ),
        {"decisions"},
    ),
    "an approved proposal without a contract": (
        (
            "UPDATE credit_analysis SET decision = 'approved' WHERE proposal_id ="
            " (SELECT min(proposal_id) FROM credit_proposals WHERE status = 'rejected');"
            " UPDATE credit_proposals SET status = 'approved' WHERE proposal_id ="
            " (SELECT min(proposal_id) FROM credit_proposals WHERE status = 'rejected')"
        ),
        {"decisions"},
    ),
    "a CPF with a wrong digit": (
        "UPDATE customers SET cpf = left(cpf, 10) || (right(cpf, 1)::int + 1) % 10 WHERE customer_id = 1",
        {"cpf_digits"},
    ),
    "a CPF of one digit repeated": (
        "UPDATE customers SET cpf = '11111111111' WHERE customer_id = 1",
        {"cpf_digits"},
    ),
    "a CPF taken twice": (
        (
            "ALTER TABLE customers DROP CONSTRAINT customers_cpf_key;"
            " UPDATE customers SET cpf = (SELECT cpf FROM customers WHERE customer_id = 2)"
            " WHERE customer_id = 1"
        ),
        {"cpf_unique"},
    ),
    "a customer of the seed lost": (
        "DELETE FROM customers WHERE customer_id = (SELECT max_customer_id FROM seed_manifest)",
        {"seed"},
    ),
}


def falsify(database: Database, sql: str) -> None:
    """Do what no service may: as the superuser, with foreign keys switched off."""
    ask(database, f"SET session_replication_role = replica; {sql}", role=Role.SUPERUSER)


@contextmanager
def intruding(database: Database, sql: str) -> Iterator[None]:
    """Let another client run a statement repeatedly until the block ends."""
    over = threading.Event()

    def intrude() -> None:
        while not over.wait(WINDOW_S / 4):
            falsify(database, sql)

    stranger = threading.Thread(target=intrude)
    stranger.start()
    try:
        yield
    finally:
        over.set()
        stranger.join()


def verified(
    settings: LabSettings, is_complete: Callable[[verify.Report], object]
) -> verify.Report:
    """Verify until what is awaited was within the window: a stalled machine may do nothing in it."""
    for _ in range(ATTEMPTS):
        report = verify.run(settings, window_s=WINDOW_S)
        if is_complete(report):
            break
    return report


def actual(report: verify.Report, *names: str) -> list[int]:
    """Return what the checks of these names have counted."""
    counts = {check.name: check.actual for check in report.checks}
    return [int(counts.get(name) or 0) for name in names]


def failing(report: verify.Report) -> set[str]:
    return {check.name for check in report.checks if check.ok is False}


@contextmanager
def all_services(database: Database, folder: Path) -> Iterator[Process]:
    """The five services in one process, under load."""
    settings = database.settings.model_copy(update={"workload_load": 10.0})
    with running_service("all", settings, folder, OFF) as process:
        await_state(
            "a hundred operations",
            lambda: None if process.total("credit_operations_total") > 100 else "fewer",
            within_s=SOON_SECONDS,
        )
        yield process


def test_every_invariant_holds_of_the_seed(seeded: Database) -> None:
    checks = list(invariants.check(seeded.settings))
    assert [check for check in checks if not check.ok] == []
    assert {check.name for check in checks} == {n for _, names in BREAKAGES.values() for n in names}


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_a_broken_invariant_is_named(seeded: Database, breakage: str) -> None:
    """Each violation is found, and nothing else is reported."""
    sql, expected = BREAKAGES[breakage]
    falsify(seeded, sql)
    assert {c.name for c in invariants.check(seeded.settings) if c.ok is False} == expected


def test_under_load_every_counter_equals_the_database(seeded: Database, tmp_path: Path) -> None:
    """Rows per table and action, operations and amounts: exact, and something happened in the window."""
    with all_services(seeded, tmp_path):
        report = verified(seeded.settings, lambda found: all(actual(found, *WRITTEN)))
    assert report.ok
    assert all(actual(report, *WRITTEN))


def test_a_row_that_no_service_wrote_is_found(seeded: Database, tmp_path: Path) -> None:
    """Rows of another client within the window are too many in PostgreSQL's count."""
    insert = (
        "INSERT INTO audit_log (operation_id, instance, service, operation, entity, entity_id)"
        " VALUES (gen_random_uuid(), gen_random_uuid(), 'stranger', 'none', 'none', 1)"
    )
    with all_services(seeded, tmp_path), intruding(seeded, insert):
        report = verified(seeded.settings, failing)
    assert failing(report) == {"attempted_rows.audit_log.insert"}


def test_the_shop_is_counted_when_it_runs(seeded: Database, tmp_path: Path) -> None:
    """One addition is one INSERT, one checkout one UPDATE; another client's item is one INSERT too many."""
    busy = {"rate_shop_abandon": 0.0, "rate_shop_buy": 20.0, "rate_shop_tidy": 0.0}
    settings = seeded.settings.model_copy(update=busy)
    names = {"shop.cart_additions", "shop.checkouts", "shop.proposals"}
    with running_service("shop", settings, tmp_path, OFF) as process:
        await_state(
            "a proposal by a visitor",
            lambda: None if process.total("credit_proposals_total") else "none",
            within_s=SOON_SECONDS,
        )
        report = verified(seeded.settings, lambda found: all(actual(found, "shop.cart_additions")))
        counted = {c.name: (c.ok, int(c.actual)) for c in report.checks if c.name in names}
        assert {name: ok for name, (ok, _) in counted.items()} == dict.fromkeys(names, True)
        assert counted["shop.cart_additions"][1] > 0

        insert = (
            "INSERT INTO shop.order_items (order_id, product_id, quantity, price)"
            " SELECT max(order_id), 1, 1, 1 FROM shop.orders"
        )
        with intruding(seeded, insert):
            report = verified(seeded.settings, failing)
    assert failing(report) == {"shop.cart_additions", "attempted_rows.order_items.insert"}


def test_an_acknowledged_operation_that_is_missing_is_found(
    seeded: Database, tmp_path: Path
) -> None:
    """A deleted audit row of a running process: its operation was acknowledged, and is missing."""
    with all_services(seeded, tmp_path) as process:
        instance = process.client.health()["services"]["credit-servicing"]
        falsify(
            seeded,
            "DELETE FROM audit_log WHERE audit_id = (SELECT min(audit_id) FROM audit_log"
            f" WHERE instance = '{instance}' AND operation = 'pay')",
        )
        report = verify.run(seeded.settings, window_s=WINDOW_S)
    assert failing(report) == {"acknowledged.servicing.pay", "acknowledged.paid_brl"}


def test_services_continue_after_a_check(seeded: Database, tmp_path: Path) -> None:
    with all_services(seeded, tmp_path) as process:
        verify.run(seeded.settings, window_s=WINDOW_S)
        assert process.client.health()["state"] == "running"
        done = process.total("credit_operations_total")
        await_state(
            "operations after the check",
            lambda: None if process.total("credit_operations_total") > done else "none",
            within_s=SOON_SECONDS,
        )


def test_without_services_the_counters_are_unknown_not_good(seeded: Database) -> None:
    """The invariants hold, the counters have no data: neither a pass nor a failure."""
    report = verify.run(seeded.settings, window_s=0.01)
    assert report.ok is None
    assert {check.name for check in report.checks if check.ok is None} == {"services"}


def test_a_service_that_does_not_run_is_named(seeded: Database, tmp_path: Path) -> None:
    with running_service("risk", seeded.settings, tmp_path, OFF):
        report = verify.run(seeded.settings, window_s=0.1)
    [missing] = [check for check in report.checks if check.ok is None]
    assert "credit-servicing" in missing.detail
    assert "credit-risk" not in missing.detail


def test_another_client_with_the_services_role_makes_counters_unknown(
    seeded: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That session may have unflushed statistics; the report has the next step, and the services continue."""
    monkeypatch.setattr(quiescence, "SESSIONS_TIMEOUT_S", 0.5)
    with seeded.connect(Role.APP), all_services(seeded, tmp_path) as process:
        report = verify.run(seeded.settings, window_s=0.1)
        assert process.client.health()["state"] == "running"
    [check] = [check for check in report.checks if check.ok is None]
    assert check.name == "counters"
    assert "Close the other clients that use this role" in check.detail
