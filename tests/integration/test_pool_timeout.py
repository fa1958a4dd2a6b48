"""The services' connection pool with every connection in use: a checkout ends in time, with its own error."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial

import pytest

from lab.clients.database import Role, rows
from lab.foundation.readiness import await_state
from tests.fix_postgres import Database
from tests.fix_proxy import Moment, Proxy
from tests.fix_workload import Wire, one
from workload.database import PoolTimeoutError
from workload.operation import Outcome

COMMIT = b"COMMIT"
SIZE = 2
TIMEOUT_S = 0.2
ENDS_WITHIN_S = 150


def test_an_operation_without_a_connection_fails_in_time_and_is_counted(
    seeded: Database, wire: Wire
) -> None:
    """With all connections held it ends as an error, counted once; with one given back it works again."""
    wired = wire(
        "customers",
        seeded.settings,
        workload_pool_size=SIZE,
        workload_pool_timeout_seconds=TIMEOUT_S,
    )
    with ThreadPoolExecutor(max_workers=1) as thread:
        with ExitStack() as held:
            for _ in range(SIZE):
                held.enter_context(wired.database.autocommit())
            assert wired.database.busy == SIZE
            with pytest.raises(PoolTimeoutError, match=r"all 2 connections.*0\.2 s.*POOL_SIZE"):
                thread.submit(wired.database.autocommit).result(ENDS_WITHIN_S)
            ended = thread.submit(wired.run, "lookup").result(ENDS_WITHIN_S)
            assert ended.outcome is Outcome.ERROR
            assert wired.value("credit_pool_timeouts_total") == 2
            assert wired.value("credit_operations_total", operation="lookup", outcome="error") == 1
            # Nothing of it reached the database, so PostgreSQL is not the cause.
            assert wired.value("credit_database_errors_total", sqlstate_class="08") == 0
        assert thread.submit(wired.run, "lookup").result(ENDS_WITHIN_S).outcome is Outcome.OK
    assert wired.value("credit_pool_timeouts_total") == 2
    assert wired.value("credit_pool_wait_seconds_sum") >= 2 * TIMEOUT_S


def test_a_commit_in_doubt_is_looked_up_even_when_the_pool_is_taken(
    seeded: Database, wire: Wire, proxy: Proxy
) -> None:
    """A commit's reply is lost and another thread takes the one connection: counted once all the same."""
    wired = wire(
        "servicing",
        seeded.settings.model_copy(update={"postgres_port": proxy.port}),
        workload_pool_size=1,
        workload_pool_timeout_seconds=TIMEOUT_S,
    )
    wired.run("pay")
    counted = wired.value("credit_operations_total", operation="pay", outcome="ok")
    timeouts = "credit_pool_timeouts_total"

    def more_than(before: float) -> str | None:
        return None if wired.value(timeouts) > before else "not yet"

    def hold_until_another_has_waited() -> None:
        while True:
            with suppress(PoolTimeoutError), wired.database.autocommit():
                await_state(
                    "the lookup waits for the pool",
                    partial(more_than, wired.value(timeouts)),
                    within_s=ENDS_WITHIN_S,
                )
                return

    with ThreadPoolExecutor(max_workers=2) as threads:
        with seeded.connect(Role.OWNER) as locking:
            rows(locking, "BEGIN")
            rows(locking, "LOCK TABLE installments IN EXCLUSIVE MODE")
            proxy.cut(COMMIT, Moment.AFTER)
            paying = threads.submit(wired.run, "pay")
            await_state(
                "the payment holds the connection",
                lambda: None if wired.database.busy else "not yet",
                within_s=ENDS_WITHIN_S,
            )
            holding = threads.submit(hold_until_another_has_waited)
            await_state(
                "another thread waits for the pool",
                lambda: None if wired.value(timeouts) else "not yet",
                within_s=ENDS_WITHIN_S,
            )
        holding.result(ENDS_WITHIN_S)
        assert paying.result(ENDS_WITHIN_S).outcome is Outcome.OK
    assert wired.value("credit_operations_total", operation="pay", outcome="ok") == counted + 1
    rows_of_it = "SELECT count(*) FROM audit_log WHERE instance = %s AND operation = 'pay'"
    assert one(seeded, rows_of_it, str(wired.instance)) == counted + 1
