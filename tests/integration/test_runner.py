"""What becomes of an operation when the connection, the transaction or the statement fails."""

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal

import pytest

from lab import seed
from lab.clients.database import Role, rows
from lab.foundation.readiness import await_state
from tests.fix_postgres import Database
from tests.fix_proxy import Moment, Proxy
from tests.fix_workload import Wire, Wired, ask, one
from workload import retry
from workload.operation import Call, Facts, Operation, Outcome, Result
from workload.settings import Settings

COMMIT = b"COMMIT"
STATEMENT = b"INSERT INTO credit_proposals"
WAIT_SECONDS = 150
# Less than the time limit of its retries.
AT_ONCE_SECONDS = retry.CONNECTION_PATIENCE_S / 2
WAITS_FOR_TRANSACTION = "SELECT 1 FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted"
SESSIONS = """
SELECT array_agg(pid) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'credit_app'
"""


@pytest.fixture
def behind_proxy(seeded: Database, proxy: Proxy) -> Settings:
    """Settings of services that reach PostgreSQL through the proxy only."""
    return seeded.settings.model_copy(update={"postgres_port": proxy.port})


def acknowledged(database: Database, wired: Wired) -> int:
    count = one(database, "SELECT count(*) FROM audit_log WHERE instance = %s", str(wired.instance))
    assert isinstance(count, int)
    return count


def custom(name: str, run: Callable[[Call], Result]) -> Operation:
    """A write operation of a test's own."""
    return Operation(name=name, run=run, rate=lambda _: 0.0, writes=True)


@pytest.mark.parametrize("moment", Moment)
def test_a_lost_commit_is_counted_once(
    seeded: Database, wire: Wire, proxy: Proxy, behind_proxy: Settings, moment: Moment
) -> None:
    """Whether or not the lost COMMIT took place, the payment is stored once, and counted once."""
    wired = wire("servicing", behind_proxy)
    wired.run("pay")
    proxy.cut(COMMIT, moment)
    result = wired.run("pay")
    assert proxy.pending == 0
    assert result.outcome is Outcome.OK
    assert acknowledged(seeded, wired) == 2
    booked = one(
        seeded,
        "SELECT sum((detail ->> 'paid')::numeric) FROM audit_log WHERE instance = %s",
        str(wired.instance),
    )
    assert Decimal(wired.value("credit_paid_brl_total")).quantize(Decimal("0.01")) == booked
    assert wired.value("credit_operations_total", operation="pay", outcome="ok") == 2
    assert wired.value("credit_operation_retries_total", operation="pay", reason="connection") == 1
    assert wired.value("credit_database_errors_total", sqlstate_class="08") == 1


@pytest.mark.parametrize("moment", Moment)
def test_a_lost_statement_of_its_own_transaction_is_counted_once(
    seeded: Database, wire: Wire, proxy: Proxy, behind_proxy: Settings, moment: Moment
) -> None:
    """The same for an operation whose one statement commits by itself."""
    pending = "SELECT count(*) FROM credit_proposals WHERE status = 'pending'"
    before = one(seeded, pending)
    wired = wire("proposals", behind_proxy)
    proxy.cut(STATEMENT, moment)
    assert wired.run("submit").outcome is Outcome.OK
    assert (proxy.pending, acknowledged(seeded, wired)) == (0, 1)
    assert one(seeded, pending) == before + 1  # type: ignore[operator]
    assert wired.value("credit_proposals_total", status="submitted") == 1


def test_a_commit_that_is_still_under_way_is_waited_for(
    seeded: Database, wire: Wire, proxy: Proxy, behind_proxy: Settings
) -> None:
    """The second attempt finds nothing yet, starts again, and is rejected by the first one's audit row."""
    with seeded.connect(Role.SUPERUSER) as connection:
        rows(
            connection,
            "CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN PERFORM pg_advisory_xact_lock_shared(15); RETURN NULL; END';"
            " CREATE CONSTRAINT TRIGGER linger AFTER INSERT ON audit_log"
            " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION linger()",
        )
    wired = wire("servicing", behind_proxy)
    proxy.cut(COMMIT, Moment.DURING)
    with ThreadPoolExecutor(max_workers=1) as threads, seeded.connect(Role.SUPERUSER) as holder:
        rows(holder, "SELECT pg_advisory_lock(15)")
        paying = threads.submit(wired.run, "pay")
        await_state(
            "the second attempt waits for the first one's commit",
            lambda: None if rows(holder, WAITS_FOR_TRANSACTION) else "no session waits",
            within_s=WAIT_SECONDS,
        )
        rows(holder, "SELECT pg_advisory_unlock(15)")
        result = paying.result(WAIT_SECONDS)
    assert result.tags == {"credit.resolved": 1}
    assert wired.value("credit_database_errors_total", sqlstate_class="23") == 1
    assert acknowledged(seeded, wired) == 1
    payments = one(
        seeded,
        "SELECT count(*) FROM credit_transactions WHERE created_at > now() - interval '1 min'",
    )
    assert payments == 1
    assert wired.value("credit_paid_brl_total") == float(result.facts.paid) > 0


def test_a_commit_in_doubt_is_looked_up_however_long_the_database_is_away(
    seeded: Database,
    wire: Wire,
    proxy: Proxy,
    behind_proxy: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Patience is over long before the server is back; the payment that took place is counted."""
    monkeypatch.setattr(retry, "CONNECTION_PATIENCE_S", 0.1)
    wired = wire("servicing", behind_proxy)
    wired.run("pay")
    proxy.cut(COMMIT, Moment.AFTER, then_refuse=True)
    with later(1.0, proxy.allow):
        assert wired.run("pay").tags == {"credit.resolved": 1}
    assert wired.value("credit_operations_total", operation="pay", outcome="ok") == 2
    assert acknowledged(seeded, wired) == 2


def test_an_operation_waits_for_a_database_that_comes_back(
    wire: Wire, proxy: Proxy, behind_proxy: Settings
) -> None:
    proxy.refuse()
    wired = wire("customers", behind_proxy)

    def retries() -> float:
        return wired.value(
            "credit_operation_retries_total", operation="lookup", reason="connection"
        )

    with ThreadPoolExecutor(max_workers=1) as threads:
        looking = threads.submit(wired.run, "lookup")
        await_state(
            "it was tried again", lambda: None if retries() else "once", within_s=WAIT_SECONDS
        )
        proxy.allow()
        assert looking.result(WAIT_SECONDS).outcome is Outcome.OK


def test_patience_with_a_database_that_is_away_has_an_end(
    wire: Wire, proxy: Proxy, behind_proxy: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was sent, so nothing is in doubt: a payment is given up, too, and counted as an error."""
    monkeypatch.setattr(retry, "CONNECTION_PATIENCE_S", 0.1)
    proxy.refuse()
    wired = wire("servicing", behind_proxy)
    assert wired.run("pay").outcome is Outcome.ERROR
    assert wired.value("credit_operations_total", operation="pay", outcome="error") == 1


def test_a_service_that_stops_does_not_wait_for_the_database(
    wire: Wire, proxy: Proxy, behind_proxy: Settings
) -> None:
    proxy.refuse()
    wired = wire("servicing", behind_proxy)
    payment = threading.Thread(target=wired.run, args=["pay"], daemon=True)
    payment.start()
    wired.stop.set()
    payment.join(AT_ONCE_SECONDS)
    assert not payment.is_alive()


def test_a_backend_that_was_terminated_costs_one_retry(seeded: Database, wire: Wire) -> None:
    wired = wire("customers", seeded.settings, workload_threads=1)
    wired.run("lookup")
    [(ended,)] = ask(
        seeded,
        "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND usename = 'credit_app'",
        role=Role.SUPERUSER,
    )
    assert ended
    assert wired.run("lookup").outcome is Outcome.OK
    assert (
        wired.value("credit_operation_retries_total", operation="lookup", reason="connection") == 1
    )


def test_a_deadlock_is_resolved_by_making_the_loser_again(seeded: Database, wire: Wire) -> None:
    """A real deadlock of two transactions: both are done at the end, one of them at the second attempt."""
    wired = wire("servicing", seeded.settings)
    both_locked = threading.Barrier(2)

    def lock(call: Call, first: int, second: int) -> Result:
        with call.transaction() as session:
            session.change("reduce_open_amount", contract_id=first, amount=Decimal(0))
            if not both_locked.broken:
                both_locked.wait(WAIT_SECONDS)
            session.change("reduce_open_amount", contract_id=second, amount=Decimal(0))
        both_locked.abort()
        return Result()

    [(one_id,), (other_id,)] = ask(
        seeded,
        "SELECT contract_id FROM credit_contracts WHERE status = 'active' ORDER BY 1 LIMIT 2",
    )
    outcomes: list[Outcome] = []

    def run(first: int, second: int) -> None:
        operation = custom("cross", lambda call: lock(call, first, second))
        outcomes.append(wired.runner.run(operation).outcome)

    threads = [
        threading.Thread(target=run, args=pair, daemon=True)
        for pair in ((one_id, other_id), (other_id, one_id))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_SECONDS)
    assert outcomes == [Outcome.OK] * 2
    assert (
        wired.value("credit_operation_retries_total", operation="cross", reason="serialization")
        == 1
    )
    assert wired.value("credit_database_errors_total", sqlstate_class="40") == 1


def test_a_statement_that_takes_too_long_is_an_error_and_the_connection_lives_on(
    seeded: Database, wire: Wire
) -> None:
    """57014 is not an outage: the operation fails at once, and the next one uses the same connection."""
    wired = wire(
        "servicing", seeded.settings, workload_threads=1, workload_statement_timeout_ms=3000
    )
    wired.run("pay")
    with seeded.connect(Role.LAB) as connection:
        [[before]] = rows(connection, SESSIONS)
        with locked(seeded, "installments"):
            assert wired.run("pay").outcome is Outcome.ERROR
        assert wired.run("pay").outcome is Outcome.OK
        assert rows(connection, SESSIONS) == [(before,)]
    assert wired.value("credit_database_errors_total", sqlstate_class="57") == 1


def test_an_error_is_counted_by_its_class_and_leaves_nothing_behind(
    seeded: Database, wire: Wire
) -> None:
    """A statement that a constraint refuses: class 23, no retry, all of its transaction rolled back."""
    wired = wire("servicing", seeded.settings)

    def overpay(call: Call) -> Result:
        with call.transaction() as session:
            call.audit(session, Facts(), entity="test", entity_id=0)
            session.change("reduce_open_amount", contract_id=active, amount=Decimal(10**9))
        return Result()

    [(active,)] = ask(
        seeded, "SELECT min(contract_id) FROM credit_contracts WHERE status = 'active'"
    )
    assert wired.runner.run(custom("overpay", overpay)).outcome is Outcome.ERROR
    assert acknowledged(seeded, wired) == 0
    assert wired.value("credit_database_errors_total", sqlstate_class="23") == 1
    assert (
        wired.value("credit_operation_retries_total", operation="overpay", reason="serialization")
        == 0
    )


def test_no_row_of_the_database_gets_into_the_log(
    seeded: Database, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    """PostgreSQL quotes the failing row, CPF and name included; the services' log does not."""
    ask(
        seeded,
        "ALTER TABLE customers ADD CONSTRAINT none CHECK (email = '') NOT VALID",
        role=Role.SUPERUSER,
    )
    with caplog.at_level(logging.DEBUG):
        assert wire("customers", seeded.settings).run("update_contact").outcome is Outcome.ERROR
    assert 'violates check constraint "none"' in caplog.text
    for cpf, name in ask(seeded, "SELECT cpf, full_name FROM customers"):
        assert cpf not in caplog.text
        assert name not in caplog.text


def test_an_unforeseen_error_ends_the_operation_only(
    seeded: Database, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    """A mistake in an operation is logged with its traceback and counted; the connection is given back."""
    wired = wire("servicing", seeded.settings, workload_threads=1)

    def stumble(call: Call) -> Result:
        with call.transaction():
            raise ZeroDivisionError

    assert wired.runner.run(custom("stumble", stumble)).outcome is Outcome.ERROR
    [record] = caplog.records
    assert record.exc_info
    assert wired.run("pay").outcome is Outcome.OK


def test_an_empty_database_is_an_error_that_names_the_way_out(
    database: Database, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    """No traceback; and once the database is seeded, the next operation works."""
    wired = wire("proposals", database.settings)
    assert wired.run("browse").outcome is Outcome.ERROR
    [record] = caplog.records
    assert "./creditlab up" in record.message
    assert not record.exc_info
    seed.ensure(database.settings.model_copy(update={"seed_scale": 0.001}))
    assert wired.run("browse").outcome is Outcome.OK


@contextmanager
def locked(database: Database, table: str) -> Iterator[None]:
    """Hold an exclusive lock on a table for the length of a block."""
    with database.connect(Role.SUPERUSER) as connection:
        rows(connection, f"BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield


@contextmanager
def later(seconds: float, act: Callable[[], None]) -> Iterator[None]:
    """Do something while the block runs."""
    timer = threading.Timer(seconds, act)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
